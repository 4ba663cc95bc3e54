"""Segmentation masks: read as labels, several files to one mask, and whether the labels are those stated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from scantune.io.label_tables import numbers_of
from scantune.preprocess.mask_labels import PAINTED
from scantune.records import ReadError

WHOLE = 1e-3
"""Values this close to an integer are that label: slopes and float formats leave 1.0000001 for 1."""

_T = TypeVar("_T")


class MaskError(ReadError):
    """A mask that cannot be used, or does not fit its image."""


@dataclass(frozen=True)
class MaskRule:
    """How the values of a mask's file become labels.

    Attributes:
        labels: allowed labels, besides background 0; None allows 1 … 255.
        empty: "exclude" refuses a mask in which nothing is marked.
        values: value in the file → label, for example ``{128: 1, 255: 2}``; values it does not name stay. Names in the
            file's own table of labels take the place of values (``{liver: 1}``); what is not named is 0 then.
        threshold: values at or above it are label 1, all others 0; None: values are labels.
    """

    labels: Sequence[int] | None = None
    empty: str = "keep"
    values: Mapping[Any, int] = field(default_factory=dict)
    threshold: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those of ``values`` that are names in a file's own table of labels (``{liver: 1}``)."""
        return tuple(key for key in self.values if isinstance(key, str) and not key.lstrip("-").isdecimal())


def read_masks(paths: Sequence[Path], read: Callable[[Path], _T]) -> list[_T]:
    """Read each mask by ``read``; a read error is reported as a fault of the mask.

    Raises:
        MaskError: as ``read``.
    """
    masks = []
    for path in paths:
        try:
            masks.append(read(path))
        except ReadError as error:
            raise MaskError(f"its mask: {error.reason}", error.detail or str(path)) from error
    return masks


def merged(
    arrays: Sequence[np.ndarray], shape: tuple[int, ...], rule: MaskRule, read: Sequence[Mapping[str, Any]] = ()
) -> tuple[np.ndarray, dict[str, Any]]:
    """One uint8 mask of ``shape`` from one mask of labels, or from several that each mark one label (1, 2, …).

    A mask with the values 0 and 255 alone is 0 and 1 (as painting programs write it), unless ``rule.values`` says
    otherwise.

    Args:
        arrays: [1 or 3, *shape] or [*shape].
        shape: of the image.
        rule: how values become labels.
        read: facts of each file: its palette, whether zero is white, whether compression changed its values.

    Returns:
        The mask, and facts of it: ``mask_labels``, label to its pixels (255 where 0 and 255 were taken for 0 and 1),
        and ``mask_lossy`` where compression may have changed the labels.

    Raises:
        MaskError: another size than the image's, labels that are no whole numbers from 0 to 255 or not among
            ``rule.labels``, overlapping masks, an empty mask where that is refused.
    """
    known = [*read, *({} for _ in arrays[len(read) :])]
    planes = [_plane(array, shape, rule, facts) for array, facts in zip(arrays, known, strict=True)]
    painted = len(planes) == 1 and rule.threshold is None and not rule.values and _is_painted(planes[0])
    if len(planes) == 1:
        mask = (planes[0] > 0).astype(np.uint8) if painted else planes[0]
    else:
        mask = _joined(planes, shape)
    labels, amounts = np.unique(mask[mask > 0], return_counts=True)
    present = [int(label) for label in labels]
    if not present and rule.empty == "exclude":
        raise MaskError("the mask is empty")
    wrong = sorted(set(present) - set(rule.labels)) if rule.labels is not None else []
    if wrong:
        raise MaskError(f"the mask has the labels {wrong}; stated are {sorted(rule.labels or ())}")
    names = [str(PAINTED)] if painted else [str(label) for label in present]
    facts: dict[str, Any] = {"mask_labels": dict(zip(names, map(int, amounts), strict=True))}
    pairs = zip(planes, known, strict=True)
    if rule.threshold is None and any(
        about.get("lossy") and not _is_painted(plane) for plane, about in pairs if plane.any()
    ):
        facts["mask_lossy"] = True
    return mask, facts


