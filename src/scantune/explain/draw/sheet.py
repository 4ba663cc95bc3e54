"""Sheet of maps of the best, the worst and randomly drawn samples."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune.explain.draw import planes
from scantune.explain.draw.figures import bar, described, panel, warn
from scantune.explain.draw.view import SampleView, coloured, mapped
from scantune.explain.saliency import Saliency
from scantune.plots import style
from scantune.preprocess.display_copy import grey

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def pick(errors: Sequence[float], n: int = 4, seed: int = 0) -> dict[str, list[int]]:
    """Rows of the ``n`` samples with the smallest, the ``n`` with the largest error, and ``n`` random ones.

    Args:
        errors: one per sample, larger is worse; samples with NaN are in the random draw only.
        n: rows per group; best and worst are disjoint.
        seed: of the draw.

    Returns:
        Group to rows: best first, worst first, random in the order of the table.
    """
    values = np.asarray(errors, np.float64)
    order = [int(i) for i in np.argsort(values, kind="stable") if np.isfinite(values[i])]
    worst = order[::-1][: min(n, len(order) // 2)]
    best = [i for i in order if i not in worst][:n]
    rng = np.random.default_rng(seed)
    random = sorted(int(i) for i in rng.permutation(len(values))[:n])
    return {"best": best, "worst": worst, "random": random}


@style.styled
def sheet(
    groups: Mapping[str, Sequence[tuple[SampleView, Saliency]]], *, seed: int | None = None, notes: Sequence[str] = ()
) -> Figure:
    """One row per group and one column per sample: the plane or frame of the maximum, with the map.

    Args:
        groups: title of the row ("best", "worst", "random") to samples with their maps.
        seed: of the random draw, for the notes.
        notes: additional notes.
    """
    rows = {title: list(samples) for title, samples in groups.items() if samples}
    columns = max((len(samples) for samples in rows.values()), default=1)
    tile = style.DOUBLE * 0.84 / columns  # the remaining width is for colour bar and gaps
    heads = [max((len(_head(view, tile)) for view, _ in samples), default=0) for samples in rows.values()]
    tall = [tile * max((_height_ratio(view) for view, _ in samples), default=1.0) for samples in rows.values()]
    figure = style.canvas(style.DOUBLE, sum(tall) + _LINE * sum(heads) + 0.2 * len(rows) + 0.7)
    heights = [high + _LINE * lines for high, lines in zip(tall, heads)]
    axes = figure.subplots(max(1, len(rows)), columns, squeeze=False, height_ratios=heights or None)
    for row, (title, samples) in enumerate(rows.items()):
        for column in range(columns):
            if column >= len(samples):
                axes[row, column].set_axis_off()
                continue
            view, saliency = samples[column]
            _tile(axes[row, column], view, saliency, tile)
        axes[row, 0].set_ylabel(title, fontsize=8, fontweight="bold")
    all_samples = [member for samples in rows.values() for member in samples]
    if any(saliency.map is not None for _, saliency in all_samples):
        bar(figure, list(axes.ravel()))
    _add_notes(figure, all_samples, seed, notes)
    return figure


_SIZE = 5.5
"""Points of the text over a picture."""
_LINE = _SIZE * 1.25 / 72
"""Inches of one line of it."""


def _head(view: SampleView, width: float, lines: int = 4) -> list[str]:
    """Lines above a picture ``width`` inches wide: each part on at most ``lines`` lines, truncated."""
    letters = max(8, int(width * 72 / (_SIZE * 0.58)))
    parts = [view.sample_id, *(part for part in view.caption().split(" · ") if part)]
    return [line for part in parts for line in textwrap.wrap(part, letters, max_lines=lines, placeholder=" …")]


def _height_ratio(view: SampleView) -> float:
    """Height of the picture divided by its width, limited to 0.4 … 2."""
    rows, columns = view.image.shape[:2] if view.modality == "image" else view.image.shape[1:3]
    aspect = 1.0 if view.spacing is None else view.spacing[-2] / view.spacing[-1]
    return float(np.clip(rows * aspect / columns, 0.4, 2.0))


def _tile(axes: Axes, view: SampleView, saliency: Saliency, width: float) -> None:
    picture, values, sides, aspect = flat(view, saliency)
    panel(axes, picture * 0.4 if values is None else coloured(picture, values), sides, aspect)
    if values is None:
        style.undefined(axes, saliency.reason or "no reason given", max(8, int(width * 72 / (5 * 0.62))))
        for text in axes.texts:
            text.set_color("white")
            text.set_fontsize(5)
    elif _empty_at_peak(view, saliency):
        axes.text(0.5, 0.02, _OUTSIDE, transform=axes.transAxes, ha="center", va="bottom", color="white", fontsize=4.5)
    axes.set_title("\n".join(_head(view, width)), fontsize=_SIZE, fontweight="normal")


_OUTSIDE = "maximum outside:\nits plane is empty"


def _empty_at_peak(view: SampleView, saliency: Saliency) -> bool:
    """Whether the maximum of the map of a volume is in an empty plane."""
    values = mapped(view, saliency) if view.modality == "volume" else None
    return values is not None and _plane(grey(view.image, view.window), values) != int(_peaks(values).argmax())


def _peaks(values: np.ndarray) -> np.ndarray:
    return values.max(axis=(1, 2))


def _plane(base: np.ndarray, values: np.ndarray, bright: float = 0.1, share: float = 0.1) -> int:
    """The plane of the maximum or, where it is empty, the nearest plane that is not.

    Args:
        base: volume [D, H, W] in 0 … 1.
        values: map [D, H, W].
        bright: smallest value of a non-empty element.
        share: smallest number of such elements, relative to the plane with the most.
    """
    filled = (base > bright).sum(axis=(1, 2))
    at = int(_peaks(values).argmax())
    enough = np.flatnonzero(filled >= share * filled.max())
    return int(enough[np.abs(enough - at).argmin()])


def flat(view: SampleView, saliency: Saliency) -> tuple[np.ndarray, np.ndarray | None, tuple[str, str] | None, float]:
    """The picture of a sample: the image, or the axial plane or frame of the maximum of the map.

    Returns:
        Picture [H, W] or [H, W, 3] in 0 … 1, map [H, W] or None, letters of the sides, aspect.
    """
    base = grey(view.image, view.window)
    values = mapped(view, saliency)
    flat_aspect = 1.0 if view.spacing is None else view.spacing[-2] / view.spacing[-1]
    if view.modality == "image":
        return base, values, view.sides, flat_aspect
    at = len(base) // 2 if values is None else int(_peaks(values).argmax())
    if view.modality == "video":
        return base[at], None if values is None else values[at], view.sides, flat_aspect
    cut, at = planes.AXIAL, at if values is None else _plane(base, values)
    letters = (cut.left, cut.right)
    return cut.cut(base, at), None if values is None else cut.cut(values, at), letters, cut.aspect(view.spacing)


def _add_notes(
    figure: Figure, all_samples: list[tuple[SampleView, Saliency]], seed: int | None, notes: Sequence[str]
) -> None:
    warnings = tuple(dict.fromkeys(sentence for view, _ in all_samples for sentence in view.warnings))
    warn(figure, warnings)
    for words in dict.fromkeys(described(saliency) for _, saliency in all_samples):
        style.note(figure, words)
    if seed is not None:
        style.note(figure, f"Random draw with seed {seed}.")
    if any(view.modality == "volume" for view, _ in all_samples):
        style.note(figure, f"Axial plane of the maximum, or the nearest that is not empty. {planes.CONVENTION}")
    if any(view.modality == "video" for view, _ in all_samples):
        style.note(figure, "Frame of the maximum.")
    if any(view.modality != "volume" and view.sides is None for view, _ in all_samples):
        style.note(figure, "Without letters: displayed as stored, because the file does not state the side.")
    for words in notes:
        style.note(figure, words)
