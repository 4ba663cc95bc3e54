"""Flow of participants: from the rows of the table to training and test sets, with the reasons of exclusions."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scantune.amounts import number_of
from scantune.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE = 0.125  # inches per line of text
_GAP = 0.22


def count_text(part: Mapping[str, Any]) -> str:
    """Number of samples and subjects as text."""
    samples, subjects = part.get("samples"), part.get("subjects")
    if samples is None:
        return "number unknown"
    text = number_of(samples, "sample")
    return text if subjects is None else f"{text} of {number_of(subjects, 'subject')}"


@style.styled
def participants(steps: Sequence[Mapping[str, Any]], sides: Mapping[str, Mapping[str, Any]], title: str = "") -> Figure:
    """Boxes from top to bottom, exclusions with reasons at the right, the sets of the split below.

    Args:
        steps: each ``name``, ``samples`` and, where known, ``subjects`` and ``excluded`` (reason to number of samples
            excluded between this step and the next).
        sides: ``train``, ``validation``, ``test`` (or folds) to ``samples`` and ``subjects``.
        title: heading.
    """
    boxes = [_lines(f"{step['name']}\n{count_text(step)}", 44) for step in steps]
    asides = [_excluded(step.get("excluded") or {}) for step in steps]
    heights = [len(box) * _LINE + 0.14 for box in boxes]
    aside_heights = [len(aside) * _LINE + 0.14 if aside else 0.0 for aside in asides]
    gaps = [max(_GAP, aside + 0.14) if aside else _GAP for aside in aside_heights]
    total = sum(heights) + sum(gaps) + 0.6 + 0.1
    figure = style.canvas(style.DOUBLE, total + (0.25 if title else 0))
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlim(0, style.DOUBLE)
    axes.set_ylim(-total, 0)
    axes.set_axis_off()
    middle, width = style.DOUBLE * 0.3, style.DOUBLE * 0.46
    y = -0.02
    for box, aside, height, aside_height, gap in zip(boxes, asides, heights, aside_heights, gaps):
        _box(axes, middle - width / 2, y - height, width, height, box)
        _arrow(axes, (middle, y - height), (middle, y - height - gap))
        if aside:
            at = y - height - gap / 2
            _arrow(axes, (middle, at), (style.DOUBLE * 0.56, at))
            _box(axes, style.DOUBLE * 0.56, at - aside_height / 2, style.DOUBLE * 0.43, aside_height, aside, pale=True)
        y -= height + gap
    _sides(axes, sides, y, middle)
    return figure


def _sides(axes: Axes, sides: Mapping[str, Mapping[str, Any]], y: float, middle: float) -> None:
    if not sides:
        axes.text(middle, y, "not split", ha="center", va="top", style="italic")
        return
    each = min(style.DOUBLE * 0.98 / len(sides), 2.2)
    width = min(each - 0.1, 1.9)
    first = max(style.DOUBLE * 0.01, middle - each * len(sides) / 2)
    centres = [first + each * (index + 0.5) for index in range(len(sides))]
    axes.plot([min(*centres, middle), max(*centres, middle)], [y, y], color=style.INK, linewidth=0.7)
    for centre, (name, side) in zip(centres, sides.items()):
        _arrow(axes, (centre, y), (centre, y - 0.15))
        text = _lines(f"{name}\n{count_text(side)}", max(12, int(width * 17)))
        height = len(text) * _LINE + 0.12
        _box(axes, centre - width / 2, y - 0.15 - height, width, height, text)


def _lines(text: str, width: int) -> list[str]:
    return [part for line in text.split("\n") for part in textwrap.wrap(line, width)]


def _excluded(reasons: Mapping[str, Any]) -> list[str]:
    if not reasons:
        return []
    total = sum(int(n) for n in reasons.values())
    lines = [f"Excluded: {total} sample" + "s" * (total != 1)]
    for reason, n in sorted(reasons.items(), key=lambda pair: (-int(pair[1]), pair[0])):
        lines += textwrap.wrap(f"{n} × {reason}", 46, subsequent_indent="    ")
    return lines


def _box(axes: Axes, x: float, y: float, width: float, height: float, lines: Sequence[str], pale: bool = False) -> None:
    from matplotlib.patches import Rectangle

    face = "#F4F4F4" if pale else "white"
    axes.add_patch(Rectangle((x, y), width, height, facecolor=face, edgecolor=style.INK, linewidth=0.7, zorder=2))
    top = y + height - 0.07
    for index, line in enumerate(lines):
        axes.text(x + (0.08 if pale else width / 2), top - index * _LINE, line, ha="left" if pale else "center",
                  va="top", fontsize=6, fontweight="bold" if index == 0 else "normal", zorder=3)  # fmt: skip


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    arrow = {"arrowstyle": "-|>", "color": style.INK, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 6}
    axes.annotate("", xy=end, xytext=start, arrowprops=arrow)
