"""A loop under its map as an animated GIF."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image as Page

from scantune.explain.draw.shown import Shown, coloured, grey, onto
from scantune.explain.saliency import Saliency

_BAND = 16
"""Pixels of the line of text below the frames."""


def gif(path: Path | str, shown: Shown, saliency: Saliency, *, side: int = 224) -> Path:
    """Writes the loop, with the same under its map beside it, as an animated GIF; whole or not there.

    Args:
        path: to write.
        shown: a video [T, H, W] or [T, H, W, 3].
        saliency: its map; where undefined the loop alone is shown and the reason is written below.
        side: height of the frames in pixels.

    Returns:
        ``path``.
    """
    pages = [_page(frame, shown, saliency) for frame in frames(shown, saliency, side)]
    stream = io.BytesIO()
    time = round((shown.frame_time or 50.0) / 10) * 10  # a GIF counts hundredths of a second
    pages[0].save(stream, "GIF", save_all=True, append_images=pages[1:], duration=max(20, time), loop=0, optimize=False)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(stream.getvalue())
    os.replace(part, path)
    return path


def frames(shown: Shown, saliency: Saliency, side: int = 224) -> list[np.ndarray]:
    """Frames uint8 [side, width, 3]: the plain loop and, where there is a map, the coloured one to the right of it."""
    base = grey(shown.image, shown.window)
    values = None if saliency.map is None else onto(saliency.map, shown.image.shape[:3])
    made = []
    for t, plain in enumerate(base):
        rgb = np.repeat(plain[..., None], 3, axis=-1) if plain.ndim == 2 else plain
        tiles = [rgb] if values is None else [rgb, coloured(plain, values[t])]
        made.append(_scaled(np.concatenate(tiles, axis=1), side))
    return made


def _scaled(picture: np.ndarray, side: int) -> np.ndarray:
    from PIL import Image

    width = max(1, round(picture.shape[1] * side / picture.shape[0]))
    page = Image.fromarray((picture * 255).round().astype(np.uint8))
    return np.asarray(page.resize((width, side), Image.Resampling.BILINEAR))


def _page(frame: np.ndarray, shown: Shown, saliency: Saliency) -> Page:
    """A frame with its lines of text, in a palette of its own."""
    from PIL import Image, ImageDraw

    lines = [f"{shown.sample_id}: {shown.caption()}", *shown.warnings]
    if saliency.map is None:
        lines.append(f"map undefined: {saliency.reason}")
    height, width = frame.shape[:2]
    page = Image.new("RGB", (width, height + _BAND * len(lines)), "white")
    page.paste(Image.fromarray(frame))
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        colour = "#D55E00" if number else "black"
        pen.text((4, height + _BAND * number + 2), line, fill=colour, font_size=11)
    tile = width // (1 if saliency.map is None else 2)
    for left in range(0, width, tile):
        for text, anchor, x in zip(shown.sides or (), ("lm", "rm"), (left + 4, left + tile - 4)):
            pen.text(
                (x, height // 2), text, fill="white", font_size=13, anchor=anchor, stroke_width=1, stroke_fill="black"
            )
    palette = page.quantize(256)
    return page.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
