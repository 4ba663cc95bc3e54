"""The difference of two measurements against their mean (Bland & Altman, Lancet 1986;i:307)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.plots import style, words
from scantune.plots.agreement import Array, corner, identity, scatter, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Entry, label, colour and line style of the three lines.
_LEVELS: tuple[tuple[str, str, str, Any], ...] = (
    ("bland_altman_upper", "upper limit", style.VERMILION, (0, (4, 2))),
    ("bland_altman_bias", "bias", style.INK, "-"),
    ("bland_altman_lower", "lower limit", style.VERMILION, (0, (4, 2))),
)


_SIZE, _SPACING, _GAP = 5.5, 1.15, 2.0
"""Of the labels at the right edge: font size, height of a line in font sizes, space between two, in points."""


@style.styled
def bland_altman(
    target: Array,
    prediction: Array,
    *,
    metrics: Mapping[str, Any],
    name: str = "score",
    unit: str = "",
    subjects: Sequence[str] | None = None,
    confidence: float = 0.95,
    title: str = "",
) -> Figure:
    """Difference (prediction − reference) against the mean of both, with bias, limits of agreement and intervals.

    The lines are those of ``metrics.json``, so that figure and table agree: with several samples per subject these are
    the limits for repeated measures (Bland & Altman, J Biopharm Stat 2007;17:571), and those that ignore repeats are
    dotted.

    Args:
        target: reference values, [N].
        prediction: predicted values, [N], in the same unit.
        metrics: ``bland_altman_bias``, ``_lower``, ``_upper`` and, where known, ``_slope``, ``_plain_lower``,
            ``_plain_upper``; entries of ``metrics.json``.
        name: what is measured.
        unit: its unit, "" for a score.
        subjects: subject of each sample, [N]; samples of a subject are connected by a thin line.
        confidence: level of the intervals, for the notes.
        title: heading of the panel.
    """
    figure, axes = style.single(style.SINGLE * 1.15, style.SINGLE * 0.85)
    axes.set_title(title)
    x, y, row = style.finite(figure, target, prediction, np.arange(len(target)))
    axes.set_xlabel(with_unit(f"Mean of reference and predicted {name}", unit))
    axes.set_ylabel(with_unit("Predicted − reference", unit))
    if not len(x):
        style.undefined(axes, "no sample has both a reference and a prediction")
        return figure
    if _join_subjects(axes, (x + y) / 2, y - x, subjects, row.astype(int)):
        style.note(figure, "Grey lines join a subject's samples.")
    differences(figure, axes, x, y, metrics, confidence)
    slope = metrics.get("bland_altman_slope")
    lines = [f"n = {len(x)}"] + ([f"slope {words.interval(slope)}"] if slope is not None else [])
    corner(axes, lines, (x + y) / 2, y - x)
    return figure


@style.styled
def volume_agreement(
    target: Array,
    prediction: Array,
    *,
    metrics: Mapping[str, Any],
    unit: str = "mL",
    what: str = "volume",
    confidence: float = 0.95,
    title: str = "",
) -> Figure:
    """Volumes (or areas) of predicted masks against the reference's, and their differences with limits of agreement.

    Args:
        target: volume of the reference mask, [N].
        prediction: volume of the predicted mask, [N].
        metrics: ``bland_altman_bias``, ``_lower``, ``_upper`` of the volumes; entries of ``metrics.json``.
        unit: of the volumes.
        what: ``volume``, or ``area`` of masks in a plane.
        confidence: level of the intervals, for the notes.
        title: heading.
    """
    figure = style.canvas(style.DOUBLE, style.SINGLE * 0.9)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    left.set_title(title)
    left.set_xlabel(with_unit(f"Reference {what}", unit))
    left.set_ylabel(with_unit(f"Predicted {what}", unit))
    right.set_xlabel(with_unit(f"Mean of both {what}s", unit))
    right.set_ylabel(with_unit("Predicted − reference", unit))
    x, y = style.finite(figure, target, prediction)
    if not len(x):
        style.undefined(left, f"no sample has both {what}s")
        style.undefined(right, f"no sample has both {what}s")
        return figure
    ends = np.array(style.rounded(float(min(x.min(), y.min())), float(max(x.max(), y.max()))))
    identity(left, x, y, ends)
    corner(left, [f"n = {len(x)}"], x, y)
    differences(figure, right, x, y, metrics, confidence)
    return figure


def differences(
    figure: Figure, axes: Axes, x: np.ndarray, y: np.ndarray, metrics: Mapping[str, Any], confidence: float = 0.95
) -> None:
    """Draw marks, zero line, bias and limits into a panel, with space for text above."""
    mean, difference = (x + y) / 2, y - x
    scatter(axes, mean, difference)
    axes.set_xlim(*style.rounded(float(mean.min()), float(mean.max())))
    axes.axhline(0, color=style.GREY, linewidth=0.5, zorder=1)
    labels = [_level(figure, axes, words.entry(metrics.get(key)), *look) for key, *look in _LEVELS]
    plain = [words.entry(metrics.get(f"bland_altman_plain_{side}")).get("value") for side in ("upper", "lower")]
    for value in plain:
        if words.defined(value):
            axes.axhline(value, color=style.GREY, linestyle=(0, (1, 1.5)), linewidth=0.9)
    if any(words.defined(value) for value in plain):
        style.note(figure, "Dashed: limits of agreement for repeated measures; dotted: repeats ignored.")
    if any(words.defined(words.entry(metrics.get(key)).get("lower")) for key, *_ in _LEVELS):
        style.note(figure, f"Pale bands: {words.per_cent(confidence)} intervals of bias and limits.")
    elif reason := words.entry(metrics.get(_LEVELS[0][0])).get("reason"):
        style.note(figure, f"Bias and limits have {reason}.")
    _room(figure, axes, [0.0, *difference, *(label.value for label in labels if label is not None)])
    _write(figure, axes, [label for label in labels if label is not None])


def _room(figure: Figure, axes: Axes, shown: Sequence[float]) -> None:
    """Cut bands that would press marks and lines together, and add space above for the text in the corner."""
    least, most = float(min(shown)), float(max(shown))
    beyond = 0.5 * (most - least) or np.inf
    low, high = axes.get_ylim()
    if low < least - beyond or high > most + beyond:
        style.note(figure, "Bands that reach beyond the panel are cut.")
    low, high = max(min(low, least), least - beyond), min(max(high, most), most + beyond)
    axes.set_ylim(low, high + 0.16 * (high - low))


def _join_subjects(axes: Axes, x: np.ndarray, y: np.ndarray, subjects: Sequence[str] | None, rows: np.ndarray) -> bool:
    if subjects is None:
        return False
    names = np.asarray(list(subjects), dtype=str)[rows]
    repeated = False
    for name in np.unique(names):
        same = names == name
        if same.sum() > 1:
            repeated = True
            order = np.argsort(x[same], kind="stable")
            axes.plot(
                x[same][order],
                y[same][order],
                color=style.GREY,
                linewidth=0.4,
                alpha=0.6,
                zorder=2,
            )
    return repeated


@dataclass(frozen=True)
class _Label:
    """Text beside a line: at which difference, and its colour."""

    value: float
    text: str
    colour: str


def _level(figure: Figure, axes: Axes, entry: dict[str, Any], text: str, colour: str, dash: Any) -> _Label | None:
    """A horizontal line with its band; its label, for the right edge."""
    value = entry.get("value")
    if not words.defined(value):
        style.note(figure, f"The {text} is undefined: {entry.get('reason') or 'no reason given'}.")
        return None
    lower, upper = entry.get("lower"), entry.get("upper")
    places = words.decimals(max(abs(float(part)) for part in (value, lower, upper) if words.defined(part)))
    label = f"{text}\n{words.fixed(value, places)}"
    if words.defined(lower) and words.defined(upper):
        axes.axhspan(lower, upper, color=colour, alpha=0.13, linewidth=0, zorder=0)
        label += f"\n({words.fixed(lower, places)} to\n{words.fixed(upper, places)})"
    axes.axhline(value, color=colour, linestyle=dash, linewidth=1.0, zorder=4)
    return _Label(float(value), label, colour)


def _write(figure: Figure, axes: Axes, labels: Sequence[_Label]) -> None:
    """Labels at the right edge, beside their lines where these are far enough apart, else one below the other."""
    low, high = axes.get_ylim()
    points = axes.get_position().height * figure.get_figheight() * 72 / (high - low)  # for a unit of the difference
    heights = [(label.text.count("\n") + 1) * _SIZE * _SPACING + _GAP for label in labels]
    places = apart([(label.value - low) * points for label in labels], heights)
    for label, place in zip(labels, places, strict=True):
        axes.annotate(
            label.text,
            (1.0, label.value),
            xycoords=("axes fraction", "data"),
            xytext=(3, place - (label.value - low) * points),
            textcoords="offset points",
            va="center",
            fontsize=_SIZE,
            color=label.colour,
            linespacing=_SPACING,
        )


def apart(places: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Centres of labels of some heights that do not overlap, as near as may be to their places, highest first.

    The labels of a group that would overlap are stacked around the mean of their places.
    """
    groups: list[list[int]] = []
    centres = [float(place) for place in places]
    for i in range(len(places)):
        group = [i]
        while True:
            _stack(group, places, heights, centres)
            if not groups or centres[groups[-1][-1]] - centres[group[0]] >= _between(groups[-1][-1], group[0], heights):
                break
            group = groups.pop() + group
        groups.append(group)
    return centres


def _between(above: int, below: int, heights: Sequence[float]) -> float:
    """Least distance of the centres of two labels."""
    return (heights[above] + heights[below]) / 2 - 1e-9


def _stack(group: Sequence[int], places: Sequence[float], heights: Sequence[float], centres: list[float]) -> None:
    """One below the other, around the mean of their places."""
    top = sum(places[i] for i in group) / len(group) + sum(heights[i] for i in group) / 2
    for i in group:
        centres[i] = top - heights[i] / 2
        top -= heights[i]
