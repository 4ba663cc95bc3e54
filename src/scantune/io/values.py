"""Checks that the values of an array are those of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scantune.amounts import number_of
from scantune.io.arrays import Limits, Options
from scantune.records import ReadError

SQUARE = 1.01
"""Ratio of a pixel's sides up to which it counts as square."""


MOST_UNEQUAL = 5
"""Ratio of sides up to which a ratio without a unit is believed: scanners, faxes and fields have 2."""


def note_sides(sides: Sequence[float], how: str, facts: dict[str, Any], most: float = np.inf) -> None:
    """Note pixels that are not square: a line among ``notes``, and ``pixel_sides``, the height and width of a pixel.

    Args:
        sides: height and width of a pixel, any unit; both above 0.
        how: the file states it, in words.
        facts: of the file; nothing is added where pixels are square.
        most: ratio up to which the file is believed; beyond it that is noted alone.
    """
    if max(sides) > most * min(sides):
        facts["notes"].append(f"{how}: not believed, pixels are taken for square")
    elif max(sides) > SQUARE * min(sides):
        facts["notes"].append(f"pixels are not square ({how})")
        facts["pixel_sides"] = [float(side) for side in sides]


def check_size(shape: tuple[int, ...], itemsize: int, limits: Limits) -> None:
    """Refuse an array that would be larger than allowed, before it is made.

    Raises:
        ReadError: with both sizes.
    """
    if any(int(n) < 1 for n in shape):
        raise ReadError(f"a size of {'×'.join(str(int(n)) for n in shape)} holds no image")
    needed = itemsize
    for n in shape:
        needed *= int(n)  # Python integers do not overflow
    if needed > limits.max_bytes:
        allowed = f"{limits.max_bytes / 2**20:,.0f} MiB"
        raise ReadError(f"it would take {needed / 2**20:,.0f} MiB decoded, more than the limit of {allowed}")


def note_rounding(array: np.ndarray, notes: list[str]) -> None:
    """Note whole numbers that float32 cannot hold: beyond 2²⁴ they are rounded."""
    if array.dtype.kind in "iu" and array.dtype.itemsize > 2 and array.size:
        most = max(abs(int(array.min())), abs(int(array.max())))
        if most > 1 << 24:
            notes.append(f"whole numbers up to {most} are rounded to the 24 bits of float32")


def check_values(array: np.ndarray, options: Options, notes: list[str]) -> np.ndarray:
    """Refuse what is not finite or has one value only; fill NaN and infinities where a number to fill them with is set.

    Args:
        array: any shape; changed in place where values are filled.
        options: ``fill_nan`` and ``allow_constant`` are used.
        notes: gets a line for what was filled.

    Raises:
        ReadError: NaN, infinite, constant.
    """
    low, high = array.min(), array.max()  # both are NaN where any value is
    if array.dtype.kind == "f" and not (np.isfinite(low) and np.isfinite(high)):
        wrong = ~np.isfinite(array)
        count = int(wrong.sum())
        if options.fill_nan is None:
            raise ReadError(f"{count} of {array.size} values are NaN or infinite")
        array[wrong] = options.fill_nan
        notes.append(
            f"{number_of(count, 'value that was', 'values that were')} NaN or infinite "
            f"{'is' if count == 1 else 'are'} now {options.fill_nan:g}"
        )
        low, high = array.min(), array.max()
    if low == high and not options.allow_constant:
        raise ReadError("every value is 0" if low == 0 else f"every value is {float(low):g}")
    return array


def blank_padding(
    array: np.ndarray,
    empty: np.ndarray,
    limits: tuple[float, float] | None,
    options: Options,
    notes: list[str],
) -> np.ndarray | None:
    """Give pixels that stand for none (PS3.3 C.7.5.1.1.2) the lowest value of the others, where that is the rule.

    Args:
        array: values as they are shown; changed in place.
        empty: which of them are padding.
        limits: lowest and highest stored value of padding.
        options: ``padding`` is used.
        notes: gets a line.

    Returns:
        ``empty`` of one picture or volume, or None where padding is kept as it is.

    Raises:
        ReadError: nothing but padding.
    """
    low, high = limits if limits is not None else (np.nan, np.nan)
    words = f"PixelPaddingValue {low:g}" + (f" … {high:g}" if high != low else "")
    if options.padding == "keep":
        notes.append(f"padding ({words}) kept as it is")
        return None
    if empty.all():
        raise ReadError(f"every pixel is padding ({words})")
    array[empty] = array[~empty].min()
    notes.append(f"padding ({words}) set to the lowest value of the other pixels")
    return empty


def apply_window(array: np.ndarray, center: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """Window to float32 in 0–1 (DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3, the output range set to 0–1).

    Args:
        array: values after the modality transform.
        center: of the window.
        width: of the window, at least 1 for LINEAR, above 0 otherwise.
        function: "LINEAR", "LINEAR_EXACT" or "SIGMOID".

    Raises:
        ReadError: for a width that is not allowed or an unknown function.
    """
    if not (np.isfinite(center) and np.isfinite(width)) or width <= 0 or (function == "LINEAR" and width < 1):
        raise ReadError(f"a window of width {width:g} cannot be applied")
    x = array.astype(np.float32, copy=False)
    if function == "LINEAR":
        low, span = center - 0.5 - (width - 1) / 2, width - 1
        if span == 0:
            return (x > center - 0.5).astype(np.float32)
        return np.clip((x - np.float32(low)) / np.float32(span), 0, 1)
    if function == "LINEAR_EXACT":
        return np.clip((x - np.float32(center)) / np.float32(width) + np.float32(0.5), 0, 1)
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (x - np.float32(center)) / np.float32(width), -80, 80)))
    raise ReadError("the window's function is not one that DICOM has")
