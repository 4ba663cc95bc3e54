"""The figures of an evaluation, by task, from the very table and figures that ``metrics.json`` was computed from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scantune import plots
from scantune.digests import text_digest
from scantune.tasks.base import TaskSettings
from scantune.tasks.catalogue import part
from scantune.tasks.predictions import Faults, PredictionTable

Drawn = dict[str, Any]

#: Axis, lower and upper end of a curve's band, float64 [n] each.
Band = tuple[np.ndarray, np.ndarray, np.ndarray]


#: In names of figures, between what is drawn and the target that it is of.
PART = "__"


def file_names(texts: Iterable[str]) -> dict[str, str]:
    """Names as parts of files' names: letters, digits, ``_`` and ``-``; those that would be equal end in a digest."""
    named = {text: re.sub(r"[^\w-]+", "_", text) for text in texts}
    times = Counter(name.lower() for name in named.values())
    return {
        text: name if times[name.lower()] == 1 else f"{name}_{text_digest(text, 6)}" for text, name in named.items()
    }


@dataclass(frozen=True)
class Units:
    """What lengths and sizes of masks are in: millimetres where all samples have a spacing, pixels else."""

    length: str = "pixels"
    size: str = "pixels"
    kind: str = "area"

    @classmethod
    def of(cls, spaced: bool, axes: int) -> Units:
        """Of masks with ``axes`` axes of space."""
        kind = "area" if axes == 2 else "volume"
        if not spaced:
            return cls("pixels", "pixels", kind) if axes == 2 else cls("voxels", "voxels", kind)
        return cls("mm", "mm²" if axes == 2 else "mm³", kind)

    def of_figures(self) -> dict[str, str]:
        """Figure to its unit, of those that have one."""
        sized = ("mae", "rmse", "bland_altman_bias", "bland_altman_sd", "bland_altman_lower", "bland_altman_upper")
        return {"hd95": self.length} | {f"volume_{name}": self.size for name in sized}


@dataclass(frozen=True)
class FigureInput:
    """What a task's figures are drawn from.

    Attributes:
        table: predictions, of all splits.
        data: the same as the task reads them.
        rows: int [n], rows that are drawn.
        metrics: ``metrics.json``.
        units: of lengths and sizes.
    """

    table: PredictionTable
    data: Any
    rows: np.ndarray
    metrics: Mapping[str, Any]
    units: Units

    @property
    def confidence(self) -> float:
        """Level of the intervals."""
        return float(_setting(self.metrics, "confidence", 0.95))

    @property
    def figures(self) -> Mapping[str, Any]:
        """The figures by name."""
        return self.metrics["metrics"]

    def starting(self, prefix: str) -> dict[str, Any]:
        """Figures whose names start with ``prefix``, by the rest of their names."""
        return {name.removeprefix(prefix): entry for name, entry in self.figures.items() if name.startswith(prefix)}

    def column(self, name: str, rows: np.ndarray | None = None) -> np.ndarray | None:
        """A column of numbers of the rows, or of some; None where there is none, or one that is not finite."""
        if name not in self.table:
            return None
        values = self.table.numbers(name, Faults())[self.rows if rows is None else rows]
        return values if np.isfinite(values).all() else None


def draw(
    table: PredictionTable,
    settings: TaskSettings,
    metrics: Mapping[str, Any],
    split: str = "test",
    units: Units | None = None,
) -> Drawn:
    """Name to matplotlib figure. Where samples are joined these are of the joined rows, and those of samples beside.

    Args:
        table: predictions.
        settings: the ``task:`` block.
        metrics: ``metrics.json``.
        split: the rows that are drawn.
        units: of lengths and sizes of masks.
    """
    from scantune.tasks.scoring import joined_table, parse

    joined = joined_table(table, settings)

    def of(rows: PredictionTable, estimates: Mapping[str, Any]) -> Drawn:
        chosen = np.flatnonzero(rows.split == split)
        return part(settings.name, "figures").draw(
            FigureInput(rows, parse(rows, settings), chosen, estimates, units or Units())
        )

    drawn = of(joined, metrics) | _by_group(metrics)
    if joined is not table:
        plain = {"metrics": metrics["levels"]["sample"], "task": metrics["task"], "settings": metrics.get("settings")}
        drawn |= {f"{name}_of_samples": figure for name, figure in of(table, plain).items()}
    return drawn


