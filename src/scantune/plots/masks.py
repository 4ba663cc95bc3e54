"""How well masks agree: the distribution of each measure over the samples, and of their volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import style, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style.styled
def overlap(
    values: Mapping[str, np.ndarray | Sequence[float]],
    *,
    figures: Mapping[str, Any] | None = None,
    units: Mapping[str, str] | None = None,
    title: str = "",
) -> Figure:
    """Every sample's Dice, IoU, HD95 … as a mark, with box (quartiles) and the mean's interval beside it.

    Measures without a unit share one panel from 0 to 1; those with one (HD95 in mm) get a panel each.

    Args:
        values: measure to its value per sample, [N]; NaN where undefined, infinite where a mask is missing.
        figures: measure to entry of ``metrics.json``: the mean and its interval.
        units: measure to unit, where it has one; ``hd95`` has "mm" unless given.
        title: heading.
    """
    unit = {"hd95": "mm"} | dict(units or {})
    shares = [name for name in values if not unit.get(name)]
    lengths = [name for name in values if unit.get(name)]
    widths = ([len(shares)] if shares else []) + [1.3] * len(lengths)
    figure = style.canvas(min(style.DOUBLE, 0.8 + 0.8 * sum(widths)), 2.6)
    panels = list(np.atleast_1d(figure.subplots(1, len(widths), width_ratios=widths)))
    panels[0].set_title(title)
    groups = ([shares] if shares else []) + [[name] for name in lengths]
    for axes, names in zip(panels, groups):
        shared = not unit.get(names[0])
        axes.set_ylabel("Per sample" if shared else f"{words.label(names[0])} ({unit[names[0]]})")
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.grid(True, axis="y")
        texts = [_column(axes, place, name, np.asarray(values[name], dtype=np.float64), (figures or {}).get(name))
                 for place, name in enumerate(names)]  # fmt: skip
        axes.set_xticks(range(len(names)), texts)
        axes.tick_params(axis="x", length=0)
        axes.set_ylim(*((-0.03, 1.03) if shared else (0, None)))
    style.note(figure, "Box: quartiles. Diamond: mean with 95 % interval. Undefined and infinite values are counted.")
    return figure


def spread(n: int) -> np.ndarray:
    """Sideways places in (−1, 1) of n marks, the same every time: van der Corput's sequence, no randomness needed."""
    places = np.zeros(n)
    for index in range(n):
        rest, step = index + 1, 0.5
        while rest:
            places[index] += step * (rest & 1)
            rest >>= 1
            step /= 2
    return 2 * places - 1


def _column(axes: Axes, place: int, name: str, values: np.ndarray, figure: Any) -> str:
    """One measure; returns its words below the axis, with n and what could not be drawn."""
    finite = np.sort(values[np.isfinite(values)])
    text = f"{words.label(name).partition(' (')[0]}\nn = {len(finite)}"
    undefined, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    text += f"\n{undefined} undefined" * bool(undefined) + f"\n{infinite} infinite" * bool(infinite)
    if not len(finite):
        return text
    axes.scatter(place - 0.12 + 0.2 * spread(len(finite)), finite, s=5, c=style.SKY, alpha=0.6, linewidths=0,
                 rasterized=len(finite) > style.RASTER_ABOVE, zorder=2)  # fmt: skip
    low, middle, high = np.percentile(finite, [25, 50, 75])
    axes.add_patch(_rectangle(place - 0.34, low, 0.44, high - low))
    axes.plot([place - 0.34, place + 0.1], [middle, middle], color=style.INK, linewidth=1.2, zorder=4)
    facts = words.entry(figure)
    if words.defined(facts.get("value")):
        lower, upper = facts.get("lower"), facts.get("upper")
        if words.defined(lower) and words.defined(upper):
            axes.plot([place + 0.28] * 2, [lower, upper], color=style.VERMILION, linewidth=1.2, zorder=4)
        axes.plot(place + 0.28, facts["value"], "D", color=style.VERMILION, markersize=3.5, zorder=5)
    return text


def _rectangle(x: float, y: float, width: float, height: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, facecolor="none", edgecolor=style.INK, linewidth=0.8, zorder=3)
