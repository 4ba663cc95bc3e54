"""Cine loops in DICOM: only the frames, channels and scale that are asked for are decoded."""

from __future__ import annotations

from collections import Counter
from typing import Any

import cv2
import numpy as np

from scantune.io import codestream
from scantune.io.arrays import Options
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_image import colour_frame, modality_values
from scantune.io.dicom_pixels import Pixels
from scantune.io.dicom_series import series_facts, stored_range
from scantune.io.loop import Loop
from scantune.io.values import apply_window, check_size
from scantune.records import ReadError

_BASELINE = "1.2.840.10008.1.2.4.50"
_REDUCED = {1: (cv2.IMREAD_GRAYSCALE, cv2.IMREAD_COLOR_RGB),
            2: (cv2.IMREAD_REDUCED_GRAYSCALE_2, cv2.IMREAD_REDUCED_COLOR_2),
            4: (cv2.IMREAD_REDUCED_GRAYSCALE_4, cv2.IMREAD_REDUCED_COLOR_4),
            8: (cv2.IMREAD_REDUCED_GRAYSCALE_8, cv2.IMREAD_REDUCED_COLOR_8)}  # fmt: skip


def open_cine(file: DicomFile, options: Options) -> Loop:
    """A loop from a DICOM file whose header is known.

    Raises:
        ReadError: no frames, too large, cut short.
    """
    colour = file.samples == 3 or file.photometric == "PALETTE COLOR"
    check_size((file.n_frames, file.rows, file.columns, 3 if colour else 1), 1, options.limits)
    facts: dict[str, Any] = series_facts(file, 1, Counter(), list(file.notes))
    frame_time = frame_time_of(file, facts["notes"])
    if file.n_frames == 1:
        facts["notes"].append("one frame only")
    pixels = Pixels(file)
    fast = file.syntax == _BASELINE and _plain_jpeg(pixels)
    facts["decoder"] += f", opencv {cv2.__version__}" if fast else ", plug-in by transfer syntax"

    def decode(index: int, grey: bool, scale: int) -> np.ndarray:
        if fast:
            return _by_opencv(pixels, index, grey, scale)
        return _by_plugin(pixels, index, options)

    return Loop(file.n_frames, file.rows, file.columns, 3 if colour else 1, frame_time, facts, decode)


def _plain_jpeg(pixels: Pixels) -> bool:
    """Whether libjpeg's own guess of the colours is the file's: grey, or YCbCr that no marker contradicts."""
    file = pixels.file
    found = codestream.check(pixels.streams()[0], file.rows, file.columns, file.samples)
    if found is None or found.process not in (0xC0, 0xC1) or found.precision != 8:
        return False
    if file.samples == 1:
        return file.photometric in ("MONOCHROME2", "MONOCHROME1")
    return file.photometric in ("YBR_FULL_422", "YBR_FULL") and found.adobe in (None, 1) and found.ids != (82, 71, 66)


def _by_opencv(pixels: Pixels, index: int, grey: bool, scale: int) -> np.ndarray:
    """One JPEG baseline frame [h, w, C] by libjpeg-turbo; grey is the Y channel itself."""
    file = pixels.file
    stream = pixels.streams()[index]
    codestream.check(stream, file.rows, file.columns, file.samples)
    grey = grey or file.samples == 1
    frame = cv2.imdecode(np.frombuffer(stream, np.uint8), _REDUCED[scale][not grey] | cv2.IMREAD_IGNORE_ORIENTATION)
    if frame is None:
        raise ReadError(f"frame {index + 1} cannot be decoded", str(file.path))
    if file.photometric == "MONOCHROME1":
        frame = 255 - frame
    if grey:
        return frame[..., None]
    return frame if scale == 1 else frame[..., ::-1]  # the reduced flags give BGR


def _by_plugin(pixels: Pixels, index: int, options: Options) -> np.ndarray:
    """One frame [H, W, C] of any other encoding, deeper grey brought to 8 bits by the window or the stored bits."""
    file = pixels.file
    raw = pixels.frame(index)
    if raw.ndim == 3 or file.photometric == "PALETTE COLOR":
        rgb = colour_frame(raw, file)
        return rgb if rgb.dtype == np.uint8 else (rgb >> (file.whole("BitsStored") - 8)).astype(np.uint8)
    if raw.dtype == np.uint8 and file.whole("BitsStored") <= 8 and options.window is None:
        picture = raw if file.whole("BitsStored") == 8 else raw << (8 - file.whole("BitsStored"))
    else:
        picture = _to_eight_bits(raw, file, options)
    return (255 - picture if file.photometric == "MONOCHROME1" else picture)[..., None]


def _to_eight_bits(raw: np.ndarray, file: DicomFile, options: Options) -> np.ndarray:
    values = modality_values(raw, file)
    center, width = file.number("WindowCenter"), file.number("WindowWidth")
    if isinstance(options.window, tuple):
        shown = apply_window(values, *options.window)
    elif center is not None and width is not None and width >= 1:
        shown = apply_window(values, center, width, file.text("VOILUTFunction") or "LINEAR")
    else:
        low, high = stored_range(file)
        shown = (values - np.float32(low)) / np.float32(high - low)
    return np.rint(shown * 255).astype(np.uint8)


def frame_time_of(file: DicomFile, notes: list[str]) -> float | None:
    """Milliseconds between frames (PS3.3 C.7.6.5): frame time, the mean of its vector, or one over the cine rate."""
    single = file.number("FrameTime")
    if single is not None and np.isfinite(single) and single > 0:
        return single
    vector = [value for value in file.floats("FrameTimeVector")[1:] if np.isfinite(value) and value > 0]
    if vector:
        if max(vector) - min(vector) > 0.01 * max(vector):
            notes.append(f"frame times vary from {min(vector):g} to {max(vector):g} ms; their mean is given")
        return float(np.mean(vector))
    for keyword in ("CineRate", "RecommendedDisplayFrameRate"):
        rate = file.number(keyword)
        if rate is not None and np.isfinite(rate) and rate > 0:
            return 1000.0 / rate
    notes.append("no frame time is stated")
    return None
