"""Calibration of probabilities (reliability diagrams) and clinical utility (decision curves)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.plots import style, words
from scantune.plots.discrimination import Band, Scored, dense, in_legend, usable
from scantune.statistics import calibration, decision

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style.styled
def reliability(
    curves: Scored | Sequence[Scored],
    *,
    bins: int = 10,
    metrics: Mapping[str, Any] | None = None,
    confidence: float = 0.95,
    title: str = "",
) -> Figure:
    """Observed frequency against predicted probability in bins of equal size, and the distribution of probabilities.

    Args:
        curves: the model, or the model before and after calibration; scores are probabilities.
        bins: number of bins with about equally many samples; equal probabilities are in one bin.
        metrics: entries of ``metrics.json`` for the corner (``ece``, ``calibration_slope`` …).
        confidence: level of the bars.
        title: heading.

    Raises:
        ValueError: a score is not between 0 and 1.
    """
    import seaborn

    figure = style.canvas(style.SINGLE, style.SINGLE * 1.22)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    top.set_title(title)
    top.plot([0, 1], [0, 1], color=style.GREY, linestyle=(0, (1, 2)), linewidth=0.8)
    top.set_ylabel("Observed frequency")
    drawn = []
    curves = [curves] if isinstance(curves, Scored) else curves
    names = in_legend(curves)
    for index, curve in enumerate(curves):
        data = usable(figure, curve)
        if isinstance(data, str):
            style.note(figure, f"{curve.name}: no curve, {data}.")
            continue
        target, score = data
        if score.min() < 0 or score.max() > 1:
            raise ValueError(
                f"{curve.name}: probabilities lie between 0 and 1, found {score.min():g} to {score.max():g}"
            )
        name = curve.legend("ECE", names[index])
        text = f"{name}, n = {len(target)}"
        drawn.append(binned(top, calibration.reliability(score, target == 1, bins), confidence, index, label=text))
        colour, dash, _ = style.SERIES[index % len(style.SERIES)]
        seaborn.histplot(x=score, bins=25, binrange=(0, 1), element="step", fill=False, ax=bottom,
                         color=colour, linestyle=dash, linewidth=0.8)  # fmt: skip
    if not drawn:
        style.undefined(top, "no curve can be drawn (see below)")
        return figure
    top.set_xlim(-0.01, 1.01)
    top.set_ylim(-0.01, 1.01)
    top.grid(True)
    bottom.set_ylabel("Samples")
    bottom.set_xlabel("Predicted probability")
    style.integer_ticks(bottom.yaxis, 3)
    is_defined = {key: words.defined(words.entry(value).get("value")) for key, value in (metrics or {}).items()}
    lines = [f"{words.label(key)} {words.interval(value)}" for key, value in (metrics or {}).items() if is_defined[key]]
    for key, value in (metrics or {}).items():
        if not is_defined[key]:  # the reason is too long for the panel
            style.note(figure, f"{words.label(key)} {words.interval(value)}.")
    _beside(figure, top, lines, np.concatenate(drawn))
    top.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2)  # above all curves
    bars = f"Bars: {words.per_cent(confidence)} Wilson intervals, samples treated as independent."
    style.note(figure, f"{bins} bins of equal size. {bars}")
    return figure


def _beside(figure: Figure, axes: Axes, lines: Sequence[str], marks: np.ndarray) -> None:
    """Lines of text in a corner without marks [N, xy]; below the figure where there is none."""
    corners: tuple[style.Corner, ...] = ("lower right", "upper left")
    room = {"width": min(1.0, 0.04 + 0.0155 * max(map(len, lines), default=0)), "height": 0.04 + 0.055 * len(lines)}
    free = style.emptiest(marks, corners, **room)
    if style.hidden(marks, free, **room):
        style.note(figure, " ".join(f"{line}." for line in lines))
    else:
        style.in_corner(axes, lines, marks, **room, corners=(free,))


def wilson(share: np.ndarray, n: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson interval of a proportion (J Am Stat Assoc 1927;22:209)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return centre - half, centre + half


def binned(axes: Axes, curve: calibration.Reliability, confidence: float, index: int = 0, **look: Any) -> np.ndarray:
    """Draw the bins of a curve with their Wilson intervals.

    Args:
        axes: the panel, both axes from 0 to 1.
        curve: the bins.
        confidence: level of the bars.
        index: of the curve, for its colour, dash and marker.
        look: of the line.

    Returns:
        Points along the curve and its bars, [N, xy], which text should not hide.
    """
    colour, dash, marker = style.SERIES[index % len(style.SERIES)]
    lower, upper = wilson(curve.observed, curve.n, confidence)
    axes.vlines(curve.probability, lower, upper, color=colour, linewidth=0.7, alpha=0.8)
    axes.plot(curve.probability, curve.observed, color=colour, linestyle=dash, marker=marker, **look)
    bars = np.linspace(lower, upper, 20)
    along = np.stack([np.broadcast_to(curve.probability, bars.shape), bars], axis=-1).reshape(-1, 2)
    return np.concatenate([dense(curve.probability, curve.observed), along])


@style.styled
def decision_curve(
    curves: Scored | Sequence[Scored],
    *,
    bands: Mapping[str, Band] | None = None,
    limits: tuple[float, float] = (0.01, 0.99),
    act: str = "treat",
    confidence: float = 0.95,
    title: str = "",
) -> Figure:
    """Net benefit against threshold probability, with treating all and none (Vickers & Elkin 2006).

    Net benefit = TP/n − FP/n · t/(1 − t), in true positives per sample.

    Args:
        curves: one per model; scores are probabilities.
        bands: name of a curve to band over the threshold.
        limits: range of clinically relevant thresholds.
        act: action above the threshold, for the legend ("treat", "biopsy").
        confidence: level of the bands, for the notes.
        title: heading.
    """
    figure, axes = style.single(style.SINGLE, style.SINGLE * 0.85)
    axes.set_title(title)
    axes.set_xlabel("Threshold probability")
    axes.set_ylabel("Net benefit")
    thresholds = np.linspace(*limits, 197)
    best, all_drawn = 0.0, False
    curves = [curves] if isinstance(curves, Scored) else curves
    names = in_legend(curves)
    for index, curve in enumerate(curves):
        data = usable(figure, curve)
        if isinstance(data, str):
            style.note(figure, f"{curve.name}: no curve, {data}.")
            continue
        target, score = data
        benefit = net_benefit(target, score, thresholds)
        colour, dash, _ = style.SERIES[index % len(style.SERIES)]
        if not all_drawn:
            everyone = net_benefit(target, np.ones_like(score), thresholds)
            axes.plot(thresholds, everyone, color=style.GREY, linewidth=0.8, label=f"{act} all")
            axes.axhline(0, color=style.INK, linewidth=0.8, linestyle=(0, (1, 1.5)), label=f"{act} none")
            style.note(figure, f"Prevalence {words.number(target.mean())}, n = {len(target)}.")
            all_drawn = True
        if curve.name in (bands or {}):
            axes.fill_between(*(bands or {})[curve.name], color=colour, alpha=0.18, linewidth=0)
        axes.plot(thresholds, benefit, color=colour, linestyle=dash, label=names[index])
        best = max(best, float(benefit.max()), float(target.mean()))
    if not all_drawn:
        style.undefined(axes, "no curve can be drawn (see below)")
        return figure
    axes.set_xlim(limits[0] - 0.01, limits[1] + 0.01)
    if bands:
        style.note(figure, f"Bands: pointwise {words.per_cent(confidence)}.")
    axes.set_ylim(-0.35 * best, 1.08 * best)  # values far below zero are not informative
    axes.legend(loc="upper right")
    return figure


def net_benefit(target: np.ndarray, score: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Net benefit at each threshold: samples with score ≥ threshold are treated."""
    positive, negative = np.sort(score[target == 1]), np.sort(score[target == 0])
    true = len(positive) - np.searchsorted(positive, thresholds, "left")
    false = len(negative) - np.searchsorted(negative, thresholds, "left")
    return decision.net_benefit(true, false, len(target), thresholds)
