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
    shown = frames(view, saliency, side)
    below = _below(view, saliency, shown[0].shape[1])
    pages = [_page(frame, view, saliency, below) for frame in shown]
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


def _page(frame: np.ndarray, view: SampleView, saliency: Saliency, below: np.ndarray) -> Page:
    """A frame with its letters of direction, and the lines of text ``below`` it, uint8 [rows, width, 3]."""
    from PIL import Image, ImageDraw

    height, width = frame.shape[:2]
    page = Image.fromarray(np.concatenate([frame, below]))
    pen, large = ImageDraw.Draw(page), _font(12)
    tile = width // (1 if saliency.map is None else 2)
    for left in range(0, width, tile):
        for text, anchor, x in zip(view.sides or (), ("lm", "rm"), (left + 4, left + tile - 4)):
            pen.text(
                (x, height // 2), text, fill="white", font=large, anchor=anchor, stroke_width=1, stroke_fill="black"
            )
    return page


def _below(view: SampleView, saliency: Saliency, width: int) -> np.ndarray:
    """The caption, the warnings and why there is no map, uint8 [rows, width, 3]."""
    from scantune.plots.caption import caption

    texts = [f"{view.sample_id}: {view.caption()}", *view.warnings]
    if saliency.map is None:
        texts.append(f"map undefined: {saliency.reason}")
    return caption([(text, "#D55E00" if index else "black") for index, text in enumerate(texts)], width)


@cache
def _font(size: int) -> Font:
    """The font of the figures."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
