"""Lines of text as a picture, for frames of loops: in the fonts and directions of the figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from scantune.plots import lettering, style
from scantune.plots.direction import isolated

LINE = 16
"""Pixels from line to line."""
_SIZE = 10
_EDGE = 4


def caption(texts: Sequence[tuple[str, str]], width: int) -> np.ndarray:
    """Texts below each other, each broken into lines of at most ``width`` pixels.

    Args:
        texts: text and colour of each.
        width: of the picture in pixels.

    Returns:
        uint8 [16 · lines, width, 3], black or coloured on white.
    """
    with style.project_style():
        measure = _ruler(families := lettering.families_for("".join(text for text, _ in texts)))
        lines = [(line, colour) for text, colour in texts for line in _wrapped(text, width - 2 * _EDGE, measure)]
        figure = Figure(figsize=(width / 72, LINE * len(lines) / 72), dpi=72, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        for number, (line, colour) in enumerate(lines):
            figure.text(
                _EDGE / width,
                1 - (number + 0.75) / len(lines),
                isolated(line),
                color=colour,
                size=_SIZE,
                family=families,
                va="baseline",
                parse_math=False,
            )
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _ruler(families: Sequence[str]) -> Callable[[str], float]:
    """How many pixels a text takes."""
    renderer = FigureCanvasAgg(Figure(dpi=72)).get_renderer()
    font = FontProperties(family=list(families), size=_SIZE)  # type: ignore[arg-type]
    return lambda text: float(renderer.get_text_width_height_descent(isolated(text), font, False)[0])


def _wrapped(text: str, width: int, measure: Callable[[str], float]) -> list[str]:
    """Lines of at most ``width`` pixels, broken between words and, where a word is wider, within it."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if measure(joined) <= width:
            lines[-1] = joined
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if lines[-1] and measure(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines
