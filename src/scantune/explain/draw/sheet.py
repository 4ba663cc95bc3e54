"""The best, the worst and a random draw side by side: never only the nice ones."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune.explain.draw import planes
from scantune.explain.draw.figures import bar, described, panel, warn
from scantune.explain.draw.shown import Shown, coloured, mapped
from scantune.explain.saliency import Saliency
from scantune.plots import style
from scantune.preprocess.display_copy import grey

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUPS = ("best", "worst", "random")


def pick(errors: Sequence[float], n: int = 4, seed: int = 0) -> dict[str, list[int]]:
    """Rows of the ``n`` best, the ``n`` worst and ``n`` drawn at random from all, by error.

    Args:
        errors: one a sample, larger is worse; NaN takes part in the random draw alone.
        n: rows a group; best and worst share none.
        seed: of the draw.

    Returns:
        Group to rows, best first, worst first, random in order of the table.
    """
    values = np.asarray(errors, np.float64)
    order = [int(i) for i in np.argsort(values, kind="stable") if np.isfinite(values[i])]
    worst = order[::-1][: min(n, len(order) // 2)]
    best = [i for i in order if i not in worst][:n]
    rng = np.random.default_rng(seed)
    drawn = sorted(int(i) for i in rng.permutation(len(values))[:n])
    return {"best": best, "worst": worst, "random": drawn}


@style.styled
def sheet(
    groups: Mapping[str, Sequence[tuple[Shown, Saliency]]], *, seed: int | None = None, notes: Sequence[str] = ()
) -> Figure:
    """One row a group, one column a sample: the map over the plane or frame of its maximum.

    Args:
        groups: title of the row ("best", "worst", "random") to samples with their maps.
        seed: of the random draw, for the small print.
        notes: more small print.
    """
    rows = {title: list(members) for title, members in groups.items() if members}
    columns = max((len(members) for members in rows.values()), default=1)
    tile = style.DOUBLE * 0.84 / columns  # the bar and the gaps take the rest
    heads = [max((len(_head(shown, tile)) for shown, _ in members), default=0) for members in rows.values()]
    tall = [tile * max((_tallness(shown) for shown, _ in members), default=1.0) for members in rows.values()]
    figure = style.canvas(style.DOUBLE, sum(tall) + _LINE * sum(heads) + 0.2 * len(rows) + 0.7)
    heights = [high + _LINE * lines for high, lines in zip(tall, heads)]
    axes = figure.subplots(max(1, len(rows)), columns, squeeze=False, height_ratios=heights or None)
    for row, (title, members) in enumerate(rows.items()):
        for column in range(columns):
            if column >= len(members):
                axes[row, column].set_axis_off()
                continue
            shown, saliency = members[column]
            _tile(axes[row, column], shown, saliency, tile)
        axes[row, 0].set_ylabel(title, fontsize=8, fontweight="bold")
    everyone = [member for members in rows.values() for member in members]
    if any(saliency.map is not None for _, saliency in everyone):
        bar(figure, list(axes.ravel()))
    _small_print(figure, everyone, seed, notes)
    return figure


_SIZE = 5.5
"""Points of the text over a picture."""
_LINE = _SIZE * 1.25 / 72
"""Inches of one line of it."""


def _head(shown: Shown, width: float, lines: int = 4) -> list[str]:
    """What stands over a picture ``width`` inches wide: each part on a line or a few, longer ones cut."""
    letters = max(8, int(width * 72 / (_SIZE * 0.58)))
    parts = [shown.sample_id, *(part for part in shown.caption().split(" · ") if part)]
    return [line for part in parts for line in textwrap.wrap(part, letters, max_lines=lines, placeholder=" …")]


def _tallness(shown: Shown) -> float:
    """Height of the picture by its width, within reason."""
    rows, columns = shown.image.shape[:2] if shown.modality == "image" else shown.image.shape[1:3]
    aspect = 1.0 if shown.spacing is None else shown.spacing[-2] / shown.spacing[-1]
    return float(np.clip(rows * aspect / columns, 0.4, 2.0))


def _tile(axes: Axes, shown: Shown, saliency: Saliency, width: float) -> None:
    picture, values, sides, aspect = flat(shown, saliency)
    panel(axes, picture * 0.4 if values is None else coloured(picture, values), sides, aspect)
    if values is None:
        style.undefined(axes, saliency.reason or "no reason given")
        for text in axes.texts:
            text.set_color("white")
            text.set_fontsize(5)
    elif _empty_at_peak(shown, saliency):
        axes.text(0.5, 0.02, _OUTSIDE, transform=axes.transAxes, ha="center", va="bottom", color="white", fontsize=4.5)
    axes.set_title("\n".join(_head(shown, width)), fontsize=_SIZE, fontweight="normal")


_OUTSIDE = "maximum outside:\nits plane is empty"


def _empty_at_peak(shown: Shown, saliency: Saliency) -> bool:
    """Whether the map of a volume has its maximum in a plane that shows nothing."""
    values = mapped(shown, saliency) if shown.modality == "volume" else None
    return values is not None and _plane(grey(shown.image, shown.window), values) != int(_peaks(values).argmax())


def _peaks(values: np.ndarray) -> np.ndarray:
    return values.max(axis=(1, 2))


def _plane(base: np.ndarray, values: np.ndarray, bright: float = 0.1, share: float = 0.1) -> int:
    """The plane of the maximum or, where that shows next to nothing, the nearest one that shows something.

    Args:
        base: volume [D, H, W] in 0 … 1.
        values: map [D, H, W].
        bright: what counts as something.
        share: of the fullest plane's bright elements that a plane needs.
    """
    filled = (base > bright).sum(axis=(1, 2))
    at = int(_peaks(values).argmax())
    enough = np.flatnonzero(filled >= share * filled.max())
    return int(enough[np.abs(enough - at).argmin()])


def flat(shown: Shown, saliency: Saliency) -> tuple[np.ndarray, np.ndarray | None, tuple[str, str] | None, float]:
    """The one picture that stands for a sample: itself, the axial plane or the frame of the map's maximum.

    Returns:
        Picture [H, W] or [H, W, 3] in 0 … 1, map [H, W] or None, letters of the sides, aspect.
    """
    base = grey(shown.image, shown.window)
    values = mapped(shown, saliency)
    flat_aspect = 1.0 if shown.spacing is None else shown.spacing[-2] / shown.spacing[-1]
    if shown.modality == "image":
        return base, values, shown.sides, flat_aspect
    at = len(base) // 2 if values is None else int(_peaks(values).argmax())
    if shown.modality == "video":
        return base[at], None if values is None else values[at], shown.sides, flat_aspect
    cut, at = planes.AXIAL, at if values is None else _plane(base, values)
    letters = (cut.left, cut.right)
    return cut.cut(base, at), None if values is None else cut.cut(values, at), letters, cut.aspect(shown.spacing)


def _small_print(
    figure: Figure, everyone: list[tuple[Shown, Saliency]], seed: int | None, notes: Sequence[str]
) -> None:
    warnings = tuple(dict.fromkeys(sentence for shown, _ in everyone for sentence in shown.warnings))
    warn(figure, warnings)
    for words in dict.fromkeys(described(saliency) for _, saliency in everyone):
        style.note(figure, words)
    if seed is not None:
        style.note(figure, f"Random draw with seed {seed}.")
    if any(shown.modality == "volume" for shown, _ in everyone):
        style.note(figure, f"Axial plane of the maximum, or the nearest that is not empty. {planes.CONVENTION}")
    if any(shown.modality == "video" for shown, _ in everyone):
        style.note(figure, "Frame of the maximum.")
    if any(shown.modality != "volume" and shown.sides is None for shown, _ in everyone):
        style.note(figure, "Without letters: displayed as stored, because the file does not state the side.")
    for words in notes:
        style.note(figure, words)
