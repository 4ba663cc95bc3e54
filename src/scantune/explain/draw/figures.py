"""Figures of a saliency map: an image, three planes of a volume, frames of a video."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.explain.draw import planes
from scantune.explain.draw.view import COLOURS, SampleView, coloured, mapped
from scantune.explain.saliency import Saliency
from scantune.plots import style
from scantune.preprocess.display_copy import grey

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


AS_STORED = "Displayed as stored: the file does not state the side."


@style.styled
def image(view: SampleView, saliency: Saliency) -> Figure:
    """The image, and the image with its map."""
    width = style.DOUBLE * 0.75
    figure = style.canvas(width, (width - 0.7) / 2 * _proportion(view) + 0.55 + 0.13 * len(view.warnings))
    left, right = figure.subplots(1, 2)
    base = grey(view.image, view.window)
    panel(left, base, view.sides, _aspect(view.spacing))
    values = mapped(view, saliency)
    if values is None:
        panel(right, base * 0.4, None, _aspect(view.spacing))
        _undefined(right, saliency)
    else:
        panel(right, coloured(base, values), view.sides, _aspect(view.spacing))
        bar(figure, [left, right])
    return _finished(figure, view, saliency, None if view.sides else AS_STORED)


@style.styled
def volume(view: SampleView, saliency: Saliency) -> Figure:
    """Axial, coronal and sagittal planes through the maximum of the map: original above, with the map below."""
    cuts = (planes.AXIAL, planes.CORONAL, planes.SAGITTAL)
    shape = view.image.shape
    size = np.array(shape) * np.array(view.spacing or (1, 1, 1))
    widths = [size[2], size[2], size[1]]
    heights = [size[1], size[0], size[0]]
    height = style.DOUBLE * 0.86 / sum(widths) * max(heights)
    figure = style.canvas(style.DOUBLE, 2 * height + 1.0)
    axes = figure.subplots(2, 3, width_ratios=widths)
    base = grey(view.image, view.window)
    values = mapped(view, saliency)
    d, h, w = planes.maximum(values) if values is not None else (shape[0] // 2, shape[1] // 2, shape[2] // 2)
    for column, cut in enumerate(cuts):
        at, aspect = (d, h, w)[cut.axis], cut.aspect(view.spacing)
        plain = cut.cut(base, at)
        panel(axes[0, column], plain, (cut.left, cut.right), aspect)
        axes[0, column].set_title(cut.name)
        if values is None:
            panel(axes[1, column], plain * 0.4, None, aspect)
            if column == 1:
                _undefined(axes[1, column], saliency)
            continue
        panel(axes[1, column], coloured(plain, cut.cut(values, at)), (cut.left, cut.right), aspect)
        row, across = cut.place((d, h, w), shape)
        for axis in axes[:, column]:
            _cross(axis, row, across)
    if values is not None:
        bar(figure, list(axes[1]))
    where = _where((d, h, w), view) if values is not None else "Middle planes."
    return _finished(figure, view, saliency, f"{where} {planes.CONVENTION}")


@style.styled
def video(view: SampleView, saliency: Saliency, frames: int = 6) -> Figure:
    """Frames of the video, including that of the maximum of the map: original above, with the map below."""
    count = len(view.image)
    values = mapped(view, saliency)
    peak = None if values is None else int(values.max(axis=(1, 2)).argmax())
    selected = select_frames(count, frames, peak)
    proportion = view.image.shape[1] / view.image.shape[2]
    figure = style.canvas(style.DOUBLE, style.DOUBLE * 0.86 / len(selected) * 2 * proportion + 0.95)
    axes = figure.subplots(2, len(selected), squeeze=False)
    base = grey(view.image, view.window)
    for column, t in enumerate(selected):
        panel(axes[0, column], base[t], view.sides if column == 0 else None, _aspect(view.spacing))
        time = f" · {t * view.frame_time:.0f} ms" if view.frame_time else ""
        axes[0, column].set_title(f"{t + 1}/{count}{time}", fontsize=6.5, fontweight="bold" if t == peak else "normal")
        if values is None:
            panel(axes[1, column], base[t] * 0.4, None, _aspect(view.spacing))
        else:
            panel(axes[1, column], coloured(base[t], values[t]), None, _aspect(view.spacing))
    if values is None:
        _undefined(axes[1, len(selected) // 2], saliency)
    else:
        bar(figure, list(axes[1]))
    peak_words = "" if peak is None else f"Maximum in frame {peak + 1} (bold). "
    sides = "" if view.sides else AS_STORED
    return _finished(figure, view, saliency, peak_words + sides)


BY_MODALITY = {"image": image, "volume": volume, "video": video}


def draw(view: SampleView, saliency: Saliency) -> Figure:
    """The figure for the modality of the sample; for an undefined map it has the reason instead."""
    return BY_MODALITY[view.modality](view, saliency)


def select_frames(count: int, frames: int, peak: int | None) -> list[int]:
    """Evenly spaced frames of ``count``, with the one nearest to ``peak`` replaced by it."""
    selected = sorted({round(i) for i in np.linspace(0, count - 1, min(frames, count))})
    if peak is not None and peak not in selected:
        selected[int(np.argmin([abs(t - peak) for t in selected]))] = peak
    return sorted(selected)


def panel(axes: Axes, picture: np.ndarray, sides: tuple[str, str] | None, aspect: float = 1.0) -> None:
    """One picture [H, W] or [H, W, 3] in 0 … 1, without axes, with the letters of its sides."""
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    for text, x, align in zip(sides or (), (0.02, 0.98), ("left", "right")):
        label = axes.text(x, 0.5, text, transform=axes.transAxes, ha=align, va="center", color="white", fontsize=7)
        label.set_path_effects(_outline())


def bar(figure: Figure, axes: list[Axes]) -> None:
    """The colour bar of a map."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colours = ScalarMappable(Normalize(0, 1), COLOURS)
    colour_bar = figure.colorbar(colours, ax=axes, shrink=0.8, aspect=25, pad=0.015, ticks=[0, 0.5, 1])
    colour_bar.set_label("saliency, share of its maximum", fontsize=6)
    colour_bar.outline.set_linewidth(0.4)  # type: ignore[operator]


