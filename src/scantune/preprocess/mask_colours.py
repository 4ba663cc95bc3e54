"""Masks that show each label in a colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scantune.preprocess.mask_rule import MaskError, MaskRule

MOST = 17
"""Colours of a mask, at most: more are those of a picture, or of compression."""

_SHOWN = 6


def by_colour(array: np.ndarray, rule: MaskRule, read: Mapping[str, Any]) -> np.ndarray:
    """The label of each pixel by its colour, uint8 [*shape]; black is 0 unless ``rule`` names it.

    Args:
        array: [3, *shape] of colours, or [1, *shape] of grey or of the indices of a palette.
        rule: whose values are colours.
        read: facts of the file; ``palette`` gives the colour of an index.

    Raises:
        MaskError: a colour that the rule does not name; other than 8 bits a colour.
    """
    if array.dtype != np.uint8:
        raise MaskError("'mask_values' names colours, and the mask is not of 8 bits a colour")
    codes = _packed(array, read.get("palette") or {})
    labels = np.where(codes == 0, 0, -1)
    for key in rule.colours:
        labels[codes == int(key[1:], 16)] = rule.code(key)
    if (labels < 0).any():
        raise MaskError(f"the mask has colours that 'mask_values' does not name: {_listed(codes[labels < 0])}")
    return labels.astype(np.uint8)


def coloured(array: np.ndarray) -> str:
    """What to do with a mask [3, *shape] of colours of which nothing says what they are."""
    words = "the mask is a colour image: "
    colours = colours_in(array)
    if not 0 < len(colours) <= MOST:
        return f"{words}one number per pixel is needed, or a colour for each label, without compression"
    example = f'{{"{colours[-1]}": 1}}'
    return f"{words}state by 'mask_values' which colour is which label ({example}); it has {', '.join(colours)}"


def colours_in(array: np.ndarray) -> list[str]:
    """The colours that occur in [3, *shape] of 8 bits, as ``#80ff00``, by their numbers; of other depths none."""
    return [] if array.dtype != np.uint8 else [_hex(code) for code in np.unique(_packed(array, {})).tolist()]


def _packed(array: np.ndarray, palette: Mapping[str, tuple[int, int, int]]) -> np.ndarray:
    """Each pixel's colour as one number (0xRRGGBB), int64 [*shape]."""
    if palette:
        table = np.zeros(256, np.int64)
        for index, (red, green, blue) in palette.items():
            table[int(index)] = red << 16 | green << 8 | blue
        return table[array[0]]
    red, green, blue = (array if len(array) == 3 else array[[0, 0, 0]]).astype(np.int64)
    return red << 16 | green << 8 | blue


def _listed(codes: np.ndarray) -> str:
    numbers = np.unique(codes).tolist()
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return ", ".join(_hex(code) for code in numbers[:_SHOWN]) + more


def _hex(code: int) -> str:
    return f"#{code:06x}"
