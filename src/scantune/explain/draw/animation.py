"""A video with its map as an animated GIF or as MP4."""

from __future__ import annotations

import io
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image as Page
    from PIL.ImageFont import FreeTypeFont as Font

from scantune.explain.draw.view import SampleView, coloured, mapped
from scantune.explain.saliency import Saliency
from scantune.preprocess.display_copy import grey
from scantune.records import ScantuneError

_BAND = 16
"""Pixels of the line of text below the frames."""


def animate(path: Path | str, view: SampleView, saliency: Saliency, *, side: int = 224) -> Path:
    """Write the video beside the video with its map, atomically.

    Args:
        path: to write, ending in .gif or .mp4.
        view: of a video [T, H, W] or [T, H, W, 3].
        saliency: its map; for an undefined map only the video and the reason are displayed.
        side: height of the frames in pixels.

    Returns:
        ``path``.

    Raises:
        ScantuneError: another suffix.
    """
    path = Path(path)
    if path.suffix not in _WRITERS:
        raise ScantuneError(f"an animation ends in {' or '.join(_WRITERS)}, not {path.suffix!r}")
    pages = [_page(frame, view, saliency) for frame in frames(view, saliency, side)]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    _WRITERS[path.suffix](part, pages, view.frame_time or 50.0)
    os.replace(part, path)
    return path


def _gif(path: Path, pages: list[Page], frame_time: float) -> None:
    from PIL import Image

    stream = io.BytesIO()
    time = round(frame_time / 10) * 10  # a GIF has a resolution of 1/100 s
    indexed = [page.quantize(palette=page.quantize(256), dither=Image.Dither.FLOYDSTEINBERG) for page in pages]
    indexed[0].save(stream, "GIF", save_all=True, append_images=indexed[1:], duration=max(20, time), loop=0,
                    optimize=False)  # fmt: skip
    path.write_bytes(stream.getvalue())


def _mp4(path: Path, pages: list[Page], frame_time: float) -> None:
    from scantune.io import write_video

    frames = np.stack([np.asarray(page.convert("RGB")) for page in pages])
    even = tuple(n + n % 2 for n in frames.shape[1:3])  # the codec requires even sizes
    frames = np.pad(frames, ((0, 0), *((0, n - m) for n, m in zip(even, frames.shape[1:3])), (0, 0)), "edge")
    write_video(path, np.tile(frames, (_ROUNDS, 1, 1, 1)), frame_time=frame_time)


_WRITERS = {".gif": _gif, ".mp4": _mp4}
_ROUNDS = 3
"""Number of repetitions of the video in an MP4, which does not loop."""


def frames(view: SampleView, saliency: Saliency, side: int = 224) -> list[np.ndarray]:
    """Frames uint8 [side, width, 3]: the original and, where the map is defined, the coloured frame to its right."""
    base = grey(view.image, view.window)
    values = mapped(view, saliency)
    result = []
    for t, plain in enumerate(base):
        rgb = np.repeat(plain[..., None], 3, axis=-1) if plain.ndim == 2 else plain
        tiles = [rgb] if values is None else [rgb, coloured(plain, values[t])]
        result.append(_scaled(np.concatenate(tiles, axis=1), side))
    return result


def _scaled(picture: np.ndarray, side: int) -> np.ndarray:
    from PIL import Image

    width = max(1, round(picture.shape[1] * side / picture.shape[0]))
    page = Image.fromarray((picture * 255).round().astype(np.uint8))
    return np.asarray(page.resize((width, side), Image.Resampling.BILINEAR))


def _page(frame: np.ndarray, view: SampleView, saliency: Saliency) -> Page:
    """A frame with its lines of text."""
    from PIL import Image, ImageDraw

    texts = [f"{view.sample_id}: {view.caption()}", *view.warnings]
    if saliency.map is None:
        texts.append(f"map undefined: {saliency.reason}")
    height, width = frame.shape[:2]
    small, large = _font(10), _font(12)
    lines = [(line, index) for index, text in enumerate(texts) for line in _wrapped(text, width - 8, small)]
    page = Image.new("RGB", (width, height + _BAND * len(lines)), "white")
    page.paste(Image.fromarray(frame))
    pen = ImageDraw.Draw(page)
    for number, (line, index) in enumerate(lines):
        colour = "#D55E00" if index else "black"
        pen.text((4, height + _BAND * number + 2), line, fill=colour, font=small)
    tile = width // (1 if saliency.map is None else 2)
    for left in range(0, width, tile):
        for text, anchor, x in zip(view.sides or (), ("lm", "rm"), (left + 4, left + tile - 4)):
            pen.text(
                (x, height // 2), text, fill="white", font=large, anchor=anchor, stroke_width=1, stroke_fill="black"
            )
    return page


@cache
def _font(size: int) -> Font:
    """The font of the figures, which has the letters of most languages."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _wrapped(text: str, width: int, font: Font) -> list[str]:
    """Lines of at most ``width`` pixels, broken between words and, where a word is wider, within it."""
    lines = [""]
    for word in text.split():
        if lines[-1] and font.getlength(f"{lines[-1]} {word}") > width:
            lines.append("")
        for letter in f"{' ' if lines[-1] else ''}{word}":
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines
