"""Contact sheets of pictures: slices of volumes, frames of videos, errors with predictions.

Pictures have letters for their sides and an isotropic scale in mm. Slices of volumes are in radiological convention:
the patient's right on the left of the picture, anterior at the top.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """One picture of a sheet.

    Attributes:
        pixels: [H, W] grey of any range, or [H, W, 3] uint8 or 0–1 colour.
        caption: text below the picture; long lines are wrapped.
        window: grey values of black and white; None for the 0.5th and 99.5th percentile.
        sides: letters at its left and right edge (R and L of the patient); None where unknown.
        aspect: height of a pixel divided by its width.
        frame: colour of a border, or None.
        tag: text in the upper left corner ("false positive"), beside the colour of the border.
        tiles: number of views side by side in ``pixels``, each with the letters of its sides.
    """

    pixels: np.ndarray
    caption: str = ""
    window: tuple[float, float] | None = None
    sides: tuple[str, str] | None = None
    aspect: float = 1.0
    frame: str | None = None
    tag: str = ""
    tiles: int = 1


def display_range(pixels: np.ndarray) -> tuple[float, float]:
    """Grey values of black and white: the 0.5th and 99.5th percentile of finite values."""
    finite = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels.reshape(-1)
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, [0.5, 99.5])
    return float(low), float(high if high > low else low + 1)


@style.styled
def contact_sheet(
    pictures: Sequence[Picture],
    *,
    columns: int = 4,
    width: float = style.DOUBLE,
    title: str = "",
    notes: Sequence[str] = (),
) -> Figure:
    """Pictures in a grid with their captions.

    Args:
        pictures: in reading order.
        columns: pictures per row.
        width: of a sheet with full rows in inches; fewer pictures give a narrower sheet.
        title: heading.
        notes: small print.
    """
    requested, columns = columns, max(1, min(columns, len(pictures) or 1))
    width = max(width * columns / requested, min(width, 0.8 * style.SINGLE))
    rows = max(1, math.ceil(len(pictures) / columns))
    picture_width = width / columns
    shape = max(
        (picture.pixels.shape[0] * picture.aspect / picture.pixels.shape[1] for picture in pictures), default=0.5
    )
    wraps = [_wrapped(picture.caption, picture_width) for picture in pictures]
    lines = max((text.count("\n") + 1 if text else 0 for text in wraps), default=0)
    height = rows * (0.95 * picture_width * min(shape, 2.5) + 0.11 * lines + 0.08) + 0.35
    figure = style.canvas(width, height)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=8, fontweight="bold")
    grid = np.asarray(figure.subplots(rows, columns, squeeze=False)).reshape(-1)
    for axes in grid[len(pictures) :]:
        axes.set_axis_off()
    if not pictures:
        style.undefined(grid[0], "there is no picture to show")
    for axes, picture, text in zip(grid, pictures, wraps):
        _draw(axes, picture)
        axes.set_xlabel(text, fontsize=5.5, loc="left", labelpad=2)
    if any(picture.sides == ("R", "L") for picture in pictures):
        style.note(figure, "R, L: right and left side of the patient.")
    for text in notes:
        style.note(figure, text)
    return figure


def _wrapped(caption: str, width: float) -> str:
    return "\n".join(
        part for line in caption.split("\n") for part in (textwrap.wrap(line, max(10, int(width * 21))) or [""])
    )


def _draw(axes: Axes, picture: Picture) -> None:
    pixels = np.asarray(picture.pixels)
    if pixels.ndim == 2:
        low, high = picture.window or display_range(pixels)
        axes.imshow(pixels, cmap="gray", vmin=low, vmax=high, aspect=picture.aspect)
    else:
        axes.imshow(pixels, aspect=picture.aspect)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(picture.frame is not None)
        spine.set_color(picture.frame or style.INK)
        spine.set_linewidth(1.8)
    mark: dict[str, Any] = {"color": "white", "fontsize": 6, "fontweight": "bold", "transform": axes.transAxes}
    plate = {"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "pad": 0.8}
    if picture.sides is not None:
        for tile in range(picture.tiles):
            left, right = ((tile + share) / picture.tiles for share in (0.02, 0.98))
            axes.text(left, 0.5, picture.sides[0], ha="left", va="center", bbox=plate, **mark)
            axes.text(right, 0.5, picture.sides[1], ha="right", va="center", bbox=plate, **mark)
    if picture.tag:
        axes.text(0.02, 0.97, picture.tag, ha="left", va="top", bbox=plate, **mark)


#: Colour of the border of an error by its kind; the kind is also on the picture, for grey print.
_KINDS = {"false positive": style.VERMILION, "false negative": style.SKY}


@style.styled
def error_sheet(
    errors: Sequence[Mapping[str, Any]], *, columns: int = 4, title: str = "", notes: Sequence[str] = ()
) -> Figure:
    """Errors, worst first, each with picture, reference, prediction, group and sample id.

    Args:
        errors: each with ``picture`` (a :class:`Picture`, or an array [H, W] or [H, W, 3]) and any of ``sample_id``,
            ``kind`` ("false positive" …), ``target``, ``prediction``, ``probability``, ``error``, ``group`` (mapping
            or text), ``note``; in the order of the list.
        columns: pictures a row.
        title: heading.
        notes: small print.
    """
    pictures = []
    for index, error in enumerate(errors):
        picture = error["picture"]
        if not isinstance(picture, Picture):
            picture = Picture(np.asarray(picture))
        kind = str(error.get("kind") or "")
        caption = "\n".join(filter(None, [f"{index + 1}. {error.get('sample_id', '')}", *described(error)]))
        colour = _KINDS.get(kind, style.GREY)
        pictures.append(replace(picture, caption=caption, frame=colour, tag=kind))
    return contact_sheet(pictures, columns=columns, title=title, notes=notes)


def described(error: Mapping[str, Any]) -> list[str]:
    """Lines of the caption of an error: reference and prediction, probability, error, group, note."""
    lines = []
    if "target" in error or "prediction" in error:
        lines.append(f"reference {_text(error.get('target'))}, predicted {_text(error.get('prediction'))}")
    for key, text in (("probability", "probability"), ("error", "error")):
        if error.get(key) is not None:
            lines.append(f"{text} {_text(error[key])}")
    group = error.get("group")
    if isinstance(group, Mapping):
        group = ", ".join(f"{key} {value}" for key, value in group.items())
    return lines + [str(part) for part in (group, error.get("note")) if part]


def _text(value: Any) -> str:
    if value is None or (isinstance(value, (float, np.floating)) and not math.isfinite(value)):
        return "–"
    if isinstance(value, (float, np.floating)):
        return f"{value:.3g}".replace("-", "−")
    return str(value)
