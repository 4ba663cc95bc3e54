"""Animated GIF and WebP as loops, through Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL
from PIL import GifImagePlugin
from PIL import Image as Pillow

from scantune.io.arrays import Options
from scantune.io.loop import Loop
from scantune.io.still_pixels import fills_screen
from scantune.io.values import check_size
from scantune.records import ReadError

_FORMATS = ("GIF", "WEBP")


def n_frames(path: Path) -> int:
    """Frames of a GIF or WebP file.

    Raises:
        ReadError: damaged.
    """
    with _opened(path) as picture:
        return int(getattr(picture, "n_frames", 1))


def open_animation(path: Path, options: Options) -> Loop:
    """Open an animated picture; its frames are decoded in one run, since each is drawn over the one before.

    Raises:
        ReadError: one frame alone, damaged, larger than the limit.
    """
    if options.kind not in (None, "video"):
        raise ReadError(f"an animated picture is not {'an' if options.kind == 'image' else 'a'} {options.kind}")
    with _opened(path) as picture:
        count = int(getattr(picture, "n_frames", 1))
        if count == 1:
            raise ReadError("it has one frame: a still picture, not a loop")
        check_size((1, picture.height, picture.width, 3), 1, options.limits)
        if not fills_screen(picture):
            raise ReadError("parts of frame 0 are transparent: it is smaller than the screen of the GIF")
        height, width, stored = picture.height, picture.width, str(picture.format).lower()
    notes = ending_notes(path)
    times = _durations(path, count)
    frame_time = float(np.median(times)) if times and min(times) > 0 else None
    if frame_time is None:
        notes.append("no frame time is stated")
    elif max(times) > min(times):
        notes.append(f"frames are shown for {min(times):g} to {max(times):g} ms; their median is taken")
    first = dict(_frames(path, [0]))[0]
    facts: dict[str, Any] = {
        "format": stored,
        "photometric": "MONOCHROME2" if (first == first[..., :1]).all() else "RGB",
        "bits": 8,
        "decoder": f"Pillow {PIL.__version__}",
        "window": None,
        "notes": notes,
    }

    def many(indices: list[int], grey: bool, scale: int) -> Iterator[tuple[int, np.ndarray]]:
        return _frames(path, indices)

    def one(index: int, grey: bool, scale: int) -> np.ndarray:
        return dict(many([index], grey, scale))[index]

    varying = np.cumsum([0.0, *times[:-1]]) if frame_time is not None and max(times) > min(times) else None
    return Loop(count, height, width, 3, frame_time, facts, one, many, varying)


def ending_notes(path: Path) -> list[str]:
    """That a GIF ends without its trailer (GIF89a, 27), where frames may be missing: Pillow takes what is there."""
    with path.open("rb") as file:
        head = file.read(13)
        if head[:3] != b"GIF":
            return []
        _pass_colours(file, head[10])
        while block := file.read(1):
            if block == b";":
                return []
            if block == b"!":
                file.read(1)  # what it is an extension for
                _pass_data(file)
            elif block == b",":
                _pass_colours(file, file.read(9)[-1])
                file.read(1)  # bits of the first code
                _pass_data(file)
    return ["cut short: the GIF ends without its trailer, so frames may be missing"]


def _pass_colours(file: IO[bytes], packed: int) -> None:
    """Over the table of colours that a screen or a frame announces in its packed fields."""
    if packed & 0x80:
        file.seek(3 << ((packed & 7) + 1), 1)


def _pass_data(file: IO[bytes]) -> None:
    while length := file.read(1):
        if length == b"\0":
            return
        file.seek(length[0], 1)


def _opened(path: Path) -> Pillow.Image:
    try:
        return Pillow.open(path, formats=_FORMATS)
    except (OSError, SyntaxError, ValueError) as error:
        raise ReadError("the picture is damaged or cut short", f"{path}: {error!r}") from error


def _durations(path: Path, count: int) -> list[float]:
    """Milliseconds for which each frame is shown; empty where the file does not say."""
    durations = []
    with _opened(path) as picture:
        for index in range(count):
            _seek(picture, index, path)
            picture.load()  # WebP says it of decoded frames only
            durations.append(float(picture.info.get("duration", 0) or 0))
    return durations


def _frames(path: Path, indices: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Indices and RGB frames [H, W, 3].

    Raises:
        ReadError: a frame that is damaged, or shows through.
    """
    with _opened(path) as picture:
        for index in range(max(indices) + 1):
            _seek(picture, index, path)
            if index in indices:
                try:
                    frame = np.asarray(picture.convert("RGBA"))
                except (OSError, SyntaxError, ValueError) as error:
                    raise ReadError(f"frame {index} cannot be decoded", f"{path}: {error!r}") from error
                if (frame[..., 3] != 255).any():
                    raise ReadError(f"parts of frame {index} are transparent")
                yield index, np.ascontiguousarray(frame[..., :3])


def _seek(picture: Pillow.Image, index: int, path: Path) -> None:
    """Go to a frame; those before it must have been gone to, since Pillow draws each over the last.

    A disposal of 0 (none specified, GIF89a, 23) leaves a frame where it is; Pillow does with it what the frame before
    asked for itself.
    """
    if isinstance(picture, GifImagePlugin.GifImageFile):
        picture.disposal_method = 0
    try:
        picture.seek(index)
    except (OSError, EOFError, SyntaxError, ValueError) as error:
        raise ReadError(f"frame {index} cannot be decoded", f"{path}: {error!r}") from error
