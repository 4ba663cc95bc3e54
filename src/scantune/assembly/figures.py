"""The figures of an evaluation, by task, from the very table and figures that ``metrics.json`` was computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scantune import plots
from scantune.tasks.predictions import PredictionTable

Drawn = dict[str, Any]


def draw(table: PredictionTable, schema: Any, metrics: Mapping[str, Any], split: str = "test") -> Drawn:
    """Name to matplotlib figure.

    Args:
        table: predictions.
        schema: the ``task:`` block.
        metrics: ``metrics.json``.
        split: the rows that are drawn.
    """
    from scantune.tasks.scoring import parse

    rows = np.flatnonzero(table.split == split)
    held = _DRAW[schema.name](parse(table, schema), rows, schema, metrics["metrics"])
    groups = metrics.get("subgroups") or {}
    if groups and metrics["headline"]:
        primary = metrics["headline"][0]
        held["subgroups"] = plots.forest(groups, primary, overall=metrics["metrics"].get(primary))
    return held


def save_all(figures: Drawn, folder: Path) -> dict[str, Path]:
    """Write each figure as SVG and PNG; name to the SVG's path."""
    return {name: plots.save(figure, folder / name)[0] for name, figure in figures.items()}


def _regression(data: Any, rows: np.ndarray, schema: Any, figures: Mapping[str, Any]) -> Drawn:
    target, prediction = data.target[rows], data.prediction[rows]
    subjects = [str(subject) for subject in data.subjects[rows]]
    name = schema.target.replace("_", " ")
    limits = tuple(schema.range) if schema.range else None
    return {
        "predicted_against_actual": plots.predicted_against_actual(
            target, prediction, name=name, limits=limits, figures=figures, significant_error=schema.significant_error
        ),
        "bland_altman": plots.bland_altman(target, prediction, figures=figures, name=name, subjects=subjects),
        "histogram": plots.histogram(target, prediction, name=name, limits=limits),
    }


def _classification(data: Any, rows: np.ndarray, schema: Any, figures: Mapping[str, Any]) -> Drawn:
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
                target == entry[0], probability[:, entry[0]], data.classes[entry[0]], figures.get(entry[which])
            )
            for entry in shown
        ]

    held = {
        "confusion": plots.confusion(counts, data.classes),
        "roc": plots.roc(curves(1)),
        "precision_recall": plots.precision_recall(curves(2)),
    }
    if data.positive is not None:
        one = plots.Scored(target == data.positive, probability[:, data.positive], data.classes[data.positive])
        held["decision_curve"] = plots.decision_curve(one)
        held["reliability"] = plots.reliability(one, figures=_calibration(figures))
    else:
        guess = probability.argmax(1)
        top = plots.Scored(guess == target, probability.max(1), "top label")
        held["reliability"] = plots.reliability(top, figures=_calibration(figures))
    return held


def _calibration(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that belong beside a reliability curve."""
    names = ("ece", "brier", "calibration_slope", "calibration_intercept")
    return {name: figures[name] for name in names if name in figures and figures[name]["value"] is not None}


def _zones(data: Any, rows: np.ndarray, schema: Any, figures: Mapping[str, Any]) -> Drawn:
    target, guess = data.target[rows], data.prediction[rows]
    counts = {}
    for place, zone in enumerate(schema.zones):
        table = np.zeros((len(schema.classes),) * 2, int)
        np.add.at(table, (target[:, place], guess[:, place]), 1)
        counts[zone] = table
    held = {"zone_confusions": plots.zone_confusions(counts, [*schema.classes[:-1], "–"])}
    by_zone = {
        metric: {zone: figures[f"{metric}/{zone}"] for zone in schema.zones if f"{metric}/{zone}" in figures}
        for metric in ("kappa_quadratic", "f1_macro")
    }
    held["zones"] = plots.zones({metric: zones for metric, zones in by_zone.items() if zones})
    truth, said = _mean_scores(target, schema.grades), _mean_scores(guess, schema.grades)
    both = np.isfinite(truth) & np.isfinite(said)
    if both.any():
        shown = ("mae", "rmse", "pearson_r", "spearman_rho")
        named = {name: figures[f"mean_score_{name}"] for name in shown if f"mean_score_{name}" in figures}
        held["mean_score"] = plots.predicted_against_actual(
            truth[both], said[both], name="mean score", limits=(0, schema.grades - 1), figures=named
        )
    return held


def _mean_scores(codes: np.ndarray, grades: int) -> np.ndarray:
    gradable = codes < grades
    count = gradable.sum(1)
    total = np.where(gradable, codes, 0).sum(1)
    return np.divide(total, count, out=np.full(len(codes), np.nan), where=count > 0)


def _segmentation(data: Any, rows: np.ndarray, schema: Any, figures: Mapping[str, Any]) -> Drawn:
    values = {name: held[rows] for name, held in data.measures.items() if "/" not in name}
    held = {"overlap": plots.overlap(values, figures=figures, units={"hd95": "mm"})}
    if data.volumes is not None and all(f"bland_altman_{part}" in figures for part in ("bias", "lower", "upper")):
        held["volume_agreement"] = plots.volume_agreement(data.volumes[0][rows], data.volumes[1][rows], figures=figures)
    return held


_DRAW: dict[str, Callable[..., Drawn]] = {
    "regression": _regression,
    "classification": _classification,
    "zones": _zones,
    "segmentation": _segmentation,
}
