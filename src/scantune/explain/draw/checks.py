"""Figures of the sanity checks: similarity under weight randomisation, and an overview of all verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scantune.amounts import number_of
from scantune.explain.sanity.verdicts import ALIKE
from scantune.plots import style, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {
    "weight_randomization": "rank correlation with the map of random weights",
    "weight_randomization_ssim": "SSIM with the map of random weights",
    "label_randomization": "rank correlation with the map of shuffled labels",
    "repeatability": "rank correlation between networks",
    "shift_reproducibility": "rank correlation after a small shift",
    "mask_auprc": "area under precision–recall against the mask",
    "mask_pointing": "pointing game: maximum in the mask",
    "mask_auprc_segmentation": "area under precision–recall: map − segmentation network",
    "mask_pointing_segmentation": "pointing game: map − segmentation network",
}


@style.styled
def cascade(entry: Mapping[str, Any], confidence: float = 0.95) -> Figure:
    """Mean similarity to the map of the trained network by stage of randomisation, from the output.

    Args:
        entry: ``weight_randomization`` of :func:`scantune.explain.sanity.check`.
        confidence: level of its intervals.
    """
    figure, axes = style.single(style.SINGLE * 1.15)
    steps = entry["steps"]
    at = list(range(1, len(steps) + 1))
    known = [(x, s) for x, s in zip(at, steps) if s["value"] is not None]
    colour, line, marker = style.SERIES[0]
    axes.plot(
        [0, *(x for x, _ in known)],
        [1.0, *(s["value"] for _, s in known)],
        color=colour,
        linestyle=line,
        marker=marker,
        label="rank correlation",
    )
    bounded = [(x, s) for x, s in known if s["lower"] is not None]
    if bounded:
        axes.fill_between(
            [x for x, _ in bounded],
            [s["lower"] for _, s in bounded],
            [s["upper"] for _, s in bounded],
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
    colour, line, marker = style.SERIES[1]
    structure = [(x, s["ssim"]) for x, s in zip(at, steps) if s["ssim"] is not None]
    axes.plot(
        [0, *(x for x, _ in structure)],
        [1.0, *(v for _, v in structure)],
        color=colour,
        linestyle=line,
        marker=marker,
        label="SSIM",
    )
    axes.axhline(ALIKE, color=style.GREY, linewidth=0.6, linestyle=(0, (2, 2)))
    axes.axhline(0, color=style.INK, linewidth=0.4)
    axes.set_xticks([0, *at], ["trained", *(s["down_to"] for s in steps)], rotation=30, ha="right")
    axes.set_ylim(min(-0.3, *(s["lower"] if s["lower"] is not None else 0 for s in steps)) - 0.05, 1.05)
    axes.set_xlabel("weights randomised from the output down to")
    axes.set_ylabel("similarity to the trained map")
    axes.set_title(f"Weight randomisation: {verdict_word(entry)}")
    axes.legend(loc="upper right")
    style.note(
        figure,
        f"{number_of(entry['n'], 'sample')} of {number_of(entry['n_subjects'], 'subject')}; band: "
        f"{words.per_cent(confidence)} interval. "
        f"The check {entry['rule']} (thin dashes).",
    )
    return figure


@style.styled
def overview(entries: Mapping[str, Mapping[str, Any]], confidence: float = 0.95) -> Figure:
    """Every check with value, interval at the level ``confidence``, expectation by chance and verdict."""
    rows = [(name, _plotted(entry)) for name, entry in entries.items() if name in NAMES]
    figure = style.canvas(style.DOUBLE, 0.34 * max(1, len(rows)) + 0.9)
    axes = figure.add_subplot()
    for y, (_, entry) in enumerate(rows):
        colour = {True: style.BLUE, False: style.VERMILION, None: style.GREY}[entry["passed"]]
        if entry["value"] is None:
            axes.text(0, y, f"undefined: {entry['reason']}", va="center", style="italic", fontsize=6)
            continue
        if entry["lower"] is not None:
            axes.plot([entry["lower"], entry["upper"]], [y, y], color=colour, linewidth=1.2)
        axes.plot(entry["value"], y, marker="s" if entry["passed"] is False else "o", color=colour)
        if entry.get("chance") is not None:
            axes.plot(entry["chance"], y, marker="|", markersize=9, color=style.INK)
        if entry.get("shuffled") is not None:
            axes.plot(entry["shuffled"], y, marker="x", markersize=4, color=style.GREY, zorder=0)
    for y, (_, entry) in enumerate(rows):
        text = f"{words.interval(entry, 2)}   {verdict_word(entry)}"
        axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=6)
    axes.set_yticks(range(len(rows)), [_named(name, entries[name]) for name, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(
        min([-0.05, *(e[key] for _, e in rows for key in ("lower", "value") if e[key] is not None)]) - 0.02, 1.02
    )
    axes.axvline(0, color=style.INK, linewidth=0.4)
    axes.set_title("Checks of the saliency maps")
    style.note(
        figure,
        f"Bars: {words.per_cent(confidence)} intervals by subject; vertical line: chance; cross: maps of other "
        "samples; square: failed. The rules are in metrics.json.",
    )
    return figure


def _plotted(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluated metric; for a segmentation network the difference of the map from it."""
    if "map" not in entry:
        return dict(entry)
    return {"value": None, "passed": entry["passed"], "rule": entry["rule"], **entry["difference"]}


def _named(name: str, entry: Mapping[str, Any]) -> str:
    known = "map" in entry and entry["value"] is not None
    return f"{NAMES[name]} ({words.number(entry['value'], 2)})" if known else NAMES[name]


def verdict_word(entry: Mapping[str, Any]) -> str:
    """Verdict as text: passed, FAILED, or why there is none."""
    if entry["passed"] is None:
        return "no verdict" if str(entry["rule"]).startswith("passes") else "for comparison"
    return "passed" if entry["passed"] else "FAILED"
