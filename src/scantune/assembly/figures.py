"""The figures of an evaluation, by task, from the very table and figures that ``metrics.json`` was computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scantune import plots
from scantune.tasks.predictions import PredictionTable

Drawn = dict[str, Any]

MARKED = ("youden", "sensitivity", "specificity")
"""Operating points that are marked on curves: the first of each kind; the report's table has them all."""


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
class Given:
    """What a task's figures are drawn from.

    Attributes:
        table: predictions, of all splits.
        data: the same as the task reads them.
        rows: int [n], rows that are drawn.
        schema: the ``task:`` block.
        metrics: ``metrics.json``.
        units: of lengths and sizes.
    """

    table: PredictionTable
    data: Any
    rows: np.ndarray
    schema: Any
    metrics: Mapping[str, Any]
    units: Units

    @property
    def figures(self) -> Mapping[str, Any]:
        """The figures by name."""
        return self.metrics["metrics"]

    def starting(self, prefix: str) -> dict[str, Any]:
        """Figures whose names start so, by the rest of their names."""
        return {name.removeprefix(prefix): entry for name, entry in self.figures.items() if name.startswith(prefix)}

    def column(self, name: str) -> np.ndarray | None:
        """A column of numbers of the rows; None where there is none, or one that is not finite."""
        from scantune.tasks.predictions import Faults

        if name not in self.table:
            return None
        values = self.table.numbers(name, Faults())[self.rows]
        return values if np.isfinite(values).all() else None


def draw(
    table: PredictionTable, schema: Any, metrics: Mapping[str, Any], split: str = "test", units: Units | None = None
) -> Drawn:
    """Name to matplotlib figure. Where samples are joined these are of the joined rows, and those of samples beside.

    Args:
        table: predictions.
        schema: the ``task:`` block.
        metrics: ``metrics.json``.
        split: the rows that are drawn.
        units: of lengths and sizes of masks.
    """
    from scantune.tasks.scoring import joined_table, parse

    joined = joined_table(table, schema)

    def of(rows: PredictionTable, held: Mapping[str, Any]) -> Drawn:
        chosen = np.flatnonzero(rows.split == split)
        return _DRAW[schema.name](Given(rows, parse(rows, schema), chosen, schema, held, units or Units()))

    drawn = of(joined, metrics) | _by_group(metrics)
    if joined is not table:
        plain = {"metrics": metrics["levels"]["sample"], "task": metrics["task"]}
        drawn |= {f"{name}_of_samples": figure for name, figure in of(table, plain).items()}
    return drawn


def save_all(figures: Drawn, folder: Path) -> dict[str, Path]:
    """Write each figure as SVG and PNG; name to the SVG's path."""
    return {name: plots.save(figure, folder / name)[0] for name, figure in figures.items()}


def _by_group(metrics: Mapping[str, Any]) -> Drawn:
    """The primary figure, and the coverage of conformal intervals or sets, by subgroup."""
    groups, figures = metrics.get("subgroups") or {}, metrics["metrics"]
    drawn: Drawn = {}
    if groups and metrics["headline"]:
        primary = metrics["headline"][0]
        drawn["subgroups"] = plots.forest(groups, primary, overall=figures.get(primary))
    covered = (figures.get("conformal_coverage") or {}).get("value")
    if covered is not None:
        nominal = 1 - (metrics.get("conformal") or {}).get("miscoverage", 0.1)
        drawn["coverage"] = plots.coverage(groups, nominal=nominal, overall=figures["conformal_coverage"])
    return drawn


def _regression(given: Given) -> Drawn:
    rows, schema, figures = given.rows, given.schema, given.figures
    target, prediction = given.data.target[rows], given.data.prediction[rows]
    subjects = [str(subject) for subject in given.data.subjects[rows]]
    name = schema.target.replace("_", " ")
    limits = tuple(schema.range) if schema.range else None
    beside = {key: figures[key] for key in ("mae", "spearman_rho", "ccc") if key in figures}
    return {
        "predicted_against_actual": plots.predicted_against_actual(
            target, prediction, name=name, limits=limits, figures=beside, significant_error=schema.significant_error,
            lower=given.column("lower"), upper=given.column("upper"),
        ),
        "bland_altman": plots.bland_altman(target, prediction, figures=figures, name=name, subjects=subjects),
        "histogram": plots.histogram(target, prediction, name=name, limits=limits),
    }  # fmt: skip


