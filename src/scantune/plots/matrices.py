"""Confusion matrices of reference and predicted class: counts, and shares of each reference class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune.plots import lettering, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style.styled
def confusion(counts: np.ndarray | Sequence[Sequence[int]], classes: Sequence[str], *, title: str = "") -> Figure:
    """Confusion matrix: rows are the reference, columns the prediction; each cell with count and row percentage.

    Args:
        counts: number of samples, [K, K], reference × prediction.
        classes: names, [K].
        title: heading.

    Raises:
        ValueError: the counts are not [K, K] or not finite.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.shape != (len(classes), len(classes)):
        raise ValueError(f"counts have shape {table.shape}, {len(classes)} classes need {(len(classes),) * 2}")
    if not np.isfinite(table).all():
        raise ValueError("counts of a confusion matrix must be finite")
    side = min(style.DOUBLE, max(style.SINGLE, 0.55 * len(classes) + 1))
    figure, axes = style.single(side, side * 0.92)
    axes.set_title(title)
    if len(classes) <= ROOMY:
        draw(axes, table, classes)
    else:
        _draw_many(figure, axes, table, classes, (side - _MARGIN) / len(classes))
    style.note(figure, f"n = {int(table.sum())}. Shade and per cent: share of each reference class (row).")
    return figure


ROOMY = 12
"""Classes whose cells have room for a count and a share."""

_MARGIN = 1.3
"""Inches beside a matrix of many classes, for their names."""

_SMALLEST = 3.0
"""Points of the smallest text: a matrix of more classes has neither counts nor names."""


def draw(axes: Axes, table: np.ndarray, classes: Sequence[str], size: float = 6.5) -> None:
    """One matrix into a panel; a class without references has no percentages."""
    share = _shares(table)
    names = lettering.shortened([str(name) for name in classes], 0.68, 6.5, lines=4)
    _heat(axes, share, names, _fields(table, share), size)
    for place, text in enumerate(axes.texts):
        row, column = divmod(place, len(classes))
        if row == column:
            text.set_fontweight("bold")
        elif table[row, column] == 0:  # to emphasise errors over zeros
            text.set_color(style.GREY)


def _draw_many(figure: Figure, axes: Axes, table: np.ndarray, classes: Sequence[str], cell: float) -> None:
    """Counts alone, and names on one line each; neither where a cell, of so many inches, has no room for text."""
    share, size = _shares(table), min(6.0, cell * 72 * 0.45)
    if size < _SMALLEST:
        _heat(axes, share, [])
        style.note(figure, f"{len(classes)} classes, in the order of metrics.json, which has their counts.")
        return
    counts = np.array([[f"{int(n)}" if n or row == column else "" for column, n in enumerate(line)]
                       for row, line in enumerate(table)])  # fmt: skip
    letters = min(6.5, size * 1.5)
    lines = max(1, min(2, int(cell * 72 / (1.3 * letters))))
    names = lettering.shortened([str(name) for name in classes], 1.1, letters, lines)
    _heat(axes, share, names, counts, size)
    axes.tick_params(labelsize=letters)
    axes.tick_params(axis="x", labelrotation=90)
    style.note(figure, "Empty cells: 0.")


def _shares(table: np.ndarray) -> np.ndarray:
    """Share of each reference class; NaN of one without references."""
    total = table.sum(axis=1, keepdims=True)
    return np.divide(table, total, out=np.full_like(table, np.nan), where=total > 0)


def heat(
    axes: Axes,
    share: np.ndarray,
    names: Sequence[str],
    fields: np.ndarray | None = None,
    size: float = 6,
    *,
    most: float = 1.0,
    gap: float = 1.0,
) -> None:
    """A square matrix as shades of blue with the text of each cell, dark on pale cells and white on dark ones.

    Args:
        axes: the panel.
        share: of each cell, 0 to ``most``, [K, K]; NaN stays white.
        names: of rows and columns, [K], or none.
        fields: text of each cell, [K, K].
        size: of that text, in points.
        most: the value of the darkest shade.
        gap: width of the lines between cells, in points.
    """
    mesh = axes.pcolormesh(np.ma.masked_invalid(share), cmap="Blues", vmin=0, vmax=most, edgecolors="white",
                           linewidth=gap, rasterized=not names)  # fmt: skip
    axes.set(aspect="equal", xlim=(0, len(share)), ylim=(len(share), 0))
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    middles = np.arange(len(names)) + 0.5
    axes.set_xticks(middles, list(names))
    axes.set_yticks(middles, list(names))
    axes.tick_params(length=0, labelrotation=0)
    if fields is None:
        return
    light = np.asarray(mesh.to_rgba(np.ma.masked_invalid(share)))[..., :3] @ np.array([0.299, 0.587, 0.114])
    for (row, column), text in np.ndenumerate(fields):
        colour = "0.15" if light[row, column] > 0.62 else "white"
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=size, color=colour)


def _heat(
    axes: Axes, share: np.ndarray, names: Sequence[str], fields: np.ndarray | None = None, size: float = 6
) -> None:
    gap = 1 if len(share) <= ROOMY else 0.2 if names else 0
    heat(axes, np.nan_to_num(share), names, fields, size, most=1.15, gap=gap)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("Reference")


def _fields(table: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Text of each cell: count and share of the class; an off-diagonal zero has no share."""
    fields = np.empty(table.shape, dtype=object)
    for (row, column), count in np.ndenumerate(table):
        per_cent = "–" if np.isnan(share[row, column]) else f"{100 * share[row, column]:.0f} %"
        fields[row, column] = f"{int(count)}" + (f"\n{per_cent}" if count or row == column else "")
    return fields
