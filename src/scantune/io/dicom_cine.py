"""Cine loops in DICOM: only the requested frames, channels and scale are decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from scantune.io import codestream
from scantune.io.arrays import Options
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_image import colour_frame, image_spacing
from scantune.io.dicom_meaning import Meaning
from scantune.io.dicom_pixels import Pixels
from scantune.io.dicom_series import series_facts
from scantune.io.dicom_window import apply_file_window, voi_table, window_of
from scantune.io.loop import Loop
from scantune.io.values import apply_window, check_size
from scantune.records import ReadError

_GREY = ("MONOCHROME2", "MONOCHROME1")
_BASELINE = "1.2.840.10008.1.2.4.50"
_REDUCED = {1: (cv2.IMREAD_GRAYSCALE, cv2.IMREAD_COLOR_RGB),
            2: (cv2.IMREAD_REDUCED_GRAYSCALE_2, cv2.IMREAD_REDUCED_COLOR_2),
            4: (cv2.IMREAD_REDUCED_GRAYSCALE_4, cv2.IMREAD_REDUCED_COLOR_4),
            8: (cv2.IMREAD_REDUCED_GRAYSCALE_8, cv2.IMREAD_REDUCED_COLOR_8)}  # fmt: skip


def open_cine(file: DicomFile, options: Options, meanings: Sequence[Meaning] = ()) -> Loop:
    """A loop from a DICOM file whose header is known.

    Args:
        file: the file.
        options: how to read.
        meanings: of each frame's stored values, where functional groups state them; else all frames have the header's.

    Raises:
        ReadError: no frames, too large, cut short.
    """
    colour = file.samples == 3 or file.photometric == "PALETTE COLOR"
    check_size((file.n_frames, file.rows, file.columns, 3 if colour else 1), 1, options.limits)
    pixels = Pixels(file, meanings[0] if meanings else None)
    frames = _Frames(pixels, meanings or [pixels.meaning] * file.n_frames)
    facts: dict[str, Any] = series_facts(file, 1, Counter(), list(file.notes))
    frame_time = frame_time_of(file, facts["notes"])
    image_spacing(file, facts)
    if file.n_frames == 1:
        facts["notes"].append("one frame only")
    if pixels.meaning.inverse and options.monochrome1 == "invert":
        facts["notes"].append("MONOCHROME1 inverted")
    if pixels.meaning.padding is not None:
        facts["notes"].append("padding (PixelPaddingValue), where there is any, is black")
    fast = file.syntax == _BASELINE and _plain_jpeg(frames)
    facts["decoder"] += f", opencv {cv2.__version__}" if fast else ", plug-in by transfer syntax"

    def decode(index: int, grey: bool, scale: int) -> np.ndarray:
        if fast:
            return _by_opencv(pixels, index, grey, scale, options)
        return _by_plugin(frames, index, options)

    times = _varying_times(file)
    return Loop(file.n_frames, file.rows, file.columns, 3 if colour else 1, frame_time, facts, decode, times=times)


class _Frames:
    """The pixels of a loop with what each frame's values mean, on one scale of grey for all of them."""

    def __init__(self, pixels: Pixels, meanings: Sequence[Meaning]) -> None:
        self.pixels, self.meanings = pixels, meanings
        ranges = [meaning.range for meaning in meanings]
        known = [ends for ends in ranges if ends is not None]
        #: Lowest and highest value that any frame can hold; None for float pixels.
        self.range = (min(low for low, _ in known), max(high for _, high in known)) if known else None
        self.alike = len({(meaning.slope, meaning.intercept) for meaning in meanings}) == 1

    @cached_property
    def plain(self) -> bool:
        """Whether stored grey is what is shown: no table, one rescale, and no slope that turns it round."""
        meaning = self.pixels.meaning
        if meaning.table is not None or meaning.slope < 0 or meaning.signed or not self.alike:
            return False
        return voi_table(self.pixels.file, meaning) is None


def _plain_jpeg(frames: _Frames) -> bool:
    """Whether libjpeg's own guess of the colours is the file's: grey, or YCbCr that no marker contradicts."""
    pixels, file = frames.pixels, frames.pixels.file
    stream = codestream.check(pixels.streams()[0], file.rows, file.columns, file.samples)
    if stream is None or stream.process not in (0xC0, 0xC1) or stream.precision != 8:
        return False
    if file.samples == 1:
        return file.photometric in _GREY and frames.plain and pixels.meaning.padding is None
    return file.photometric in ("YBR_FULL_422", "YBR_FULL") and stream.adobe in (None, 1) and stream.ids != (82, 71, 66)


