"""A measured and a predicted number: one against the other, their difference, and how both are distributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import style, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray | Sequence[float]


def _with_unit(text: str, unit: str) -> str:
    return f"{text} ({unit})" if unit else text


def _scatter(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str = style.BLUE) -> None:
    """Marks that darken where they lie on each other: half of a clinical score's points do."""
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


def _box(axes: Axes, lines: Sequence[str], *, x: float = 0.03, y: float = 0.97, va: str = "top") -> None:
    if lines:
        axes.text(
            x,
            y,
            "\n".join(lines),
            transform=axes.transAxes,
            ha="left",
            va=va,
            fontsize=6,
            linespacing=1.35,
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5},
        )


@style.styled
def predicted_against_actual(
    target: Array,
    prediction: Array,
    *,
    name: str = "score",
    unit: str = "",
    limits: tuple[float, float] | None = None,
    figures: Mapping[str, Any] | None = None,
    lower: Array | None = None,
    upper: Array | None = None,
    significant_error: float | None = None,
    title: str = "",
) -> Figure:
    """Prediction against reference, with the line of identity and n.

    Args:
        target: reference values, [N].
        prediction: predicted values, [N], in the same unit.
        name: what is measured, for the axes.
        unit: its unit, "" for a score.
        limits: range of both axes; from the data where None.
        figures: entries of ``metrics.json`` to write into the corner, in this order (``mae``, ``spearman_rho`` …).
        lower: lower bounds of prediction intervals, [N], drawn as thin bars.
        upper: upper bounds, [N].
        significant_error: half width of the pale band about identity within which an error does not matter.
        title: heading of the panel.
    """
    figure, axes = style.single(style.SINGLE, style.SINGLE)
    axes.set_title(title)
    given = [target, prediction] + ([lower, upper] if lower is not None and upper is not None else [])
    values = style.finite(figure, *given)
    x, y = values[0], values[1]
    axes.set_xlabel(_with_unit(f"Reference {name}", unit))
    axes.set_ylabel(_with_unit(f"Predicted {name}", unit))
    if not len(x):
        style.undefined(axes, "no sample has both a reference and a prediction")
        return figure
    low, high = limits or style.rounded(float(min(x.min(), y.min())), float(max(x.max(), y.max())))
    if limits is not None:
        outside = int(((x < low) | (x > high) | (y < low) | (y > high)).sum())
        low, high = style.rounded(min(low, float(x.min()), float(y.min())), max(high, float(x.max()), float(y.max())))
        if outside:
            style.note(
                figure, f"{outside} of {len(x)} samples lie outside the scale's range {limits[0]:g}–{limits[1]:g}."
            )
    ends = np.array([low, high])
    if significant_error is not None:
        axes.fill_between(ends, ends - significant_error, ends + significant_error, color=style.PALE, alpha=0.6, lw=0)
        style.note(figure, f"Pale band: within ±{significant_error:g} of the reference. Dashed: identity.")
    axes.plot(ends, ends, color=style.INK, linestyle=(0, (4, 2)), linewidth=0.8, label="identity", zorder=2)
    if len(values) == 4:
        axes.vlines(x, values[2], values[3], color=style.BLUE, alpha=0.3, linewidth=0.6, zorder=2)
        style.note(figure, "Bars: prediction intervals.")
    _scatter(axes, x, y)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    lines = [f"{words.label(key)} {words.interval(value)}" for key, value in (figures or {}).items()]
    _box(axes, [f"n = {len(x)}", *lines])
    return figure


