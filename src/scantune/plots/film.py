"""Zones of a chest film where they lie on it: the patient's right on the left of the picture, and said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from . import matrices, style, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEVELS = {"sup": 0, "superior": 0, "upper": 0, "mid": 1, "middle": 1, "inf": 2, "inferior": 2, "lower": 2}
_SIDES = {"right": 0, "left": 1}  # column of the picture: the patient's right is seen on the left

Layout = Sequence[Sequence[str]]


def layout_of(names: Sequence[str]) -> list[list[str]]:
    """Rows of zone names as on the film, from names such as ``right_sup``; one zone a row where they do not tell.

    Examples:
        >>> layout_of(["left_sup", "right_sup", "left_inf", "right_inf"])
        [['right_sup', 'left_sup'], ['right_inf', 'left_inf']]
    """
    places: dict[tuple[int, int], str] = {}
    for name in names:
        parts = name.lower().replace("-", "_").split("_")
        level = next((_LEVELS[part] for part in parts if part in _LEVELS), None)
        side = next((_SIDES[part] for part in parts if part in _SIDES), None)
        if level is None or side is None or (level, side) in places:
            return [[each] for each in names]
        places[level, side] = name
    rows = sorted({level for level, _ in places})
    if any((level, side) not in places for level in rows for side in (0, 1)):
        return [[each] for each in names]
    return [[places[level, side] for side in (0, 1)] for level in rows]


@style.styled
def zones(
    figures: Mapping[str, Mapping[str, Any]],
    *,
    layout: Layout | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    title: str = "",
) -> Figure:
    """One panel a metric: each zone's value, interval and n in its place on the film, shaded by value.

    Args:
        figures: metric to zone to entry of ``metrics.json`` (``kappa_quadratic``, ``f1_macro`` …).
        layout: rows of zone names from top to bottom, each from the left of the picture; from the names where None.
        limits: values of the palest and the darkest shade.
        title: heading.
    """
    names = list(next(iter(figures.values())))
    grid = layout or layout_of(names)
    figure = style.canvas(min(style.DOUBLE, style.SINGLE * len(figures)), 0.75 + 0.62 * len(grid))
    panels = np.atleast_1d(figure.subplots(1, len(figures)))
    for axes, (metric, by_zone) in zip(panels, figures.items()):
        axes.set_title(f"{title} {words.label(metric)}".strip())
        _film(axes, grid)
        for row, line in enumerate(grid):
            for column, zone in enumerate(line):
                _zone(axes, row, column, zone, words.entry(by_zone.get(zone)), limits)
    _say_sides(figure, grid)
    return figure


def _film(axes: Axes, grid: Layout) -> None:
    wide = max(len(line) for line in grid)
    axes.set_xlim(-0.5, wide - 0.5)
    axes.set_ylim(len(grid) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_xticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if wide == 2:
        axes.set_xticks([0, 1], ["R  (patient's right)", "L  (patient's left)"])
        axes.tick_params(length=0)
        axes.xaxis.tick_top()


def _zone(axes: Axes, row: int, column: int, zone: str, facts: dict[str, Any], limits: tuple[float, float]) -> None:
    value = facts.get("value")
    shade = (value - limits[0]) / ((limits[1] - limits[0]) or 1) if words.defined(value) else 0.0
    # the dark end of the map is cut off so that the text stays readable in grey print
    colour = mpl.colormaps["Blues"](0.65 * min(max(shade, 0.0), 1.0)) if words.defined(value) else "white"
    axes.add_patch(
        mpl.patches.FancyBboxPatch(
            (column - 0.44, row - 0.42),
            0.88,
            0.84,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=colour,
            edgecolor=style.GREY,
            linewidth=0.6,
            linestyle="-" if words.defined(value) else (0, (3, 2)),
        )
    )
    axes.text(column, row - 0.26, zone, ha="center", va="center", fontsize=5.5, color="#4D4D4D")
    if words.defined(value):
        bounds = words.interval(facts).partition(" ")
        axes.text(column, row + 0.0, bounds[0], ha="center", va="center", fontsize=9, fontweight="bold")
        below = f"{bounds[2]}\nn = {facts['n']}" if facts.get("n") else bounds[2]
        axes.text(column, row + 0.26, below.strip(), ha="center", va="center", fontsize=5.5)
    else:
        reason = words.interval(facts)
        axes.text(column, row + 0.08, reason, ha="center", va="center", fontsize=5.5, style="italic", wrap=True)


def _say_sides(figure: Figure, grid: Layout) -> None:
    if max(len(line) for line in grid) == 2:
        style.note(figure, "As on the film: the patient's right is on the left of the picture.")


@style.styled
def zone_confusions(
    counts: Mapping[str, np.ndarray], classes: Sequence[str], *, layout: Layout | None = None, title: str = ""
) -> Figure:
    """A confusion matrix a zone, each in its place on the film.

    Args:
        counts: zone to counts, [K, K], reference × prediction.
        classes: names, [K].
        layout: as of :func:`zones`.
        title: heading.
    """
    grid = layout or layout_of(list(counts))
    wide = max(len(line) for line in grid)
    figure = style.canvas(min(style.DOUBLE, 0.75 * style.DOUBLE / 2 * wide), 2.3 * len(grid))
    panels = np.asarray(figure.subplots(len(grid), wide, squeeze=False))
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=8, fontweight="bold")
    for line, names in zip(panels, grid):
        for axes, zone in zip(line, names):
            matrices.draw(axes, np.asarray(counts[zone], dtype=np.float64), classes, size=5.5)
            axes.set_title(zone, fontsize=7)
    style.note(figure, "Shade and per cent: share of each reference class (row).")
    _say_sides(figure, grid)
    return figure
