"""Metrics with intervals side by side: subgroups, coverage, models on several data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scantune.plots import style, words
from scantune.plots.agreement import with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.16  # inches per line
_SPAN = 2.0  # intervals that need more than this multiple of what the others and all values need are cut


@style.styled
def forest(
    subgroups: Mapping[str, Mapping[str, Mapping[str, Any]]],
    metric: str,
    *,
    overall: Any = None,
    min_subjects: int = 20,
    reference: float | None = None,
    reference_name: str = "reference",
    limits: tuple[float, float] | None = None,
    unit: str = "",
    confidence: float = 0.95,
    title: str = "",
) -> Figure:
    """Forest plot of a metric by subgroup, with n and interval; small groups hollow, undefined ones with the reason.

    Args:
        subgroups: ``subgroups`` of ``metrics.json``: column to level to metric to entry.
        metric: name of the metric.
        overall: entry of the complete test set, in the first row and as a line.
        min_subjects: groups with fewer subjects (samples where that is unknown) are marked.
        reference: value of a line (nominal coverage, chance).
        reference_name: label of the line.
        limits: of the axis; None for those of the data.
        unit: of the metric, "" for none.
        confidence: level of the intervals, for the notes.
        title: heading.
    """
    rows: list[tuple[str, Any]] = [] if overall is None else [("All", overall)]
    for column, levels in subgroups.items():
        rows.append((words.level(column, column), None))
        rows += [
            (f"  {words.level(column, level)}", levels[level].get(metric))
            for level in sorted(levels, key=words.level_order)
        ]
    figure, axes = style.single(style.DOUBLE * 0.8, 0.75 + _ROW * len(rows))
    axes.set_title(title)
    axes.set_xlabel(with_unit(words.label(metric), unit))
    small = _forest_rows(axes, rows, min_subjects, words.per_cent(confidence))
    value = words.entry(overall).get("value")
    if words.defined(value):
        axes.axvline(value, color=style.INK, linewidth=0.6, zorder=0)
        style.note(figure, "Line: all samples.")
    if reference is not None:
        axes.axvline(reference, color=style.VERMILION, linestyle=(0, (4, 2)), linewidth=0.9, zorder=0)
        style.note(figure, f"Dashed: {reference_name} {words.number(reference)}.")
    drawn = [(row, words.entry(entry)) for row, (_, entry) in enumerate(rows) if entry is not None]
    _limit(figure, axes, drawn, limits, reference, min_subjects)
    if small:
        style.note(figure, f"Hollow: fewer than {min_subjects} subjects, too few for a reliable estimate.")
    style.note(figure, f"Bars: {words.per_cent(confidence)} intervals. n: samples (subjects).")
    return figure


def coverage(
    subgroups: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    nominal: float,
    overall: Any = None,
    metric: str = "conformal_coverage",
    min_subjects: int = 20,
    confidence: float = 0.95,
    title: str = "",
) -> Figure:
    """Coverage of conformal intervals or sets by subgroup, with the nominal coverage."""
    return forest(subgroups, metric, overall=overall, min_subjects=min_subjects, reference=nominal,
                  reference_name="nominal coverage", confidence=confidence, title=title)  # fmt: skip


def _forest_rows(axes: Axes, rows: Sequence[tuple[str, Any]], min_subjects: int, level: str) -> bool:
    any_small = False
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for index, (name, metric) in enumerate(rows):
        heading = metric is None and not name.startswith("  ")
        tick = axes.get_yticklabels()[index]
        tick.set_fontweight("bold" if heading or index == 0 else "normal")
        if heading:
            continue
        entry = words.entry(metric)
        subjects = entry.get("n_subjects") or entry.get("n") or 0
        small = bool(entry.get("small")) or (subjects < min_subjects and name != "All")
        any_small |= small
        if index % 2:
            axes.axhspan(index - 0.5, index + 0.5, color="#F4F4F4", linewidth=0, zorder=-1)
        _mark(axes, entry, index, style.BLUE, "D" if name == "All" else "o", small)
        count = f"{entry.get('n', 0)} ({entry['n_subjects']})" if entry.get("n_subjects") else f"{entry.get('n', 0)}"
        text = words.interval(entry) + (" *" if small else "")
        _beside(axes, index, count, 8)
        _beside(axes, index, text if len(text) < 44 else text[:43] + "…", 52)
    for text, offset in (("n", 8), (f"value ({level} interval)", 52)):
        axes.annotate(
            text, (1, 1), xycoords="axes fraction", xytext=(offset, 2), textcoords="offset points", fontsize=6
        )
    return any_small


def _beside(axes: Axes, row: float, text: str, offset: int) -> None:
    axes.annotate(
        text,
        (1.0, row),
        xycoords=("axes fraction", "data"),
        xytext=(offset, 0),
        textcoords="offset points",
        va="center",
        fontsize=6,
        annotation_clip=False,
    )


def _mark(axes: Axes, entry: Mapping[str, Any], row: float, colour: str, marker: str, hollow: bool) -> None:
    """Draw interval and value in a row, if defined."""
    value, lower, upper = entry.get("value"), entry.get("lower"), entry.get("upper")
    if not words.defined(value):
        return
    if words.defined(lower) and words.defined(upper):
        axes.plot([lower, upper], [row, row], color=colour, linewidth=1.0, solid_capstyle="butt", zorder=2)
    axes.plot(value, row, marker, color="white" if hollow else colour, markeredgecolor=colour, markersize=4, zorder=3)


def _limit(
    figure: Figure,
    axes: Axes,
    drawn: Sequence[tuple[float, Mapping[str, Any]]],
    limits: tuple[float, float] | None,
    reference: float | None,
    min_subjects: int = 20,
) -> None:
    """Limits of the axis: as stated, or such that one wide interval, cut by an arrow, does not squeeze the others."""
    if limits:
        axes.set_xlim(*limits)
        return
    entries = [(row, entry) for row, entry in drawn if words.defined(entry.get("value"))]
    bounds = [(row, entry["lower"], entry["upper"]) for row, entry in entries if words.defined(entry.get("lower"))]
    kept = [entry["value"] for _, entry in entries] + ([] if reference is None else [reference])
    with_interval = [entry for _, entry in entries if words.defined(entry.get("lower"))]
    sizes = [entry.get("n_subjects") or entry.get("n") or 0 for entry in with_interval]
    enough = min(min_subjects, max(sizes, default=0))  # where all are small, the largest
    for size, entry in zip(sizes, with_interval, strict=True):
        kept += [entry["lower"], entry["upper"]] if size >= enough else []
    if not bounds or max(kept) == min(kept):
        return
    low, high = min(kept), max(kept)
    if max(upper for *_, upper in bounds) - min(lower for _, lower, _ in bounds) <= _SPAN * (high - low):
        return
    pad = 0.08 * (high - low)
    low, high = low - pad, high + pad
    axes.set_xlim(low, high)
    for row, lower, upper in bounds:
        for edge, arrow, beyond in ((low, "<", lower < low), (high, ">", upper > high)):
            if beyond:
                axes.plot(edge, row, arrow, color=style.INK, markersize=4, clip_on=False, zorder=4)
    style.note(figure, "Arrows: the interval reaches beyond the axis.")


@style.styled
def across_datasets(
    table: Mapping[str, Mapping[str, Any]],
    metric: str,
    *,
    reference: float | None = None,
    reference_name: str = "reference",
    limits: tuple[float, float] | None = None,
    unit: str = "",
    confidence: float = 0.95,
    title: str = "",
) -> Figure:
    """One metric of several models on several data sets: a row per data set, a mark per model.

    Args:
        table: model to data set to entry of ``metrics.json``; without data sets on which a model was not evaluated.
        metric: name of the metric.
        reference: value of a line.
        reference_name: label of the line.
        limits: of the axis.
        unit: of the metric, "" for none.
        confidence: level of the intervals, for the notes.
        title: heading.
    """
    datasets = list(dict.fromkeys(name for row in table.values() for name in row))
    models = list(table)
    figure, axes = style.single(style.DOUBLE * 0.8, 0.9 + _ROW * len(datasets) * (len(models) + 0.7))
    axes.set_title(title)
    axes.set_xlabel(with_unit(words.label(metric), unit))
    axes.set_ylim(len(datasets) - 0.5, -0.5)
    axes.set_yticks(range(len(datasets)), datasets)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    drawn = []
    for row in range(1, len(datasets)):
        axes.axhline(row - 0.5, color=style.PALE, linewidth=0.5)
    for index, model in enumerate(models):
        colour, _, marker = style.SERIES[index % len(style.SERIES)]
        axes.plot([], [], marker, color=colour, label=model, markersize=4)
        for row, dataset in enumerate(datasets):
            if dataset not in table[model]:
                continue
            entry = words.entry(table[model][dataset])
            place = row + 0.7 * ((index + 0.5) / len(models) - 0.5)
            _mark(axes, entry, place, colour, marker, hollow=False)
            drawn.append((place, entry))
            text = words.interval(entry) + (f", n = {entry['n']}" if entry.get("n") else "")
            _beside(axes, place, text if len(text) < 60 else text[:59] + "…", 6)
    if reference is not None:
        axes.axvline(reference, color=style.VERMILION, linestyle=(0, (4, 2)), linewidth=0.9, zorder=0)
        style.note(figure, f"Dashed: {reference_name} {words.number(reference)}.")
    _limit(figure, axes, drawn, limits, reference)
    if len(models) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2)
    style.note(figure, f"Bars: {words.per_cent(confidence)} intervals.")
    return figure
