"""The figures of survival: Kaplan–Meier by risk group, calibration and AUROC at the horizons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scantune.amounts import number_of
from scantune.plots import style, words
from scantune.tasks.figures import Drawn, FigureInput
from scantune.tasks.survival.analyses import bins_of

CAPTIONS = {
    "kaplan_meier": (
        "Kaplan–Meier by predicted risk",
        "Share without the event, with bands by subject; ticks are censored samples. Below: samples at risk.",
    ),
    "calibration_at_horizons": (
        "Calibration at the horizons",
        "Observed (Kaplan–Meier) against mean predicted probability of the event, in fifths of the prediction.",
    ),
    "auroc_at_horizons": (
        "AUROC at the horizons",
        "Those with the event by each horizon against those followed beyond it, with intervals.",
    ),
}
"""Name of a figure to its title and caption, in the order of the report."""

PANELS = 5
"""Panels side by side."""


def draw(inputs: FigureInput) -> Drawn:
    """Name to figure; of single samples beside joined ones the AUROC alone, since the others are of joined rows."""
    drawn: Drawn = {}
    groups = inputs.metrics.get("risk_groups")
    if groups:
        drawn["kaplan_meier"] = kaplan_meier(groups, inputs.confidence)
    if inputs.metrics.get("horizons"):
        drawn["calibration_at_horizons"] = calibration(inputs)
    drawn["auroc_at_horizons"] = auroc(inputs)
    return drawn


@style.styled
def kaplan_meier(section: Mapping[str, Any], confidence: float = 0.95) -> Any:
    """Curves of the risk groups, and how many samples of each are at risk at 0 and at the horizons.

    Args:
        section: ``risk_groups`` of ``metrics.json``.
        confidence: level of the bands, for the notes.
    """
    groups, ticks = section["groups"], list(section["at_risk_times"])
    figure = style.canvas(style.SINGLE, style.SINGLE * 1.05)
    top, table = figure.subplots(2, 1, sharex=True, height_ratios=(5, 0.45 * len(groups) + 0.6))
    last = max([ticks[-1], *(t for group in groups.values() for t in group["curve"]["time"])])
    for (name, group), (colour, dash, _) in zip(groups.items(), style.SERIES):
        curve = {key: np.array(values, float) for key, values in group["curve"].items()}
        if not len(curve["time"]):
            continue
        label = f"{name} predicted risk: {group['events']} events of {group['n']}"
        top.step(curve["time"], curve["value"], where="post", color=colour, linestyle=dash, label=label)
        top.fill_between(
            curve["time"], curve["lower"], curve["upper"], step="post", color=colour, alpha=0.15, linewidth=0
        )
        at = curve["value"][np.searchsorted(curve["time"], curve["censored"], "right") - 1]
        top.plot(curve["censored"], at, "|", color=colour, markersize=4, markeredgewidth=0.6)
    top.set_ylim(-0.02, 1.02)
    top.set_xlim(-0.02 * last, 1.02 * last)
    top.set_ylabel("Share without the event")
    top.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2)  # above: a curve may run anywhere
    _numbers_at_risk(table, groups, ticks)
    table.set_xlabel(f"Time ({section['unit']})")
    test = section["log_rank"]
    p = test.get("p_value")
    cut = f"Groups are cut on {section['cut_on']}."
    log_rank = f" Log-rank test p {'below 0.001' if p < 0.001 else words.fixed(p, 3)}." if words.defined(p) else ""
    if test.get("reason"):
        log_rank = f" No log-rank test: {test['reason']}."
    bands = f"Bands: {words.per_cent(confidence)}, by subject; without a band there is no interval."
    style.note(figure, f"{cut}{log_rank} {bands}")
    return figure


def _numbers_at_risk(axes: Any, groups: Mapping[str, Any], ticks: list[float]) -> None:
    """Counts below the curves, a row a group."""
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.tick_params(axis="y", length=0)
    axes.set_title("At risk", fontsize=6.5, fontweight="normal")
    for spine in ("left", "top", "right"):
        axes.spines[spine].set_visible(False)
    for row, (group, (colour, _, _)) in enumerate(zip(groups.values(), style.SERIES)):
        for tick, count in zip(ticks, group["at_risk"], strict=True):
            axes.text(tick, row, str(count), ha="center", va="center", fontsize=6, color=colour)


@style.styled
def calibration(inputs: FigureInput) -> Any:
    """Observed against predicted probability, a panel a horizon."""
    settings, section = inputs.data.settings, inputs.metrics["horizons"]
    horizons = [h for h in settings.horizons if bins_of(section, h)]
    columns = min(len(horizons), PANELS)
    rows = -(-len(horizons) // columns)
    figure = style.canvas(style.DOUBLE * columns / PANELS, 1.6 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels.ravel()[len(horizons) :]:
        axes.set_axis_off()
    lost = sum(_calibrated(axes, bins_of(section, h)) for axes, h in zip(panels.ravel(), horizons))
    for axes, h in zip(panels.ravel(), horizons):
        axes.set_title(f"{h:g} {settings.unit}")
    figure.supylabel("Observed (Kaplan–Meier)", fontsize=7)
    for axes in panels[-1]:
        axes.set_xlabel("Predicted")
    bars = f"bars are {words.per_cent(inputs.confidence)} intervals by subject, where there are five or more"
    style.note(figure, f"Fifths of equal size; {bars}.")
    if lost:
        style.note(figure, f"Not drawn: {number_of(lost, 'group')} without follow-up to the horizon.")
    return figure


def _calibrated(axes: Any, bins: Sequence[Mapping[str, Any]]) -> int:
    """Draw the groups of a horizon; how many have no observed share."""
    known = [b for b in bins if b["observed"]["value"] is not None]
    axes.plot([0, 1], [0, 1], color=style.GREY, linestyle=(0, (1, 2)), linewidth=0.8)
    axes.plot([b["predicted"] for b in known], [b["observed"]["value"] for b in known], color=style.BLUE, marker="o")
    for b in known:
        if b["observed"]["lower"] is not None:
            axes.vlines(b["predicted"], b["observed"]["lower"], b["observed"]["upper"], color=style.BLUE, linewidth=0.7)
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(-0.04, 1.04)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.grid(True)
    return len(bins) - len(known)


@style.styled
def auroc(inputs: FigureInput) -> Any:
    """The AUROC at each horizon with its interval."""
    settings = inputs.data.settings
    entries = [inputs.figures[f"auroc/{h:g}"] for h in settings.horizons]
    known = [(h, e) for h, e in zip(settings.horizons, entries, strict=True) if e["value"] is not None]
    figure, axes = style.single()
    if not known:
        style.undefined(axes, "no horizon has events before it and samples followed beyond it")
        return figure
    axes.axhline(0.5, color=style.GREY, linestyle=(0, (1, 2)), linewidth=0.8)
    axes.plot([h for h, _ in known], [e["value"] for _, e in known], color=style.BLUE, marker="o")
    for h, e in known:
        if e["lower"] is not None:
            axes.vlines(h, e["lower"], e["upper"], color=style.BLUE, linewidth=0.8)
    axes.set_xticks(list(settings.horizons), [f"{h:g}" for h in settings.horizons])
    axes.set_ylim(min(0.4, *(e["value"] if e["lower"] is None else e["lower"] for _, e in known)) - 0.02, 1.02)
    axes.set_xlabel(f"Horizon ({settings.unit})")
    axes.set_ylabel("AUROC")
    style.note(figure, f"Bars: {words.per_cent(inputs.confidence)} intervals.")
    missing = len(entries) - len(known)
    if missing:
        style.note(figure, f"{missing} horizons have no AUROC: too few events before, or no one followed beyond.")
    return figure
