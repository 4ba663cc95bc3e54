"""CheXpert's columns: fourteen findings as 1 (there), 0 (not there), −1 (uncertain) or blank (not mentioned).

Layout after J. Irvin et al., CheXpert, AAAI 2019: ``Path`` from the folder above, ``train.csv`` and ``valid.csv``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scantune_phantoms.csi.film import Film
from scantune_phantoms.csi.subjects import Subject

FINDINGS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)


def findings(rng: np.random.Generator, subject: Subject, number: int, film: Film) -> dict[str, str]:
    """What a report would say of a film, by finding; what this phantom never draws is blank or 0.

    Args:
        rng: of the report.
        subject: whose film.
        number: of the film, from 0.
        film: as taken.
    """
    severity = subject.severity[number]
    mean, worst = float(np.mean(list(severity.values()))), max(severity.values())
    fluid = max(subject.fluid[number])
    labels = {
        "Cardiomegaly": _label_of(rng, film.heart_ratio, 0.50, 0.56),
        "Lung Opacity": _label_of(rng, worst, 1.5, 2.2),
        "Edema": _label_of(rng, mean, 0.7, 1.3),
        "Consolidation": _label_of(rng, worst, 2.4, 3.0),
        "Pleural Effusion": _label_of(rng, fluid, 0.8, 2.4),
        "Support Devices": "1.0" if subject.devices else "",
        "Pneumothorax": "0.0" if rng.random() < 0.6 else "",
    }
    clear = all(labels[name] in ("", "0.0") for name in labels)
    labels["No Finding"] = "1.0" if clear else ""
    return {name: labels.get(name, "") for name in FINDINGS}


def _label_of(rng: np.random.Generator, amount: float, low: float, high: float) -> str:
    """1 above ``high``, 0 or nothing below ``low``, by the reader's mood between them, where −1 is likeliest."""
    share = float(np.clip((amount + rng.normal(0, 0.1 * (high - low)) - low) / (high - low), 0, 1))
    if share in (0.0, 1.0):
        return "1.0" if share else ("0.0" if rng.random() < 0.55 else "")
    return "-1.0" if rng.random() < 0.5 else ("1.0" if rng.random() < share else "0.0")


def row(subject: Subject, film: Film, path: str, labels: Mapping[str, str]) -> dict[str, object]:
    """One line of the table, in CheXpert's columns and words."""
    return {
        "Path": path,
        "Sex": {"F": "Female", "M": "Male"}[subject.sex],
        "Age": subject.age,
        "Frontal/Lateral": "Frontal",
        "AP/PA": film.view,
        **labels,
    }
