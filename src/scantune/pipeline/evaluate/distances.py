"""Summary of the distance from the training images, for a test set and for external data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.statistics.discrimination import delong, delong_interval
from scantune.tasks import scoring
from scantune.tasks.predictions import Faults, PredictionTable

if TYPE_CHECKING:
    from scantune.config.evaluate import EvaluateConfig
    from scantune.tasks.base import TaskSettings

COLUMN, ANSWERED = "distance", "answered"


def of(table: PredictionTable, home: PredictionTable | None = None, confidence: float = 0.95) -> dict[str, Any] | None:
    """The section ``distance`` of ``metrics.json``; None where the model has no distance.

    Args:
        table: predictions of the test set, or of another data set.
        home: the internal test predictions, which those of another data set are compared with.
        confidence: level of the interval.

    Returns:
        ``beyond``: share of the samples with a distance above 1, ``n``; with ``home`` also ``auroc`` (with ``lower``
        and ``upper``) of the mean distance by subject, other data set against the internal test set.
    """
    if COLUMN not in table:
        return None
    test = table.take(table.split == "test")
    values = test.numbers(COLUMN, Faults())
    section: dict[str, Any] = {"beyond": float((values > 1).mean()), "n": len(values)}
    if home is None or COLUMN not in home:
        return section
    internal, external = (_by_subject(side.take(side.split == "test")) for side in (home, table))
    scores = np.concatenate([internal, external])
    away = np.arange(len(scores)) >= len(internal)
    if away.all() or not away.any():
        return section
    ends = delong_interval(scores, away, confidence)
    section["auroc"] = float(delong(scores[None], away).auc[0])
    section["lower"], section["upper"] = ends if ends else (None, None)
    return section


def section(
    table: PredictionTable, task: TaskSettings, settings: EvaluateConfig, home: PredictionTable | None = None
) -> dict[str, Any] | None:
    """As :func:`of`; for a model that abstains also ``answered``: ``n``, and the headline metrics of these samples."""
    result = of(table, home, settings.confidence)
    if result is None or ANSWERED not in table:
        return result
    answered = table.take((table.split == "test") & (table.text(ANSWERED) == "yes"))
    figures: dict[str, Any] = {}
    if len(answered):
        options = {name: getattr(settings, name) for name in ("draws", "seed", "confidence")}
        figures = scoring.compared_with(answered, task, {ANSWERED: answered}, **options)[ANSWERED]
        figures = {name: {k: v for k, v in entry.items() if k != "difference"} for name, entry in figures.items()}
    return result | {"answered": {"n": len(answered), "figures": figures}}


def _by_subject(table: PredictionTable) -> np.ndarray:
    """Mean distance of each subject."""
    values = table.numbers(COLUMN, Faults())
    _, codes = np.unique(table.subject_id.astype(str), return_inverse=True)
    return np.bincount(codes, values) / np.bincount(codes)


def in_words(section: dict[str, Any] | None) -> list[str]:
    """The section as lines for the terminal."""
    if not section:
        return []
    beyond = round(section["beyond"] * section["n"])
    line = f"unlike the training images (distance above 1): {beyond} of {section['n']} ({section['beyond']:.1%})"
    if section.get("auroc") is not None:
        line += f"; distinguished from the internal test set with AUROC {section['auroc']:.3f}"
    if "answered" in section:
        line += f"; not answered: {section['n'] - section['answered']['n']} of {section['n']}"
    return [line]
