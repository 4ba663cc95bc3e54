"""Agreement of reference and prediction: scatter plot and distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.plots import style, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray | Sequence[float]


def with_unit(text: str, unit: str) -> str:
    """``text (unit)``, or the text alone where there is no unit."""
    return f"{text} ({unit})" if unit else text


def scatter(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str = style.BLUE) -> None:
    """Semi-transparent marks, since many points of a clinical score coincide."""
    axes.scatter(
        x,
        y,
        s=11,
        c=colour,
        alpha=0.55 if len(x) < 300 else 0.3,
        linewidths=0.3,
        edgecolors="white",
        rasterized=len(x) > style.RASTER_ABOVE,
        clip_on=False,
        zorder=3,
    )


def corner(axes: Axes, lines: Sequence[str], x: np.ndarray, y: np.ndarray) -> None:
    """Lines of text in the upper left corner of a panel, or the lower right one where they hide fewer of its marks.

    Args:
        axes: the panel, with its final limits.
        lines: of the text.
        x: of the marks, [N].
        y: of the marks, [N].
    """
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    points = np.stack([(x - left) / (right - left), (y - bottom) / (top - bottom)], axis=1)
    width = min(1.0, 0.05 + 0.021 * max(map(len, lines), default=0))
    style.in_corner(axes, lines, points, width=width, height=0.05 + 0.05 * len(lines))


@style.styled
def predicted_against_actual(
    target: Array,
    prediction: Array,
    *,
    name: str = "score",
    unit: str = "",
    limits: tuple[float, float] | None = None,
    metrics: Mapping[str, Any] | None = None,
    lower: Array | None = None,
    upper: Array | None = None,
    significant_error: float | None = None,
    title: str = "",
) -> Figure:
    """Scatter plot of prediction against reference, with the line of identity and n.

    Args:
        target: reference values, [N].
        prediction: predicted values, [N], in the same unit.
        name: what is measured, for the axes.
        unit: its unit, "" for a score.
        limits: range of both axes; None for that of the data.
        metrics: entries of ``metrics.json`` for the corner, in this order (``mae``, ``spearman_rho`` …).
        lower: lower bounds of prediction intervals, [N], drawn as thin bars.
        upper: upper bounds, [N].
        significant_error: half width of the pale band of clinically insignificant errors.
        title: heading of the panel.
    """
    figure, axes = style.single(style.SINGLE, style.SINGLE)
    axes.set_title(title)
    axes.set_xlabel(with_unit(f"Reference {name}", unit))
    axes.set_ylabel(with_unit(f"Predicted {name}", unit))
    x, y, row = style.finite(figure, target, prediction, np.arange(len(target)))
    if not len(x):
        style.undefined(axes, "no sample has both a reference and a prediction")
        return figure
    ends = _range(figure, x, y, limits)
    if significant_error is not None:
        axes.fill_between(ends, ends - significant_error, ends + significant_error, color=style.PALE, alpha=0.6, lw=0)
        within = f"{significant_error:g} {unit}".rstrip()
        style.note(figure, f"Pale band: within ±{within} of the reference, not clinically significant.")
    style.note(figure, "Dashed: identity.")
    if lower is not None and upper is not None:
        low, high = (np.asarray(bound, dtype=np.float64)[row.astype(int)] for bound in (lower, upper))
        axes.vlines(x, low, high, color=style.BLUE, alpha=0.3, linewidth=0.6)
        cut = int(((low < ends[0]) | (high > ends[1])).sum())
        beyond = f" {cut} of {len(x)} reach beyond the panel." if cut else ""
        style.note(figure, f"Bars: prediction intervals.{beyond}")
    identity(axes, x, y, ends)
    _margins(figure, axes, x, y)
    lines = [f"{words.label(key)} {words.interval(value)}" for key, value in (metrics or {}).items()]
    corner(axes, [f"n = {len(x)}", *lines], x, y)
    return figure


def _margins(figure: Figure, axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Marginal histograms along both axes."""
    import seaborn

    bins = np.linspace(*axes.get_xlim(), 36)
    look = {"bins": bins, "color": style.PALE, "edgecolor": style.GREY, "linewidth": 0.4, "alpha": 1}
    for side, values in (("top", {"x": x}), ("right", {"y": y})):
        place = (0, 1.02, 1, 0.12) if side == "top" else (1.02, 0, 0.12, 1)
        margin = axes.inset_axes(place)
        seaborn.histplot(**values, **look, ax=margin)
        margin.set(xlim=axes.get_xlim()) if side == "top" else margin.set(ylim=axes.get_ylim())
        margin.axis("off")


def _range(figure: Figure, x: np.ndarray, y: np.ndarray, limits: tuple[float, float] | None) -> np.ndarray:
    """Limits of both axes: the scale, extended to samples outside of it, which are noted."""
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    if limits is not None:
        outside = int(((x < limits[0]) | (x > limits[1]) | (y < limits[0]) | (y > limits[1])).sum())
        low, high = min(low, limits[0]), max(high, limits[1])
        if outside:
            scale = f"{limits[0]:g}–{limits[1]:g}"
            style.note(figure, f"{outside} of {len(x)} samples lie outside the scale's range {scale}.")
    return np.array(style.rounded(low, high))


def identity(axes: Axes, x: np.ndarray, y: np.ndarray, ends: np.ndarray) -> None:
    """Marks and the line of identity on two equal axes from ``ends[0]`` to ``ends[1]``."""
    axes.plot(ends, ends, color=style.INK, linestyle=(0, (4, 2)), linewidth=0.8, label="identity", zorder=2)
    scatter(axes, x, y)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_aspect("equal")


@style.styled
def histogram(
    target: Array,
    prediction: Array,
    *,
    name: str = "score",
    unit: str = "",
    bins: int = 35,
    limits: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """Distributions of references and predictions: two mirrored histograms with the same bins.

    Args:
        target: reference values, [N].
        prediction: predicted values, [N].
        name: what is measured.
        unit: its unit.
        bins: number of bins.
        limits: range of the bins; None for that of the data. Values outside are counted below the figure.
        title: heading.
    """
    import seaborn

    figure, axes = style.single(style.SINGLE, style.SINGLE * 0.7)
    axes.set_title(title)
    sides = [np.asarray(values, dtype=np.float64) for values in (target, prediction)]
    finite_values = [values[np.isfinite(values)] for values in sides]
    both = np.concatenate(finite_values)
    if not len(both):
        style.undefined(axes, "no finite value")
        return figure
    low, high = limits or (float(both.min()), float(both.max()))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    for values, all_values, sign, hatch, text in (
        (finite_values[0], sides[0], 1, "", "reference"),
        (finite_values[1], sides[1], -1, "////", "prediction"),
    ):
        seaborn.histplot(
            x=values,
            weights=np.full(len(values), sign),
            bins=edges.tolist(),
            ax=axes,
            color="white" if hatch else style.GREY,
            alpha=1,
            edgecolor=style.BLUE if hatch else style.INK,
            hatch=hatch,
            linewidth=0.5,
            label=f"{text} (n = {len(values)})",
        )
        outside = int(((values < edges[0]) | (values > edges[-1])).sum())
        if outside:
            style.note(figure, f"{outside} {text}s lie outside {edges[0]:g}–{edges[-1]:g}.")
        if len(values) < len(all_values):
            style.note(figure, f"{len(all_values) - len(values)} {text}s have no finite value.")
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_xlabel(with_unit(name[:1].upper() + name[1:], unit))
    axes.set_ylabel("Samples")
    style.integer_ticks(axes.yaxis)
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.set_xlim(edges[0], edges[-1])
    axes.legend(loc="best")
    return figure