def _classification(given: Given) -> Drawn:
    data, rows = given.data, given.rows
    target, probability = data.target[rows], data.probabilities[rows]
    counts = np.zeros((len(data.classes),) * 2, int)
    np.add.at(counts, (target, probability.argmax(1)), 1)
    if data.positive is not None:
        shown = [(data.positive, "auroc", "auprc")]
    else:
        shown = [(k, f"auroc/{name}", f"auprc/{name}") for k, name in enumerate(data.classes)]

    def curves(which: int) -> list[Any]:
        return [
            plots.Scored(
                target == entry[0], probability[:, entry[0]], data.classes[entry[0]], given.figures.get(entry[which])
            )
            for entry in shown
        ]

    bands = {name: _bands(given.metrics, name, axis) for name, axis in _AXES.items()}
    drawn = {
        "confusion": plots.confusion(counts, data.classes),
        "reliability": plots.reliability(_before_and_after(given), figures=_calibration(given.figures)),
    }
    if data.positive is None:
        drawn["roc"] = plots.roc_by_class(curves(1), bands=bands["roc"])
        drawn["precision_recall"] = plots.precision_recall_by_class(curves(2), bands=bands["precision_recall"])
    else:
        marked = _marked(given.metrics.get("operating_points") or [])
        drawn["roc"] = plots.roc(curves(1), bands=bands["roc"], operating_points=marked)
        drawn["precision_recall"] = plots.precision_recall(
            curves(2), bands=bands["precision_recall"], operating_points=marked
        )
        one = plots.Scored(target == data.positive, probability[:, data.positive], data.classes[data.positive])
        held = (given.metrics.get("curves") or {}).get("decision")
        band = None if held is None else {one.name: _band(held, "threshold")}
        drawn["decision_curve"] = plots.decision_curve(one, bands=band)
    return drawn


_AXES = {"roc": "false_positive_rate", "precision_recall": "recall"}


def _bands(metrics: Mapping[str, Any], kind: str, axis: str) -> dict[str, Any]:
    """Class to band of ``roc`` or ``precision_recall`` curves."""
    curves = (metrics.get("curves") or {}).items()
    return {name.partition("/")[2]: _band(held, axis) for name, held in curves if name.startswith(kind + "/")}


def _band(held: Mapping[str, Any], axis: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, lower, upper = (np.array(held[name], dtype=np.float64) for name in (axis, "lower", "upper"))
    return x, lower, upper


def _marked(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The operating points that were chosen on validation: the first of each kind, with what they reach here."""
    found: dict[str, dict[str, Any]] = {}
    for point in points:
        kind = str(point["name"]).partition("_")[0]
        if kind in MARKED and point.get("chosen_on") == "validation" and kind not in found:
            name = {"youden": "Youden's index"}.get(kind, str(point["name"]).replace("_", " "))
            reached = (point["figures"].get("precision") or {}).get("value")
            found[kind] = {**point, "name": name, "precision": reached}
    return list(found.values())


def _before_and_after(given: Given) -> list[Any]:
    """What reliability is of: the positive class, or the class that is said; also before calibration where known."""
    from scantune.statistics.calibration import undone

    data, rows = given.data, given.rows
    section = given.metrics.get("calibration") or {}
    before = undone(section.get("applied"), data.probabilities)
    if data.positive is not None:
        name, target = data.classes[data.positive], data.target[rows] == data.positive
        versions = {name: data.probabilities, f"{name}, before calibration": before}
        held = {key: (p[rows, data.positive], target) for key, p in versions.items() if p is not None}
    else:
        versions = {"class that is said": data.probabilities, "before calibration": before}
        right = data.probabilities.argmax(1)[rows] == data.target[rows]  # a temperature leaves the order as it is
        held = {key: (p[rows].max(1), right) for key, p in versions.items() if p is not None}
    return [plots.Scored(target, score, key) for key, (score, target) in held.items()]


def _calibration(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that belong beside a reliability curve."""
    names = ("ece", "brier", "calibration_slope", "calibration_intercept")
    return {name: figures[name] for name in names if name in figures and figures[name]["value"] is not None}


def _zones(given: Given) -> Drawn:
    rows, schema, figures = given.rows, given.schema, given.figures
    target, guess = given.data.target[rows], given.data.prediction[rows]
    counts = {}
    for place, zone in enumerate(schema.zones):
        table = np.zeros((len(schema.classes),) * 2, int)
        np.add.at(table, (target[:, place], guess[:, place]), 1)
        counts[zone] = table
    by_zone = {
        metric: {zone: figures[f"{metric}/{zone}"] for zone in schema.zones if f"{metric}/{zone}" in figures}
        for metric in ("kappa_quadratic", "f1_macro")
    }
    drawn = {
        "zones": plots.zones({metric: zones for metric, zones in by_zone.items() if zones}),
        "zone_confusions": plots.zone_confusions(counts, [*schema.classes[:-1], "–"]),
        "zone_reliability": _zone_reliability(given),
    }
    return drawn | _mean_score(given, target, guess) | _severity(given, target, guess)


def _zone_reliability(given: Given) -> Any:
    """Over all zones and zone by zone: how often the grade that is said is right, by its probability."""
    p, target = given.data.probabilities[given.rows], given.data.target[given.rows]
    said, right = p.max(2), p.argmax(2) == target
    held = given.metrics.get("calibration") or {}
    zones = {
        zone: plots.Scored(right[:, i], said[:, i], zone, ((held.get("zones") or {}).get(zone) or {}).get("ece"))
        for i, zone in enumerate(given.schema.zones)
    }
    pooled = plots.Scored(right.ravel(), said.ravel(), "all zones", (held.get("as_given") or {}).get("ece"))
    return plots.zone_reliability(zones, pooled)


def _mean_score(given: Given, target: np.ndarray, guess: np.ndarray) -> Drawn:
    from scantune.tasks.zones.metrics import mean_score

    truth, said = (mean_score(codes, given.schema.grades) for codes in (target, guess))
    both = np.isfinite(truth) & np.isfinite(said)
    if not both.any():
        return {}
    figures = given.starting("mean_score_")
    shown = ("mae", "rmse", "pearson_r", "spearman_rho")
    beside: dict[str, Any] = {name: figures[name] for name in shown if name in figures}
    subjects = [str(subject) for subject in given.data.subjects[given.rows][both]]
    return {
        "mean_score": plots.predicted_against_actual(
            truth[both], said[both], name="mean score", limits=(0, given.schema.grades - 1), figures=beside
        ),
        "mean_score_agreement": plots.bland_altman(
            truth[both], said[both], figures=figures, name="mean score", subjects=subjects
        ),
    }


def _severity(given: Given, target: np.ndarray, guess: np.ndarray) -> Drawn:
    """The class of the mean score: its confusion matrix, and the ROC of the mean score for each cut-off."""
    from scantune.tasks.zones.metrics import mean_score

    held = given.metrics.get("ahf_confusion") or {}
    if not held or not np.sum(held["matrix"]):
        return {}
    drawn = {"severity_confusion": plots.confusion(held["matrix"], [n.replace("_", " ") for n in held["classes"]])}
    truth, said = (mean_score(codes, given.schema.grades) for codes in (target, guess))
    both = np.isfinite(truth) & np.isfinite(said)
    curves = []
    for cut in given.schema.cut_offs:
        above = truth[both] > cut + 1e-9
        if 0 < above.sum() < len(above):
            figure = given.figures.get(f"ahf_auroc/above_{cut:g}")
            curves.append(plots.Scored(above, said[both], f"above {cut:g}", figure))
    if curves:
        bands = {name.replace("_", " "): band for name, band in _bands(given.metrics, "roc", _AXES["roc"]).items()}
        drawn["severity_roc"] = plots.roc(curves, bands=bands)
    return drawn


def _segmentation(given: Given) -> Drawn:
    rows, data = given.rows, given.data
    values = {name: held[rows] for name, held in data.measures.items() if "/" not in name}
    drawn = {"overlap": plots.overlap(values, figures=given.figures, units={"hd95": given.units.length})}
    figures = given.starting("volume_")
    if data.volumes is not None and "bland_altman_bias" in figures:
        drawn["volume_agreement"] = plots.volume_agreement(
            data.volumes[0][rows], data.volumes[1][rows], figures=figures, unit=given.units.size, what=given.units.kind
        )
    return drawn


_DRAW: dict[str, Callable[[Given], Drawn]] = {
    "regression": _regression,
    "classification": _classification,
    "zones": _zones,
    "segmentation": _segmentation,
}
