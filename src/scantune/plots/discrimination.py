"""Discrimination of two classes: ROC and precision–recall curves with bands and operating points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.plots import lettering, style, words
from scantune.statistics.discrimination import pr_curve, roc_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: x, lower and upper of a curve's band, each [G].
Band = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Scored:
    """Targets and scores of a curve.

    Attributes:
        target: 0 or 1, [N].
        score: higher means more likely 1, [N]; for calibration and decision curves a probability.
        name: of the curve: the model, the class, "before" and "after".
        metric: entry of ``metrics.json`` for the legend, or None.
    """

    target: np.ndarray | Sequence[int]
    score: np.ndarray | Sequence[float]
    name: str = "model"
    metric: Any = None

    def legend(self, area_name: str, name: str) -> str:
        """Text of the curve in the legend, with ``name`` for as much of its name as there is room for."""
        return name if self.metric is None else f"{name}: {area_name} {words.interval(self.metric)}"


def in_legend(curves: Sequence[Scored]) -> list[str]:
    """Names of the curves in the room that a legend has, each distinct."""
    return lettering.shortened([curve.name for curve in curves], 1.2, 6, lines=1)


def roc_points(target: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rate at each distinct score, [P] each, strictest first."""
    curve = roc_curve(score, target == 1)
    return curve.x, curve.y