def save_all(figures: Drawn, folder: Path) -> dict[str, Path]:
    """Write each figure as SVG and PNG; name to the SVG's path."""
    return {name: plots.save(figure, folder / name)[0] for name, figure in figures.items()}


def _by_group(metrics: Mapping[str, Any]) -> Drawn:
    """The primary figure, and the coverage of conformal intervals or sets, by subgroup."""
    groups, figures = metrics.get("subgroups") or {}, metrics["metrics"]
    drawn: Drawn = {}
    stated: dict[str, Any] = {
        "min_subjects": int(_setting(metrics, "min_group", 20)),
        "confidence": float(_setting(metrics, "confidence", 0.95)),
    }
    if groups and metrics["headline"]:
        primary = metrics["headline"][0]
        drawn["subgroups"] = plots.forest(
            groups, primary, overall=figures.get(primary), unit=unit_of(metrics, primary), **stated
        )
    covered = (figures.get("conformal_coverage") or {}).get("value")
    if covered is not None:
        nominal = 1 - (metrics.get("conformal") or {}).get("miscoverage", 0.1)
        drawn["coverage"] = plots.coverage(groups, nominal=nominal, overall=figures["conformal_coverage"], **stated)
    return drawn


def unit_of(metrics: Mapping[str, Any], name: str) -> str:
    """Unit of a metric by ``units`` of ``metrics.json``; "" where it has none."""
    units = metrics.get("units") or {}
    return str(units.get(name) or units.get(name.partition("/")[0]) or "")


def mask_units(metrics: Mapping[str, Any]) -> str:
    """What sizes of masks and distances between their surfaces are in, as text; "" where there are none."""
    size, length = unit_of(metrics, "volume_mae"), unit_of(metrics, "hd95")
    return f"Sizes of masks are in {size}, HD95 in {length}" if size and length else ""


def units_of(settings: TaskSettings, metrics: Mapping[str, Any], masks: Units | None) -> dict[str, str]:
    """Metric to its unit, of those that have one: lengths and sizes of masks, or what is in units of a target."""
    if settings.mask_classes:
        return masks.of_figures() if masks is not None else {}
    of_task = getattr(part(settings.name, "words"), "units", None)
    return dict(of_task(settings, metrics["metrics"])) if of_task is not None else {}


def _setting(metrics: Mapping[str, Any], name: str, default: float) -> float:
    """What ``metrics.json`` was computed with; the default where it does not say."""
    return (metrics.get("settings") or {}).get(name, default)


AXES = {"roc": "false_positive_rate", "precision_recall": "recall", "decision": "threshold"}
"""Kind of curve to the axis that its band runs along."""


def bands(metrics: Mapping[str, Any], kind: str) -> dict[str, Band]:
    """Class to band of the ``roc`` or ``precision_recall`` curves of ``metrics.json``; "" to that of ``decision``.

    A curve that is the same in every draw, as where classes are separated, has none: no width would claim certainty.
    """
    curves = (metrics.get("curves") or {}).items()
    named = {n.partition("/")[2]: band(curve, AXES[kind]) for n, curve in curves if n.partition("/")[0] == kind}
    return {name: ends for name, ends in named.items() if np.nan_to_num(ends[2] - ends[1]).any()}


def band(curve: Mapping[str, Any], axis: str) -> Band:
    """A curve's axis, lower and upper end, float64 [n] each."""
    x, lower, upper = (np.array(curve[name], dtype=np.float64) for name in (axis, "lower", "upper"))
    return x, lower, upper
