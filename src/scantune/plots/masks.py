"""Agreement of masks: the distribution of each overlap or distance metric over the samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.plots import style, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: Above this number of samples densities are drawn instead of marks.
MANY = 150


@style.styled
def overlap(
    values: Mapping[str, np.ndarray | Sequence[float]],
    *,
    metrics: Mapping[str, Any] | None = None,
    units: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    title: str = "",
) -> Figure:
    """Dice, IoU, HD95 … of every sample as marks (a density for many samples), with box plot and interval of the mean.

    Metrics without a unit share one panel from 0 to 1; each metric with a unit (HD95 in mm) has a panel.

    Args:
        values: metric to value per sample, [N]; NaN where undefined, infinite where a mask is empty.
        metrics: metric to entry of ``metrics.json``: mean and interval.
        units: metric to unit; "mm" is the default of ``hd95``.
        confidence: level of the intervals, for the notes.
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
        axes.grid(True, axis="y")
        texts = [_column(axes, place, name, np.asarray(values[name], dtype=np.float64), (metrics or {}).get(name))
                 for place, name in enumerate(names)]  # fmt: skip
        axes.set(xlabel="", xlim=(-0.6, len(names) - 0.4))
        axes.set_ylabel("Per sample" if shared else f"{words.label(names[0])} ({unit[names[0]]})")
        axes.set_xticks(range(len(names)), texts)
        axes.tick_params(axis="x", length=0)
        axes.set_ylim(*((-0.03, 1.03) if shared else (0, None)))
    style.note(
        figure,
        "Box: quartiles; whiskers: up to 1.5 times the interquartile range. Diamond: mean with "
        f"{words.per_cent(confidence)} interval. Undefined and infinite values are counted.",
    )
    return figure


def _column(axes: Axes, column: int, name: str, values: np.ndarray, metric: Any) -> str:
    """Draw one metric; returns its label with n and the number of undefined and infinite values."""
    finite = np.sort(values[np.isfinite(values)])
    text = f"{words.label(name).partition(' (')[0]}\nn = {len(finite)}"
    undefined, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    text += f"\n{undefined} undefined" * bool(undefined) + f"\n{infinite} infinite" * bool(infinite)
    if not len(finite):
        return text
    _spread(axes, np.full(len(finite), column - 0.12), finite)
    entry = words.entry(metric)
    if words.defined(entry.get("value")):
        lower, upper = entry.get("lower"), entry.get("upper")
        if words.defined(lower) and words.defined(upper):
            axes.plot([column + 0.28] * 2, [lower, upper], color=style.VERMILION, linewidth=1.2, zorder=4)
        axes.plot(column + 0.28, entry["value"], "D", color=style.VERMILION, markersize=3.5, zorder=5)
    return text


def _spread(axes: Axes, place: np.ndarray, values: np.ndarray) -> None:
    """Distribution of values: a box plot over the marks of samples, or over their density for many samples.

    Args:
        axes: the panel.
        place: middle of the column, the same for each value, [N].
        values: finite, [N].
    """
    import seaborn

    column: dict[str, Any] = {"positions": place[:1], "widths": 0.44, "orientation": "vertical"}
    if len(values) > MANY:
        bodies = axes.violinplot(values, showextrema=False, **column)["bodies"]
        for body in bodies:  # type: ignore[attr-defined]
            body.set(facecolor=style.SKY, alpha=1, linewidth=0)
    else:
        seaborn.swarmplot(x=place, y=values, ax=axes, native_scale=True, size=2.2, color=style.SKY, linewidth=0,
                          warn_thresh=1)  # fmt: skip
    ink = {"color": style.INK, "linewidth": 0.8}
    axes.boxplot(values, **column, showfliers=False, showcaps=False, manage_ticks=False, boxprops=ink,
                 whiskerprops=ink, medianprops=ink | {"linewidth": 1.4}, zorder=3)  # fmt: skip
