"""Curve of the learning-rate finder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune.plots import style, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def rate_sweep(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    *,
    suggestion: float | None = None,
    current: float | None = None,
    title: str = "",
) -> Figure:
    """Training loss by learning rate, as measured and smoothed.

    Args:
        rates: learning rate of each step, rising.
        losses: training loss of each step.
        smoothed: the same, smoothed.
        suggestion: suggested rate; None where the loss does not fall.
        current: rate in the settings.
        title: heading.
    """
    figure = style.canvas(style.SINGLE * 1.2, 2.2)
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_xscale("log")
    axes.set_xlabel("Learning rate")
    axes.set_ylabel("Training loss")
    axes.grid(True, axis="y")
    if not len(rates):
        style.undefined(axes, "no step had a finite loss")
        return figure
    axes.plot(rates, losses, color=style.BLUE, linewidth=0.5, alpha=0.4, label="each step")
    axes.plot(rates, smoothed, color=style.BLUE, label="smoothed")
    top = max(np.max(smoothed[:-1], initial=smoothed[0]), np.quantile(losses, 0.9))
    axes.set_ylim(0, 1.1 * top)  # the last step diverges
    for rate, colour, dash, text in (
        (suggestion, style.VERMILION, "-", "suggestion"),
        (current, style.INK, (0, (1, 1.5)), "in params.yaml"),
    ):
        if rate is not None:
            axes.axvline(rate, color=colour, linestyle=dash, linewidth=0.9, label=f"{text}: {words.number(rate)}")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=5.5)
    if suggestion is None:
        style.note(figure, "No suggestion: the loss does not fall at any of these rates.")
    return figure
