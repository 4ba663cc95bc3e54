"""Zones of a chest film where they lie on it: the patient's right on the left of the picture, and said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from . import matrices, style, words
from .calibration import equal_mass, wilson
from .discrimination import Scored

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


def named(zone: str) -> str:
    """A zone's name for a reader."""
    return zone.replace("_", " ")


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
    axes.text(column, row - 0.26, named(zone), ha="center", va="center", fontsize=5.5, color="#4D4D4D")
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
        style.note(figure, "Arranged as on the film: the patient's right is on the left.")


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
            axes.set_title(named(zone), fontsize=7)
    style.note(figure, "Shade and per cent: share of each reference class (row).")
    if "–" in classes:
        style.note(figure, "–: ungradable.")
    _say_sides(figure, grid)
    return figure


@style.styled
def zone_reliability(
    zones: Mapping[str, Scored],
    pooled: Scored,
    *,
    bins: int = 5,
    layout: Layout | None = None,
    title: str = "",
) -> Figure:
    """Reliability of the grade that is said: a panel a zone in its place on the film, and one of all zones.

    Args:
        zones: zone to whether the grade was right and its probability; ``figure`` is its ``ece``.
        pooled: the same over all zones.
        bins: number of bins of equal size of a zone; twice as many over all zones.
        layout: as of :func:`zones`.
        title: heading.
    """
    grid = layout or layout_of(list(zones))
    wide = max(len(line) for line in grid)
    figure = style.canvas(style.DOUBLE if wide > 1 else style.SINGLE * 1.6, max(1.45 * len(grid), 2.6) + 0.35)
    left, right = np.ravel(figure.subfigures(1, 2, width_ratios=(wide * 1.45, 2.6)))  # type: ignore[arg-type]
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=8, fontweight="bold")
    panels = np.asarray(left.subplots(len(grid), wide, squeeze=False, sharex=True, sharey=True))
    for line, names in zip(panels, grid):
        for axes, zone in zip(line, names):
            _reliability(figure, axes, zones[zone], bins)
            axes.set_title(named(zone), fontsize=7)
    for axes in panels[:, 0]:
        axes.set_ylabel("Right")
    whole = right.subplots()
    _reliability(figure, whole, pooled, 2 * bins)
    whole.set_title(pooled.name, fontsize=7)
    whole.set_ylabel("Share of correct grades")
    whole.set_xlabel("Probability of the predicted grade")
    style.note(figure, "Bins of equal size. Bars: 95 % Wilson intervals, zones treated as independent.")
    _say_sides(figure, grid)
    return figure


def _reliability(figure: Figure, axes: Axes, one: Scored, bins: int) -> None:
    """One panel: the curve, n and the calibration error."""
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xticks([0, 0.5, 1])
    axes.set_yticks([0, 0.5, 1])
    axes.grid(True)
    axes.plot([0, 1], [0, 1], color=style.GREY, linestyle=(0, (1, 2)), linewidth=0.8)
    target, score = (np.asarray(values, dtype=np.float64) for values in (one.target, one.score))
    if not len(target):
        style.undefined(axes, "no sample")
        return
    points = np.array(equal_mass(target, score, bins))
    lower, upper = wilson(points[:, 1], points[:, 2])
    axes.vlines(points[:, 0], lower, upper, color=style.BLUE, linewidth=0.7, alpha=0.8)
    axes.plot(points[:, 0], points[:, 1], color=style.BLUE, marker="o", markersize=3)
    lines = [f"n = {len(target)}"]
    if one.figure is not None:
        value, _, bounds = words.interval(one.figure).partition(" ")
        lines = [f"ECE {value}", bounds, *lines] if bounds.startswith("(") else lines
    axes.text(0.03, 0.97, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=5.5, linespacing=1.3)
