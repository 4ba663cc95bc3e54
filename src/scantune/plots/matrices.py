"""Reference against predicted class: counts, and of each reference class the share."""

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
    """Confusion matrix: rows are the reference, columns the prediction; each field its count and row per cent.

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
    """One matrix into a panel; a class without references has counts, no per cent."""
    total = table.sum(axis=1, keepdims=True)
    share = np.divide(table, total, out=np.full_like(table, np.nan), where=total > 0)
    # edges at k ± ½, so that class k sits at k; vector squares, not pixels
    edges = np.arange(len(classes) + 1) - 0.5
    axes.pcolormesh(
        edges, edges, np.nan_to_num(share), cmap="Blues", vmin=0, vmax=1.15, edgecolors="white", linewidth=1
    )
    for row in range(len(classes)):
        for column in range(len(classes)):
            per_cent = share[row, column]
            none = table[row, column] == 0 and row != column  # the eye should find the errors, not look past zeros
            share_of = "" if none else "\n–" if np.isnan(per_cent) else f"\n{100 * per_cent:.0f} %"
            text = f"{int(table[row, column])}{share_of}"
            light = per_cent > 0.55
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=size,
                color="white" if light else style.GREY if none else style.INK,
                fontweight="bold" if row == column else "normal",
            )
    names = ["\n".join(textwrap.wrap(str(name), 12)) or str(name) for name in classes]
    axes.set_xticks(range(len(classes)), names)
    axes.set_yticks(range(len(classes)), names)
    axes.tick_params(length=0)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("Reference")
    axes.invert_yaxis()
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set_visible(False)
