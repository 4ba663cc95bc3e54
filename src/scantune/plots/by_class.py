"""One-versus-rest curves of several classes, with a panel and a band per class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune.plots import lettering, style, words
from scantune.plots.discrimination import NO_BAND, Band, Scored, precision_points, roc_points, unit_square, usable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = tuple[np.ndarray, np.ndarray]


@style.styled
def roc_by_class(
    curves: Sequence[Scored], *, bands: Mapping[str, Band] | None = None, confidence: float = 0.95, title: str = ""
) -> Figure:
    """One-versus-rest ROC curve of each class, with those of the other classes pale.

    Args:
        curves: one per class.
        bands: class to band over 1 − specificity.
        confidence: level of the bands, for the notes.
        title: heading.
    """
    return _panels(curves, bands, title, roc_points, ("1 − specificity", "Sensitivity"), "AUROC", confidence)


@style.styled
def precision_recall_by_class(
    curves: Sequence[Scored], *, bands: Mapping[str, Band] | None = None, confidence: float = 0.95, title: str = ""
) -> Figure:
    """Precision against recall of each class, in steps, with the prevalence dotted. See :func:`roc_by_class`."""
    axes = ("Recall (sensitivity)", "Precision (PPV)")
    return _panels(curves, bands, title, precision_points, axes, "AUPRC", confidence)


def _panels(
    curves: Sequence[Scored],
    bands: Mapping[str, Band] | None,
    title: str,
    points: Callable[[np.ndarray, np.ndarray], Points],
    names: tuple[str, str],
    area_name: str,
    confidence: float,
) -> Figure:
    total, curves = len(curves), frequent(curves)
    across = 3 if len(curves) <= 6 else 4 if len(curves) <= 8 else 5
    rows = -(-len(curves) // across)
    figure = style.canvas(style.DOUBLE, (style.DOUBLE / across + 0.3) * rows + 0.2 + (0.2 if title else 0))
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=8, fontweight="bold")
    panels = figure.subplots(rows, across, squeeze=False, sharex=True, sharey=True)
    steps = "steps-pre" if area_name == "AUPRC" else "default"
    data = [usable(figure, curve) for curve in curves]
    curve_data = [None if isinstance(points_or_reason, str) else points(*points_or_reason) for points_or_reason in data]
    names_of_panels = lettering.shortened([curve.name for curve in curves], style.DOUBLE / across - 0.3, 7)
    for index, curve in enumerate(curves):
        axes, points_or_reason, line = panels.flat[index], data[index], curve_data[index]
        axes.set_title(names_of_panels[index], fontsize=7, pad=_ABOVE)
        if isinstance(points_or_reason, str) or line is None:
            style.undefined(axes, str(points_or_reason))
            continue
        unit_square(axes, names[0] if index + across >= len(curves) else "", names[1] if index % across == 0 else "")
        for other, behind in enumerate(curve_data):
            if behind is not None and other != index:
                axes.plot(*behind, color=style.PALE, linewidth=0.7, drawstyle=steps, zorder=1)
        if curve.name in (bands or {}):
            axes.fill_between(*(bands or {})[curve.name], color=style.BLUE, alpha=0.2, linewidth=0, zorder=2)
        axes.plot(*line, color=style.BLUE, drawstyle=steps, zorder=3)
        share = float(points_or_reason[0].mean())
        chance = ([0, 1], [0, 1]) if area_name == "AUROC" else ([0, 1], [share, share])
        axes.plot(*chance, color=style.GREY, linestyle=(0, (1, 2)), linewidth=0.8, zorder=2)
        axes.set_xticks([0, 0.5, 1])
        area = [] if curve.metric is None else [f"{area_name} {words.interval(curve.metric)}"]
        _above(axes, [*area, f"{int(points_or_reason[0].sum())} of {len(points_or_reason[0])}"])
    for axes in panels.flat[len(curves) :]:
        axes.set_visible(False)
    for axes in panels.flat[max(0, len(curves) - across) : len(curves)]:
        axes.xaxis.set_tick_params(labelbottom=True)
    dotted = "chance" if area_name == "AUROC" else "prevalence"
    band = f"Bands: pointwise {words.per_cent(confidence)}. " if bands else ""
    if bands is not None and len(bands) < len(curves):
        style.note(figure, NO_BAND)
    style.note(figure, f"{band}Pale: the other classes. Dotted: {dotted}.")
    if len(curves) < total:
        style.note(figure, f"The {len(curves)} most frequent of {total} classes; metrics.json has the areas of all.")
    return figure


MOST = 40
"""Panels of one figure."""


def frequent(curves: Sequence[Scored]) -> list[Scored]:
    """As many curves as there is room for: those of the most frequent classes, in their order."""
    counts = [int(np.count_nonzero(np.asarray(curve.target) == 1)) for curve in curves]
    chosen = sorted(range(len(curves)), key=lambda k: -counts[k])[:MOST]
    return [curves[k] for k in sorted(chosen)]


_ABOVE = 18.0
"""Points between a panel and its title, for two lines of :func:`_above`."""


def _above(axes: Axes, lines: Sequence[str]) -> None:
    """Two lines of small text between a panel and its title: inside they would hide the curve."""
    text = "\n".join(lettering.fitting(line, style.DOUBLE / 5 - 0.1, 5, lines=1) for line in lines)
    axes.annotate(text, (0, 1), xytext=(0, 2), xycoords="axes fraction", textcoords="offset points", va="bottom",
                  fontsize=5.5, linespacing=1.2, in_layout=False)  # fmt: skip
