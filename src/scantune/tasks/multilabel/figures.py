"""The figures of several findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scantune import plots
from scantune.plots import lettering, style, words
from scantune.plots.by_class import frequent
from scantune.plots.calibration import binned
from scantune.plots.matrices import heat
from scantune.tasks.figures import Drawn, FigureInput, bands

CAPTIONS = {
    "co_occurrence": (
        "Findings that occur together",
        "Of the samples with the finding of the row, the share that has that of the column too: in the reference, and "
        "as the model calls them.",
    ),
    "roc_by_finding": ("ROC by finding", "Sensitivity against 1 − specificity."),
    "precision_recall_by_finding": ("Precision–recall by finding", "PPV against sensitivity."),
    "finding_reliability": (
        "Reliability by finding",
        "Observed share against predicted probability; on the diagonal they agree.",
    ),
}
"""Name of a figure to its title and caption, in the order of the report."""

BINS = 5
"""Bins of equal size of a finding's reliability."""


def draw(inputs: FigureInput) -> Drawn:
    """Name to figure."""
    data = inputs.data

    def curves(metric: str) -> list[Any]:
        scored = []
        for place, name in enumerate(data.findings):
            rows = data.known(place, inputs.rows)
            entry = inputs.figures.get(f"{metric}/{name}")
            scored.append(plots.Scored(data.positive(place, rows), data.probabilities[rows, place], name, entry))
        return scored

    drawn = {
        "roc_by_finding": plots.roc_by_class(
            curves("auroc"), bands=bands(inputs.metrics, "roc"), confidence=inputs.confidence
        ),
        "precision_recall_by_finding": plots.precision_recall_by_class(
            curves("auprc"), bands=bands(inputs.metrics, "precision_recall"), confidence=inputs.confidence
        ),
        "finding_reliability": _reliability(curves("ece"), inputs.confidence),
    }
    section = inputs.metrics.get("co_occurrence")
    return {"co_occurrence": _co_occurrence(section), **drawn} if section else drawn


@style.styled
def _co_occurrence(section: dict[str, Any]) -> Any:
    """Two matrices side by side: the reference and the calls."""
    edge = 0.19 * len(section["findings"])
    room = min(2.2, max(1.2, style.DOUBLE - 2 * edge - 0.4))  # for names, beside and below
    names = lettering.shortened(section["findings"], room, 6, lines=1)
    figure = style.canvas(style.DOUBLE, edge + room + 0.3)
    panels = np.ravel(figure.subplots(1, 2, sharey=True))
    for axes, side, title in zip(panels, ("target", "prediction"), ("Reference", "Called by the model")):
        counts = np.asarray(section[side], np.float64)
        among = np.asarray(section[f"{side}_known"], np.float64)
        share = np.divide(counts, among, out=np.full_like(counts, np.nan), where=among > 0)
        heat(axes, share, names, _fields(counts, share), 5, gap=0.5)
        axes.set_title(title, fontsize=7)
        axes.tick_params(length=0, labelsize=6)
        axes.tick_params(axis="x", labelrotation=90)
    style.note(
        figure,
        "Per cent of the samples with the row's finding in which the column's is known; on the diagonal its samples.",
    )
    return figure


def _fields(counts: np.ndarray, share: np.ndarray) -> np.ndarray:
    fields = np.empty(counts.shape, dtype=object)
    for (row, column), count in np.ndenumerate(counts):
        value = share[row, column]
        fields[row, column] = f"{int(count)}" if row == column else "" if np.isnan(value) else f"{100 * value:.0f}"
    return fields


@style.styled
def _reliability(curves: Sequence[Any], confidence: float) -> Any:
    """A panel a finding: observed share by predicted probability in bins of equal size."""
    from scantune.statistics.calibration import reliability

    total, curves = len(curves), frequent(curves)
    across = 3 if len(curves) <= 6 else 4 if len(curves) <= 8 else 5
    lines = -(-len(curves) // across)
    figure = style.canvas(style.DOUBLE, (style.DOUBLE / across - 0.1) * lines + 0.2)
    panels = figure.subplots(lines, across, squeeze=False, sharex=True, sharey=True)
    names = lettering.shortened([one.name for one in curves], style.DOUBLE / across - 0.3, 7)
    for axes, one, name in zip(panels.flat, curves, names):
        axes.set_title(name, fontsize=7)
        axes.plot([0, 1], [0, 1], color=style.GREY, linestyle=(0, (1, 2)), linewidth=0.8)
        if not len(one.target) or not np.isfinite(one.score).all():
            style.undefined(axes, "no sample with a known state")
            continue
        curve = reliability(np.asarray(one.score), np.asarray(one.target), bins=BINS)
        marks = binned(axes, curve, confidence, markersize=3)
        texts = [*([f"ECE {words.interval(one.metric)}"] if one.metric else []), f"n = {len(one.target)}"]
        shown = "\n".join(texts).replace(" (", "\n(").split("\n")
        style.in_corner(axes, shown, marks, width=0.65, height=0.1 * len(shown), size=5.5)
    for axes in panels.flat[len(curves) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("Observed share")
    for axes in panels.flat[max(0, len(curves) - across) : len(curves)]:
        axes.set_xlabel("Predicted probability")
        axes.xaxis.set_tick_params(labelbottom=True)
    style.note(
        figure,
        f"{BINS} bins of equal size a finding. Bars: {words.per_cent(confidence)} Wilson intervals, samples treated as "
        "independent. Dotted: calibrated.",
    )
    if len(curves) < total:
        style.note(figure, f"The {len(curves)} most frequent of {total} findings; metrics.json has the metrics of all.")
    return figure
