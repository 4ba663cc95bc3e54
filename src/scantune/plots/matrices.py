"""Confusion matrices of reference and predicted class: counts, and shares of each reference class."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from . import style

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
    draw(axes, table, classes)
    style.note(figure, f"n = {int(table.sum())}. Shade and per cent: share of each reference class (row).")
    return figure


def draw(axes: Axes, table: np.ndarray, classes: Sequence[str], size: float = 6.5) -> None:
    """One matrix into a panel; a class without references has no percentages."""
    import seaborn

    total = table.sum(axis=1, keepdims=True)
    share = np.divide(table, total, out=np.full_like(table, np.nan), where=total > 0)
    names = ["\n".join(textwrap.wrap(str(name), 12)) or str(name) for name in classes]
    seaborn.heatmap(
        np.nan_to_num(share), ax=axes, cmap="Blues", vmin=0, vmax=1.15, linewidths=1, square=True, cbar=False,
        annot=_fields(table, share), fmt="", annot_kws={"fontsize": size}, xticklabels=names, yticklabels=names,
    )  # fmt: skip
    for place, text in enumerate(axes.texts):
        row, column = divmod(place, len(classes))
        if row == column:
            text.set_fontweight("bold")
        elif table[row, column] == 0:  # to emphasise errors over zeros
            text.set_color(style.GREY)
    axes.tick_params(length=0, labelrotation=0)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("Reference")


def _fields(table: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Text of each cell: count and share of the class; an off-diagonal zero has no share."""
    fields = np.empty(table.shape, dtype=object)
    for (row, column), count in np.ndenumerate(table):
        per_cent = "–" if np.isnan(share[row, column]) else f"{100 * share[row, column]:.0f} %"
        fields[row, column] = f"{int(count)}" + (f"\n{per_cent}" if count or row == column else "")
    return fields