def described(saliency: Saliency) -> str:
    """Method, layer and resolution of the layer as text."""
    cells = " × ".join(str(n) for n in saliency.grid)
    return f"{saliency.method} at {saliency.layer}" + (
        f", {cells} cells (finer detail is interpolated)." if cells else "."
    )


def warn(figure: Figure, warnings: tuple[str, ...]) -> None:
    """Add the warnings above the figure."""
    if warnings:
        known = figure.get_suptitle()
        text = "\n".join([*([known] if known else []), *(f"⚠ {sentence}" for sentence in warnings)])
        figure.suptitle(text, fontsize=7, color=style.VERMILION, x=0.01, ha="left", fontweight="bold")


def _finished(figure: Figure, view: SampleView, saliency: Saliency, words: str | None) -> Figure:
    title = f"{view.sample_id}: {view.caption()}" if view.caption() else view.sample_id
    lines = textwrap.wrap(title, int(figure.get_figwidth() * 15))
    figure.suptitle("\n".join(lines), fontsize=7.5, x=0.01, ha="left", fontweight="bold")
    warn(figure, view.warnings)
    known = view.window is not None and view.window != (0.0, 1.0)
    window = f"Window {view.window[0]:g} to {view.window[1]:g}.".replace("-", "−") if known and view.window else ""
    for sentence in (described(saliency), window, words):
        if sentence:
            style.note(figure, sentence)
    return figure


def _undefined(axes: Axes, saliency: Saliency) -> None:
    style.undefined(axes, saliency.reason or "no reason given")
    for text in axes.texts:
        text.set_color("white")


def _where(point: tuple[int, int, int], view: SampleView) -> str:
    if view.affine is None:
        return "Planes through the maximum (cross)."
    x, y, z = millimetre_words(planes.millimetres(point, view.affine))
    return f"Planes through the maximum (cross) at x {x}, y {y}, z {z} mm (RAS)."


def millimetre_words(at: tuple[float, float, float]) -> list[str]:
    """Coordinates as text with a true minus sign."""
    return [f"{v:.0f}".replace("-", "−") for v in at]


def _cross(axes: Axes, row: int, column: int) -> None:
    axes.axhline(row, color="white", linewidth=0.4, alpha=0.6)
    axes.axvline(column, color="white", linewidth=0.4, alpha=0.6)


def _aspect(spacing: tuple[float, ...] | None) -> float:
    return 1.0 if spacing is None else spacing[-2] / spacing[-1]


def _proportion(view: SampleView) -> float:
    return min(2.0, view.image.shape[0] * _aspect(view.spacing) / view.image.shape[1])


def _outline() -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=1.5, foreground="black")]