def precision_points(target: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision at each distinct score, [P] each, strictest first; from recall 0 at the first precision."""
    curve = pr_curve(score, target == 1)
    return curve.x, np.append(curve.y[1], curve.y[1:])


def usable(figure: Figure, curve: Scored) -> tuple[np.ndarray, np.ndarray] | str:
    """Finite targets and scores, or the reason why no curve can be drawn."""
    target, score = style.finite(figure, curve.target, curve.score)
    if not len(target):
        return "no sample has both a target and a score"
    if not np.isin(target, (0, 1)).all():
        raise ValueError(f"{curve.name}: targets of a curve are 0 or 1, found {np.unique(target)[:5].tolist()}")
    if target.min() == target.max():
        return "all samples are of one class"
    return target, score


@style.styled
def roc(
    curves: Scored | Sequence[Scored],
    *,
    bands: Mapping[str, Band] | None = None,
    operating_points: Sequence[Mapping[str, Any]] = (),
    confidence: float = 0.95,
    title: str = "",
) -> Figure:
    """Receiver operating characteristic: sensitivity against 1 − specificity.

    Args:
        curves: a single one, or one per class.
        bands: name of a curve to band over 1 − specificity.
        operating_points: ``name``, ``sensitivity``, ``specificity`` and, where known, ``threshold``, chosen on
            validation data.
        confidence: level of the bands, for the notes.
        title: heading.
    """
    figure, axes = _panel(curves)
    axes.set_title(title)
    unit_square(axes, "1 − specificity", "Sensitivity")
    axes.plot([0, 1], [0, 1], color=style.GREY, linestyle=(0, (1, 2)), linewidth=0.8, zorder=1)
    drawn = []
    names = in_legend(_as_sequence(curves))
    for index, curve in enumerate(_as_sequence(curves)):
        data = usable(figure, curve)
        if isinstance(data, str):
            style.note(figure, f"{curve.name}: no curve, {data}.")
            continue
        band = (bands or {}).get(curve.name)
        drawn.append(roc_points(*data))
        _line(axes, index, *drawn[-1], curve.legend("AUROC", names[index]), band)
        style.note(figure, f"{curve.name}: {int(data[0].sum())} positive of {len(data[0])}.")
    _points(axes, operating_points, lambda point: (1 - point["specificity"], point["sensitivity"]))
    _finish(figure, axes, drawn, ("lower right", "upper left"), bands, confidence)
    return figure


@style.styled
def precision_recall(
    curves: Scored | Sequence[Scored],
    *,
    bands: Mapping[str, Band] | None = None,
    operating_points: Sequence[Mapping[str, Any]] = (),
    confidence: float = 0.95,
    title: str = "",
) -> Figure:
    """Precision (PPV) against recall (sensitivity), with the prevalence as the expectation by chance.

    Drawn in steps, because linear interpolation would overestimate precision (Davis & Goadrich,
    ICML 2006). Arguments as in :func:`roc`; operating points have ``precision`` and ``sensitivity``.
    """
    figure, axes = _panel(curves)
    axes.set_title(title)
    unit_square(axes, "Recall (sensitivity)", "Precision (PPV)")
    drawn = []
    names = in_legend(_as_sequence(curves))
    for index, curve in enumerate(_as_sequence(curves)):
        data = usable(figure, curve)
        if isinstance(data, str):
            style.note(figure, f"{curve.name}: no curve, {data}.")
            continue
        band = (bands or {}).get(curve.name)
        line = precision_points(*data)
        _line(axes, index, *line, curve.legend("AUPRC", names[index]), band, steps=True)
        drawn.append(stepped(*line))
        prevalence = float(data[0].mean())
        axes.axhline(prevalence, color=style.SERIES[index % 7][0], linestyle=(0, (1, 2)), linewidth=0.7)
        style.note(figure, f"{curve.name}: prevalence {words.number(prevalence)} (dotted), n = {len(data[0])}.")
    _points(axes, operating_points, lambda point: (point["sensitivity"], point["precision"]))
    _finish(figure, axes, drawn, ("lower left", "upper right", "lower right", "upper left"), bands, confidence)
    return figure


def free_corner(
    lines: Sequence[tuple[np.ndarray, np.ndarray]], corners: Sequence[style.Corner], width: float, height: float
) -> style.Corner:
    """The corner of a unit square in which text hides the least of some curves; the first of equal ones.

    Args:
        lines: x and y of each curve as drawn, steps with both ends.
        corners: of these, the preferred one first: ``lower right``, ``upper left`` …
        width: of the text, as a share of the square.
        height: of the text.
    """
    return style.emptiest(np.concatenate([dense(*line) for line in lines]), corners, width, height)


def dense(x: np.ndarray, y: np.ndarray, most: int = 500) -> np.ndarray:
    """Points along a polyline, [N, xy]; of one with many vertices these alone."""
    vertices = np.stack([x, y], axis=1).astype(np.float64)
    if not 1 < len(vertices) <= most:
        return vertices
    along = np.linspace(0, 1, 25)[None, :, None]
    return (vertices[:-1, None] * (1 - along) + vertices[1:, None] * along).reshape(-1, 2)


def stepped(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vertices of a curve drawn with ``steps-pre``."""
    return np.repeat(x, 2)[:-1], np.repeat(y, 2)[1:]


def _as_sequence(curves: Scored | Sequence[Scored]) -> Sequence[Scored]:
    return [curves] if isinstance(curves, Scored) else curves


#: Above this number of curves the legend is beside the panel.
_MANY = 6


def _panel(curves: Scored | Sequence[Scored]) -> tuple[Figure, Axes]:
    """A square panel, with space for the legend at its right for many curves."""
    many = len(_as_sequence(curves)) > _MANY
    return style.single(style.SINGLE * (1.45 if many else 1), style.SINGLE * (1.1 if many else 1))


def unit_square(axes: Axes, x: str, y: str) -> None:
    """Both axes from 0 to 1, of equal length."""
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_aspect("equal")
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.grid(True)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _line(
    axes: Axes, index: int, x: np.ndarray, y: np.ndarray, text: str, band: Band | None, *, steps: bool = False
) -> None:
    colour, dash, _ = style.SERIES[index % len(style.SERIES)]
    if band is not None:
        axes.fill_between(*band, color=colour, alpha=0.18, linewidth=0)
    axes.plot(x, y, color=colour, linestyle=dash, label=text, drawstyle="steps-pre" if steps else "default", zorder=3)


def _points(axes: Axes, points: Sequence[Mapping[str, Any]], place: Any) -> None:
    for index, point in enumerate(points):
        if any(not words.defined(value) for value in place(point)):
            continue
        threshold = point.get("threshold")
        text = str(point.get("name", "operating point"))
        text += f" (≥ {words.number(threshold)})" if words.defined(threshold) else ""
        marker = ("o", "s", "^", "D")[index % 4]
        axes.plot(*place(point), marker, color="white", markeredgecolor=style.INK, markersize=5, label=text, zorder=5)


NO_BAND = "Without a band: too few subjects of a class, or the same in every draw."
"""Why a curve of an evaluation has none."""


def _finish(
    figure: Figure,
    axes: Axes,
    drawn: Sequence[tuple[np.ndarray, np.ndarray]],
    corners: Sequence[style.Corner],
    bands: Any,
    confidence: float,
) -> None:
    """Notes and legend, in that of the corners where it hides least of the curves."""
    if not drawn:
        for line in list(axes.lines):
            line.remove()
        axes.grid(False)
        style.undefined(axes, "no curve can be drawn (see below)")
        return
    if bands:
        style.note(figure, f"Bands: pointwise {words.per_cent(confidence)}.")
    if bands is not None and len(bands) < len(drawn):
        style.note(figure, NO_BAND)
    if len(drawn) > _MANY:
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0, fontsize=6)
        return
    entries = len(axes.get_legend_handles_labels()[1])
    axes.legend(loc=free_corner(drawn, corners, 0.75, 0.04 + 0.06 * entries), fontsize=6)
