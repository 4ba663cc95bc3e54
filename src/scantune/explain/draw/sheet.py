"""The best, the worst and a random draw side by side: never only the nice ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune.explain.draw import planes
from scantune.explain.draw.figures import bar, described, panel, warn
from scantune.explain.draw.shown import Shown, coloured, grey, onto
from scantune.explain.saliency import Saliency
from scantune.plots import style

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
def sheet(groups: Mapping[str, Sequence[tuple[Shown, Saliency]]], *, seed: int | None = None) -> Figure:
    """One row a group, one column a sample: the map over the plane or frame of its maximum.

    Args:
        groups: title of the row ("best", "worst", "random") to samples with their maps.
        seed: of the random draw, for the small print.
    """
    rows = {title: list(members) for title, members in groups.items() if members}
    columns = max((len(members) for members in rows.values()), default=1)
    tile = style.DOUBLE * 0.9 / columns
    figure = style.canvas(style.DOUBLE, max(1, len(rows)) * (tile + 0.32) + 0.6)
    axes = figure.subplots(max(1, len(rows)), columns, squeeze=False)
    for row, (title, members) in enumerate(rows.items()):
        for column in range(columns):
            if column >= len(members):
                axes[row, column].set_axis_off()
                continue
            shown, saliency = members[column]
            _tile(axes[row, column], shown, saliency)
        axes[row, 0].set_ylabel(title, fontsize=8, fontweight="bold")
    everyone = [member for members in rows.values() for member in members]
    if any(saliency.map is not None for _, saliency in everyone):
        bar(figure, list(axes.ravel()))
    _small_print(figure, everyone, seed)
    return figure


def _tile(axes: Axes, shown: Shown, saliency: Saliency) -> None:
    picture, values, sides, aspect = flat(shown, saliency)
    panel(axes, picture * 0.4 if values is None else coloured(picture, values), sides, aspect)
    if values is None:
        style.undefined(axes, saliency.reason or "no reason given")
        for text in axes.texts:
            text.set_color("white")
            text.set_fontsize(5)
    lines = [shown.sample_id, *(part for part in shown.caption().split(" · ") if part)]
    axes.set_title("\n".join(lines), fontsize=5.5, fontweight="normal")


def flat(shown: Shown, saliency: Saliency) -> tuple[np.ndarray, np.ndarray | None, tuple[str, str] | None, float]:
    """The one picture that stands for a sample: itself, the axial plane or the frame of the map's maximum.

    Returns:
        Picture [H, W] or [H, W, 3] in 0 … 1, map [H, W] or None, letters of the sides, aspect.
    """
    base = grey(shown.image, shown.window)
    flat_aspect = 1.0 if shown.spacing is None else shown.spacing[-2] / shown.spacing[-1]
    if shown.modality == "image":
        values = None if saliency.map is None else onto(saliency.map, base.shape[:2], shown.box)
        return base, values, shown.sides, flat_aspect
    values = None if saliency.map is None else onto(saliency.map, base.shape[:3])
    at = len(base) // 2 if values is None else int(values.max(axis=(1, 2)).argmax())
    if shown.modality == "video":
        return base[at], None if values is None else values[at], shown.sides, flat_aspect
    cut = planes.AXIAL
    letters = (cut.left, cut.right)
    return cut.cut(base, at), None if values is None else cut.cut(values, at), letters, cut.aspect(shown.spacing)


def _small_print(figure: Figure, everyone: list[tuple[Shown, Saliency]], seed: int | None) -> None:
    warnings = tuple(dict.fromkeys(sentence for shown, _ in everyone for sentence in shown.warnings))
    warn(figure, warnings)
    for words in dict.fromkeys(described(saliency) for _, saliency in everyone):
        style.note(figure, words)
    if seed is not None:
        style.note(figure, f"Random draw with seed {seed}.")
    if any(shown.modality == "volume" for shown, _ in everyone):
        style.note(figure, f"Axial plane of the maximum. {planes.CONVENTION}")
    if any(shown.modality == "video" for shown, _ in everyone):
        style.note(figure, "Frame of the maximum.")