@style.styled
def bland_altman(
    target: Array,
    prediction: Array,
    *,
    figures: Mapping[str, Any],
    name: str = "score",
    unit: str = "",
    subjects: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Difference (prediction − reference) against the mean of both, with bias, limits of agreement and intervals.

    The lines come from ``metrics.json`` and are not computed again, so that figure and table cannot disagree: where
    subjects repeat these are the limits for repeated measures (Bland & Altman, J Biopharm Stat 2007;17:571), and the
    plain ones are drawn beside them, dotted.

    Args:
        target: reference values, [N].
        prediction: predicted values, [N], in the same unit.
        figures: holds ``bland_altman_bias``, ``_lower``, ``_upper`` and, where known, ``_slope``, ``_plain_lower``,
            ``_plain_upper``; entries of ``metrics.json``.
        name: what is measured.
        unit: its unit, "" for a score.
        subjects: subject of each sample, [N]; samples of one subject are joined by a thin line.
        title: heading of the panel.
    """
    figure, axes = style.single(style.SINGLE * 1.15, style.SINGLE * 0.85)
    axes.set_title(title)
    x, y, row = style.finite(figure, target, prediction, np.arange(len(target)))
    axes.set_xlabel(_with_unit(f"Mean of reference and predicted {name}", unit))
    axes.set_ylabel(_with_unit("Predicted − reference", unit))
    if not len(x):
        style.undefined(axes, "no sample has both a reference and a prediction")
        return figure
    mean, difference = (x + y) / 2, y - x
    repeated = _join_subjects(axes, mean, difference, subjects, row.astype(int))
    _scatter(axes, mean, difference)
    axes.set_xlim(*style.rounded(float(mean.min()), float(mean.max())))
    axes.axhline(0, color=style.GREY, linewidth=0.5, zorder=1)
    for key, text, colour, dash in (
        ("bland_altman_upper", "upper limit", style.VERMILION, (0, (4, 2))),
        ("bland_altman_bias", "bias", style.INK, "-"),
        ("bland_altman_lower", "lower limit", style.VERMILION, (0, (4, 2))),
    ):
        _level(figure, axes, words.entry(figures.get(key)), text, colour, dash)
    for key in ("bland_altman_plain_upper", "bland_altman_plain_lower"):
        plain = words.entry(figures.get(key))
        if words.defined(plain.get("value")):
            axes.axhline(plain["value"], color=style.GREY, linestyle=(0, (1, 1.5)), linewidth=0.9)
    if words.defined(words.entry(figures.get("bland_altman_plain_upper")).get("value")):
        style.note(figure, "Dashed: limits of agreement for repeated measures; dotted: repeats ignored.")
    style.note(
        figure, "Pale bands: 95 % intervals of bias and limits." + (" Grey lines join a subject's samples." * repeated)
    )
    slope = figures.get("bland_altman_slope")
    _box(axes, [f"n = {len(x)}"] + ([f"slope {words.interval(slope)}"] if slope is not None else []))
    _room(axes, difference)
    return figure


def _room(axes: Axes, difference: np.ndarray) -> None:
    """Space above for the corner's words, so that they cover no mark."""
    low, high = axes.get_ylim()
    low, high = min(low, float(difference.min())), max(high, float(difference.max()))
    axes.set_ylim(low, high + 0.16 * (high - low))


def _join_subjects(axes: Axes, x: np.ndarray, y: np.ndarray, subjects: Sequence[str] | None, rows: np.ndarray) -> bool:
    if subjects is None:
        return False
    names = np.asarray(list(subjects), dtype=str)[rows]
    repeated = False
    for name in np.unique(names):
        mine = names == name
        if mine.sum() > 1:
            repeated = True
            order = np.argsort(x[mine], kind="stable")
            axes.plot(x[mine][order], y[mine][order], color=style.GREY, linewidth=0.4, alpha=0.6, zorder=2)
    return repeated


def _level(figure: Figure, axes: Axes, facts: dict[str, Any], text: str, colour: str, dash: Any) -> None:
    """One horizontal line with its band and its words beyond the right edge."""
    value = facts.get("value")
    if not words.defined(value):
        style.note(figure, f"The {text} is undefined: {facts.get('reason') or 'no reason given'}.")
        return
    lower, upper = facts.get("lower"), facts.get("upper")
    places = words.decimals(max(abs(float(part)) for part in (value, lower, upper) if words.defined(part)))
    described = f"{text}\n{words.fixed(value, places)}"
    if words.defined(lower) and words.defined(upper):
        axes.axhspan(lower, upper, color=colour, alpha=0.13, linewidth=0, zorder=0)
        described += f"\n({words.fixed(lower, places)} to\n{words.fixed(upper, places)})"
    axes.axhline(value, color=colour, linestyle=dash, linewidth=1.0, zorder=4)
    axes.annotate(
        described,
        (1.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=5.5,
        color=colour,
        linespacing=1.15,
    )


@style.styled
def histogram(
    target: Array,
    prediction: Array,
    *,
    name: str = "score",
    unit: str = "",
    bins: int = 35,
    limits: tuple[float, float] | None = (0.0, 34.0),
    title: str = "",
) -> Figure:
    """How references and predictions are distributed: two histograms of the same bins, one above the other mirrored.

    Args:
        target: reference values, [N].
        prediction: predicted values, [N].
        name: what is measured.
        unit: its unit.
        bins: number of bins.
        limits: range that the bins divide; of the data where None. What lies outside is counted below the figure.
        title: heading.
    """
    figure, axes = style.single(style.SINGLE, style.SINGLE * 0.7)
    axes.set_title(title)
    sides = [np.asarray(values, dtype=np.float64) for values in (target, prediction)]
    kept = [values[np.isfinite(values)] for values in sides]
    both = np.concatenate(kept)
    axes.set_xlabel(_with_unit(name[:1].upper() + name[1:], unit))
    axes.set_ylabel("Samples")
    if not len(both):
        style.undefined(axes, "no finite value")
        return figure
    low, high = limits or (float(both.min()), float(both.max()))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    for values, all_values, sign, hatch, text in (
        (kept[0], sides[0], 1, "", "reference"),
        (kept[1], sides[1], -1, "////", "prediction"),
    ):
        counts = np.histogram(values, edges)[0]
        axes.bar(
            edges[:-1],
            sign * counts,
            width=np.diff(edges),
            align="edge",
            color="white" if hatch else style.GREY,
            edgecolor=style.BLUE if hatch else style.INK,
            hatch=hatch,
            linewidth=0.5,
            label=f"{text} (n = {len(values)})",
        )
        outside = len(values) - int(counts.sum())
        if outside:
            style.note(figure, f"{outside} {text}s lie outside {edges[0]:g}–{edges[-1]:g}.")
        if len(values) < len(all_values):
            style.note(figure, f"{len(all_values) - len(values)} {text}s have no finite value.")
    axes.axhline(0, color=style.INK, linewidth=0.6)
    style.whole_numbers(axes.yaxis)
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.set_xlim(edges[0], edges[-1])
    axes.legend(loc="best")
    return figure
