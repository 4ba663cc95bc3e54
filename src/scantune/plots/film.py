"""Zones of a chest radiograph in their position on the film, with the patient's right on the left of the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from scantune.plots import matrices, style, words
from scantune.plots.calibration import binned
from scantune.plots.discrimination import Scored
from scantune.statistics.calibration import reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEVELS = {"sup": 0, "superior": 0, "upper": 0, "mid": 1, "middle": 1, "inf": 2, "inferior": 2, "lower": 2}
_SIDES = {"right": 0, "left": 1}  # column of the picture: the patient's right is seen on the left

Layout = Sequence[Sequence[str]]


def layout_of(names: Sequence[str]) -> list[list[str]]:
    """Rows of zone names as on the film, from names such as ``right_sup``; one zone per row for other names.

    Examples:
        >>> layout_of(["left_sup", "right_sup", "left_inf", "right_inf"])
        [['right_sup', 'left_sup'], ['right_inf', 'left_inf']]
    """
    by_position: dict[tuple[int, int], str] = {}
    for name in names:
        parts = name.lower().replace("-", "_").split("_")
        level = next((_LEVELS[part] for part in parts if part in _LEVELS), None)
        side = next((_SIDES[part] for part in parts if part in _SIDES), None)
        if level is None or side is None or (level, side) in by_position:
            return [[each] for each in names]
        by_position[level, side] = name
    rows = sorted({level for level, _ in by_position})
    if any((level, side) not in by_position for level in rows for side in (0, 1)):
        return [[each] for each in names]
    return [[by_position[level, side] for side in (0, 1)] for level in rows]


def display_name(zone: str) -> str:
    """Displayed name of a zone."""
    return zone.replace("_", " ")


@style.styled
def zones(
    metrics: Mapping[str, Mapping[str, Any]],
    *,
    layout: Layout | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    title: str = "",
) -> Figure:
    """One panel per metric: value, interval and n of each zone in its position on the film, shaded by value.

    Args:
        metrics: metric to zone to entry of ``metrics.json`` (``kappa_quadratic``, ``f1_macro`` …).
        layout: rows of zone names from top to bottom, from the left of the picture; None derives them from names.
        limits: values of the palest and the darkest shade.
        title: heading.
    """
    names = list(next(iter(metrics.values())))
    grid = layout or layout_of(names)
    figure = style.canvas(min(style.DOUBLE, style.SINGLE * len(metrics)), 0.75 + 0.62 * len(grid))
    panels = np.atleast_1d(figure.subplots(1, len(metrics)))
    for axes, (metric, by_zone) in zip(panels, metrics.items()):
        axes.set_title(f"{title} {words.label(metric)}".strip())
        _film(axes, grid)
        for row, line in enumerate(grid):
            for column, zone in enumerate(line):
                _zone(axes, row, column, zone, words.entry(by_zone.get(zone)), limits)
    _note_sides(figure, grid)
    return figure


def _film(axes: Axes, grid: Layout) -> None:
    columns = max(len(line) for line in grid)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(len(grid) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_xticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if columns == 2:
        axes.set_xticks([0, 1], ["R  (patient's right)", "L  (patient's left)"])
        axes.tick_params(length=0)
        axes.xaxis.tick_top()


def _zone(axes: Axes, row: int, column: int, zone: str, entry: dict[str, Any], limits: tuple[float, float]) -> None:
    value = entry.get("value")
    shade = (value - limits[0]) / ((limits[1] - limits[0]) or 1) if words.defined(value) else 0.0
    # without the dark end of the colour map, so that the text is readable in grey print
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
    axes.text(column, row - 0.26, display_name(zone), ha="center", va="center", fontsize=5.5)
    if words.defined(value):
        bounds = words.interval(entry).partition(" ")
        axes.text(column, row + 0.0, bounds[0], ha="center", va="center", fontsize=9, fontweight="bold")
        below = f"{bounds[2]}\nn = {entry['n']}" if entry.get("n") else bounds[2]
        axes.text(column, row + 0.26, below.strip(), ha="center", va="center", fontsize=5.5)
    else:
        reason = words.interval(entry)
        axes.text(column, row + 0.08, reason, ha="center", va="center", fontsize=5.5, style="italic", wrap=True)


def _note_sides(figure: Figure, grid: Layout) -> None:
    if max(len(line) for line in grid) == 2:
        style.note(figure, "Arranged as on the film: the patient's right is on the left.")


@style.styled
def zone_confusions(
    counts: Mapping[str, np.ndarray], classes: Sequence[str], *, layout: Layout | None = None, title: str = ""
) -> Figure:
    """A confusion matrix per zone, in its position on the film.

    Args:
        counts: zone to counts, [K, K], reference × prediction.
        classes: names, [K].
        layout: as of :func:`zones`.
        title: heading.
    """
    grid = layout or layout_of(list(counts))
    columns = max(len(line) for line in grid)
    figure = style.canvas(min(style.DOUBLE, 0.75 * style.DOUBLE / 2 * columns), 2.3 * len(grid))
    panels = np.asarray(figure.subplots(len(grid), columns, squeeze=False))
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=8, fontweight="bold")
    for line, names in zip(panels, grid):
        for axes, zone in zip(line, names):
            matrices.draw(axes, np.asarray(counts[zone], dtype=np.float64), classes, size=5.5)
            axes.set_title(display_name(zone), fontsize=7)
    style.note(figure, "Shade and per cent: share of each reference class (row).")
    if "–" in classes:
        style.note(figure, "–: ungradable.")
    _note_sides(figure, grid)
    return figure


@style.styled
def zone_reliability(
    zones: Mapping[str, Scored],
    pooled: Scored,
    *,
    bins: int = 5,
    layout: Layout | None = None,
    confidence: float = 0.95,
    title: str = "",
) -> Figure:
    """Reliability of the predicted grade: a panel per zone in its position on the film, and one of all zones.

    Args:
        zones: zone to correctness of the grade and its probability; ``metric`` is the ``ece``.
        pooled: the same over all zones.
        bins: number of bins of equal size per zone; twice as many for all zones.
        layout: as of :func:`zones`.
        confidence: level of the bars.
        title: heading.
    """
    grid = layout or layout_of(list(zones))
    columns = max(len(line) for line in grid)
    figure = style.canvas(style.DOUBLE if columns > 1 else style.SINGLE * 1.6, max(1.45 * len(grid), 2.6) + 0.35)
    left, right = np.ravel(figure.subfigures(1, 2, width_ratios=(columns * 1.45, 2.6)))  # type: ignore[arg-type]
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=8, fontweight="bold")
    panels = np.asarray(left.subplots(len(grid), columns, squeeze=False, sharex=True, sharey=True))
    for line, names in zip(panels, grid):
        for axes, zone in zip(line, names):
            _reliability(figure, axes, zones[zone], bins, confidence)
            axes.set_title(display_name(zone), fontsize=7)
    for axes in panels[:, 0]:
        axes.set_ylabel("Correct")
    pooled_axes = right.subplots()
    _reliability(figure, pooled_axes, pooled, 2 * bins, confidence)
    pooled_axes.set_title(pooled.name, fontsize=7)
    pooled_axes.set_ylabel("Share of correct grades")
    pooled_axes.set_xlabel("Probability of the predicted grade")
    bars = f"Bars: {words.per_cent(confidence)} Wilson intervals, zones treated as independent."
    style.note(figure, f"Bins of equal size. {bars}")
    _note_sides(figure, grid)
    return figure


def _reliability(figure: Figure, axes: Axes, curve: Scored, bins: int, confidence: float) -> None:
    """One panel: the curve, n and the calibration error."""
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xticks([0, 0.5, 1])
    axes.set_yticks([0, 0.5, 1])
    axes.grid(True)
    axes.plot([0, 1], [0, 1], color=style.GREY, linestyle=(0, (1, 2)), linewidth=0.8)
    target, score = (np.asarray(values, dtype=np.float64) for values in (curve.target, curve.score))
    if not len(target):
        style.undefined(axes, "no sample")
        return
    marks = binned(axes, reliability(score, target == 1, bins), confidence, markersize=3)
    lines = [f"n = {len(target)}"]
    if curve.metric is not None:
        value, _, bounds = words.interval(curve.metric).partition(" ")
        lines = [f"ECE {value}", bounds, *lines] if bounds.startswith("(") else lines
    style.in_corner(axes, lines, marks, width=0.65, height=0.12 * len(lines), size=5.5)