def _by_opencv(pixels: Pixels, index: int, grey: bool, scale: int, options: Options) -> np.ndarray:
    """One JPEG baseline frame [h, w, C] by libjpeg-turbo; grey is the Y channel itself."""
    file = pixels.file
    stream = pixels.streams()[index]
    codestream.check(stream, file.rows, file.columns, file.samples)
    grey = grey or file.samples == 1
    frame = cv2.imdecode(np.frombuffer(stream, np.uint8), _REDUCED[scale][not grey] | cv2.IMREAD_IGNORE_ORIENTATION)
    if frame is None:
        raise ReadError(f"frame {index + 1} cannot be decoded", str(file.path))
    if pixels.meaning.inverse and options.monochrome1 == "invert":
        frame = 255 - frame
    if grey:
        return frame[..., None]
    return frame if scale == 1 else frame[..., ::-1]  # the reduced flags give BGR


def _by_plugin(frames: _Frames, index: int, options: Options) -> np.ndarray:
    """One frame [H, W, C] of any other encoding, deeper grey brought to 8 bits by the window or the stored bits."""
    pixels, file = frames.pixels, frames.pixels.file
    raw = pixels.frame(index)
    if raw.ndim == 3 or file.photometric == "PALETTE COLOR":
        rgb = colour_frame(raw, file, pixels.meaning)
        return rgb if rgb.dtype == np.uint8 else (rgb >> ((pixels.meaning.stored or 16) - 8)).astype(np.uint8)
    stored = pixels.meaning.stored or 0
    if stored <= 8 and raw.dtype == np.uint8 and options.window is None and frames.plain:
        picture = raw if stored == 8 else raw << (8 - stored)
    else:
        picture = _to_eight_bits(raw, frames, frames.meanings[index], options)
    if pixels.meaning.inverse and options.monochrome1 == "invert":
        picture = 255 - picture
    empty = pixels.meaning.is_padding(raw)
    if empty is not None:
        picture = picture.copy()
        picture[empty] = 0
    return picture[..., None]


def _to_eight_bits(raw: np.ndarray, frames: _Frames, meaning: Meaning, options: Options) -> np.ndarray:
    values, file = meaning.values(raw), frames.pixels.file
    deep = (meaning.stored or 32) > 8
    if isinstance(options.window, tuple):
        scaled = apply_window(values, *options.window)
    elif voi_table(file, meaning) is not None or (deep and window_of(file) is not None):
        scaled = apply_file_window(values, file, meaning)
    else:
        low, high = frames.range or (float(values.min()), float(values.max()))
        scaled = (values - np.float32(low)) / np.float32(high - low)
    return np.rint(scaled * 255).astype(np.uint8)


def frame_time_of(file: DicomFile, notes: list[str]) -> float | None:
    """Milliseconds between frames (PS3.3 C.7.6.5): frame time, the mean of its vector, or one over the cine rate.

    Where several are stated and differ by more than a twentieth, the first of these is taken, and that is noted.
    """
    stated = {keyword: time for keyword, time in _times(file, notes).items() if np.isfinite(time) and time > 0}
    if not stated:
        notes.append("no frame time is stated")
        return None
    (first, time), *others = stated.items()
    for keyword, other in others:
        if abs(other - time) > 0.05 * time and keyword != "RecommendedDisplayFrameRate":
            notes.append(f"{keyword} gives {other:.4g} ms a frame where {first} gives {time:.4g}, which is taken")
    return time


def _varying_times(file: DicomFile) -> np.ndarray | None:
    """Milliseconds from the first frame to each by a FrameTimeVector that varies, where no FrameTime is stated."""
    steps = np.array(file.floats("FrameTimeVector")[1:])
    if (file.number("FrameTime") or 0) > 0 or steps.size != file.n_frames - 1 or steps.size < 2:
        return None
    usable = np.isfinite(steps).all() and (steps > 0).all() and np.ptp(steps) > 0.01 * steps.max()
    return np.concatenate([[0.0], np.cumsum(steps)]) if usable else None


def _times(file: DicomFile, notes: list[str]) -> dict[str, float]:
    """Milliseconds between frames by the attribute that gives them, in the order in which they are trusted."""
    times: dict[str, float] = {}
    single = file.number("FrameTime")
    if single is not None:
        times["FrameTime"] = single
    listed = file.floats("FrameTimeVector")
    vector = [value for value in listed[1:] if np.isfinite(value) and value > 0]
    if vector:
        if len(listed) != file.n_frames:
            notes.append(f"FrameTimeVector has {len(listed)} values for {file.n_frames} frames")
        if max(vector) - min(vector) > 0.01 * max(vector):
            notes.append(f"frame times vary from {min(vector):g} to {max(vector):g} ms; their mean is given")
        times["FrameTimeVector"] = float(np.mean(vector))
    for keyword in ("CineRate", "RecommendedDisplayFrameRate"):
        rate = file.number(keyword)
        if rate is not None and rate > 0:
            times[keyword] = 1000.0 / rate
    return times