def _joined(planes: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    if (np.sum([plane > 0 for plane in planes], axis=0) > 1).any():
        raise MaskError("masks overlap, so labels are ambiguous")
    mask = np.zeros(shape, np.uint8)
    for label, plane in enumerate(planes, start=1):
        mask[plane > 0] = label
    return mask


def _is_painted(plane: np.ndarray) -> bool:
    """Whether it contains 255, and otherwise only 0."""
    return bool((plane == PAINTED).any() and ((plane == 0) | (plane == PAINTED)).all())


def _plane(array: np.ndarray, shape: tuple[int, ...], rule: MaskRule, read: Mapping[str, Any]) -> np.ndarray:
    """uint8 of ``shape``: the values as they are in the file, or the labels that ``rule`` takes them for."""
    if array.ndim == len(shape) + 1:
        if array.shape[0] == 3 and not (np.array_equal(array[0], array[1]) and np.array_equal(array[0], array[2])):
            raise MaskError("the mask is a colour image: one number per pixel is needed")
        array = array[0]
    if array.shape != tuple(shape):
        raise MaskError(f"the mask is {_times(array.shape)} where its image is {_times(shape)}")
    if not rule.values:
        array = _as_displayed(array, read)
    if rule.threshold is not None:
        return (array >= rule.threshold).astype(np.uint8)
    plane = _named(_as_integers(array), rule, read) if rule.names else _mapped(_as_integers(array), rule.values)
    if plane.min() < 0 or plane.max() > 255:
        raise MaskError(f"mask values from {plane.min()} to {plane.max()}: labels are whole numbers from 0 to 255")
    return plane.astype(np.uint8)


def _mapped(plane: np.ndarray, values: Mapping[Any, int]) -> np.ndarray:
    before = plane.copy()
    for value, label in values.items():
        plane[before == int(value)] = label
    return plane


def _named(indices: np.ndarray, rule: MaskRule, read: Mapping[str, Any]) -> np.ndarray:
    """Labels by the names of the file's own table; 0 what is not named.

    Raises:
        MaskError: the file has no table, or not these names.
    """
    table = {int(number): name for number, name in read.get("label_names", {}).items()}
    try:
        numbers = numbers_of(rule.names, table)
    except ReadError as error:
        raise MaskError(error.reason, error.detail) from error
    labels = np.zeros_like(indices)
    for name, values in numbers.items():
        labels[np.isin(indices, values)] = rule.values[name]
    return labels


def _as_displayed(array: np.ndarray, read: Mapping[str, Any]) -> np.ndarray:
    """Indices of a black-and-white palette as 0 and 255; other indices unchanged.

    Raises:
        MaskError: index 0 or value 0 is shown in white, so that it is not certain what the background is.
    """
    if read.get("photometric") == "MONOCHROME1":
        raise MaskError(
            "zero is white in the mask's file: is zero the background, or black? Say by 'mask_values' which "
            "value is which label ({1: 1} for zero), or save it as PNG"
        )
    palette = {int(index): tuple(colour) for index, colour in read.get("palette", {}).items()}
    black = [index for index, colour in palette.items() if colour == (0, 0, 0)]
    if 0 in palette and 0 not in black and black:
        raise MaskError(
            f"the mask's palette shows index 0 as {_hex(palette[0])} and index {black[0]} in black: which of them is "
            f"the background? State by 'mask_values' which index is which label ({{0: 0, {black[0]}: 1}} for index 0)"
        )
    if len(black) < len(palette) and set(palette.values()) <= {(0, 0, 0), (255, 255, 255)}:
        white = [index for index in palette if index not in black]
        return np.isin(array, white).astype(np.uint8) * np.uint8(255)
    return array


def palette_words(read: Mapping[str, Any]) -> list[str]:
    """A line that describes the palette of a mask; empty without a palette."""
    palette = read.get("palette")
    if not palette:
        return []
    words = [f"{index} shown as {_hex(colour)}" for index, colour in list(palette.items())[:8]]
    return [f"mask with a palette: index {', '.join(words)}{' …' if len(palette) > 8 else ''}"]


def _hex(colour: Sequence[int]) -> str:
    return "#" + "".join(f"{int(part):02x}" for part in colour)


def _as_integers(array: np.ndarray) -> np.ndarray:
    """int64: each value rounded to the integer that it represents."""
    if array.dtype.kind in "bui":
        return array.astype(np.int64)
    nearest = np.rint(array)
    odd = ~(np.abs(array - nearest) <= WHOLE)  # NaN too
    if odd.any():
        some = ", ".join(f"{float(value):g}" for value in np.unique(array[odd])[:3])
        raise MaskError(
            f"{int(odd.sum())} mask values are not whole, such as {some}: a mask that was resampled, or probabilities? "
            "'mask_threshold' sets all values from a threshold on to label 1"
        )
    return nearest.astype(np.int64)


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
