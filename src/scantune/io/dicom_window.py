"""A file's own window or VOI LUT, to 0–1."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_meaning import Meaning
from scantune.io.dicom_stack import Frame
from scantune.io.dicom_tables import Table, sequence_table
from scantune.io.values import apply_window
from scantune.records import ReadError


@lru_cache(4)
def voi_table(file: DicomFile, meaning: Meaning) -> Table | None:
    """The first VOI LUT, or None where there is none."""
    if not file.has("VOILUTSequence"):
        return None
    below = meaning.range is not None and meaning.range[0] < 0
    return sequence_table(file.header.get("VOILUTSequence"), "VOILUTSequence", below)


def apply_file_window(values: np.ndarray, file: DicomFile, meaning: Meaning) -> np.ndarray:
    """The file's own VOI LUT, or its first window, to 0–1.

    Raises:
        ReadError: it has neither, or a window that is no two numbers.
    """
    table = voi_table(file, meaning)
    if table is not None:
        return table.of(np.rint(values)).astype(np.float32) / np.float32((1 << table.bits) - 1)
    window = window_of(file)
    if window is None:
        raise ReadError("this file has no window of its own")
    return apply_window(values, *window, _function(file))


def window_of(file: DicomFile) -> tuple[float, float] | None:
    """The first window of the header, None where it has none.

    Raises:
        ReadError: center or width alone, or no numbers.
    """
    window = [file.floats(keyword) for keyword in ("WindowCenter", "WindowWidth")]
    for keyword, values in zip(("WindowCenter", "WindowWidth"), window, strict=True):
        if not values and file.text(keyword):
            raise ReadError(f"{keyword} is not a number", f"{file.path}: {file.text(keyword)}")
    if bool(window[0]) != bool(window[1]):
        raise ReadError("WindowCenter and WindowWidth: one is there without the other")
    return (window[0][0], window[1][0]) if window[0] else None


def series_window(frames: Sequence[Frame]) -> tuple[float, float, str] | None:
    """Center, width and function that the slices of one volume agree on, None where the first has no window.

    Raises:
        ReadError: they differ, or have a VOI LUT in place of a window.
    """
    if any(frame.source.has("VOILUTSequence") for frame in frames):
        raise ReadError("a series with VOILUTSequence has no one window; give center and width")
    windows = {_of_frame(frame) for frame in frames}
    if len(windows) > 1:
        known = sorted(window for window in windows if window is not None)
        raise ReadError(
            f"WindowCenter and WindowWidth differ by slice ({known[0][:2]} … {known[-1][:2]}); give center and width"
        )
    return windows.pop()


def _of_frame(frame: Frame) -> tuple[float, float, str] | None:
    window = window_of(frame.source)
    return frame.window if window is None else (*window, _function(frame.source))


def _function(file: DicomFile) -> str:
    return file.text("VOILUTFunction").upper() or "LINEAR"
