"""Masks of a cohort before any training: counts and sizes by label, and what lies outside of a crop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scantune.mask_codes import PAINTED
from scantune.plots.words import number
from scantune.preprocess.mask_labels import column_text, counts_of

LEAST = 0.005
"""Share of a label that must be cut for the sample to be named."""


def label_names(labels: Sequence[int], mask_classes: Mapping[str, Sequence[str]]) -> dict[int, str]:
    """Labels in order, each with its name by the task that has the most classes, else ``label 3``."""
    classes = max(mask_classes.values(), key=len, default=())
    every = sorted({*labels, *range(1, len(classes))})
    return {label: classes[label] if label < len(classes) else f"label {label}" for label in every}


def sizes_by_label(facts: Mapping[str, Mapping[str, Any]], names: Mapping[int, str]) -> dict[str, dict[str, Any]]:
    """Name of each label to the number of samples that have it and its size in them.

    Args:
        facts: sample id to the facts of its stored sample.
        names: of the labels, from :func:`label_names`.

    Returns:
        ``samples``, ``of`` (samples with a mask), and of those that have it ``median``, ``smallest`` and ``largest``
        size as text, in mm³, mm² or pixels.
    """
    rows = [
        (labels_of(sample_facts), _unit(sample_facts))
        for sample_facts in facts.values()
        if "mask_fraction" in sample_facts
    ]
    units = {unit for _, (_, unit) in rows}
    table: dict[str, dict[str, Any]] = {}
    for label, name in names.items():
        sizes = [counts[label] * (size if len(units) == 1 else 1.0) for counts, (size, _) in rows if counts.get(label)]
        unit = next(iter(units)) if len(units) == 1 else "pixels"
        entry: dict[str, Any] = {"samples": len(sizes), "of": len(rows)}
        if sizes:
            spread = {"median": float(np.median(sizes)), "smallest": min(sizes), "largest": max(sizes)}
            entry |= {what: f"{number(size)} {unit}" for what, size in spread.items()}
        table[name] = entry
    return table


def labels_of(facts: Mapping[str, Any]) -> dict[int, int]:
    """Label to its pixels on the file's grid."""
    counts = counts_of(column_text(facts["reading"]))
    return {1 if label == PAINTED and len(counts) == 1 else label: count for label, count in counts.items()}


def _unit(facts: Mapping[str, Any]) -> tuple[float, str]:
    """Size of a pixel or voxel of the file, and its unit."""
    spacing = facts["reading"].get("own_spacing")
    if not spacing:
        return 1.0, "voxels" if len(facts["shape"]) == 4 else "pixels"
    return float(np.prod(spacing)), "mm³" if len(spacing) == 3 else "mm²"


def cut(facts: Mapping[str, Mapping[str, Any]], names: Mapping[int, str]) -> dict[str, str]:
    """Sample id to the labels of its mask that reach beyond the network's input, which no prediction can contain."""
    lines: dict[str, str] = {}
    for sample_id, sample_facts in facts.items():
        beyond = {int(label): count for label, count in (sample_facts["reading"].get("mask_cut") or {}).items()}
        totals = labels_of(sample_facts)
        shares = {label: count / max(1, totals.get(label, count)) for label, count in beyond.items()}
        words = [
            f"{100 * share:.3g} % of {names.get(label, label)}" for label, share in shares.items() if share >= LEAST
        ]
        if words:
            lines[sample_id] = f"{', '.join(words)} outside of the network's input"
    return lines


def absent(table: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of labels that no mask has."""
    return [name for name, entry in table.items() if not entry["samples"] and entry["of"]]
