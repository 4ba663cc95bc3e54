"""Segmentation masks: read as labels, several files to one mask, and whether the labels are those stated."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from scantune import io
from scantune.io.label_tables import numbers_of
from scantune.mask_codes import IGNORE, IGNORED, MOST_OVERLAPPING, PAINTED, code_of, pixels_by_label
from scantune.preprocess.mask_colours import by_colour, coloured
from scantune.preprocess.mask_rule import MaskError as MaskError
from scantune.preprocess.mask_rule import MaskRule
from scantune.preprocess.sample_files import SampleFiles
from scantune.records import ReadError

WHOLE = 1e-3
"""Values this close to an integer are that label: slopes and float formats leave 1.0000001 for 1."""

_PAINTED_16 = 65535  # white of 16 bits, as ImageJ and MATLAB write it

_T = TypeVar("_T")


def read_labels(paths: Sequence[Path], rule: MaskRule, read: Callable[..., _T]) -> list[_T]:
    """The masks of a sample by ``read(path, names=)``; ``names`` of the labels to read, none for all.

    A DICOM SEG or RTSTRUCT whose named labels may overlap is read once for each.

    Raises:
        MaskError: as ``read``.
    """
    parts: list[tuple[Path, tuple[str, ...]]] = []
    for path in paths:
        apart = rule.overlap and rule.names and io.is_mask_object(path)
        parts += [(path, (name,)) for name in rule.names] if apart else [(path, rule.names)]
    return [one for path, names in parts for one in read_masks([path], functools.partial(read, names=names))]


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


@dataclass(frozen=True, eq=False)
class SampleMasks:
    """All masks of a sample, uint8 of its image's shape.

    Attributes:
        labels: of the reference, everywhere.
        measured: the same; outside the region of the metrics nothing counts.
        readers: name to labels, of those who have drawn the sample.
        facts: of the reference; ``rater_labels`` are what :func:`merged` tells of each reader's labels.
    """

    labels: np.ndarray
    measured: np.ndarray
    readers: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


def sample_masks(
    read: Callable[[Sequence[Path], MaskRule], tuple[np.ndarray, dict[str, Any]]],
    sources: SampleFiles,
    rule: MaskRule,
) -> SampleMasks:
    """The masks of a sample.

    Args:
        read: paths and a rule to the mask on the image's grid, and facts of it.
        sources: masks of the reference and of readers (none where a reader has not drawn the sample), and the region:
            whatever is not 0 in it.
        rule: how the values of the reference and of readers become labels.

    Raises:
        MaskError: as :func:`merged`; the region is empty, or was changed by compression.
    """
    labels, facts = read(sources.masks, rule)
    inside = np.ones(labels.shape, bool)
    if sources.region is not None:
        inside, notes = _region(functools.partial(read, [sources.region], MaskRule()))
        facts["notes"] = [*facts.get("notes", ()), *(f"region: {note}" for note in notes)]
    drawn = replace(rule, empty="keep")
    readers = {
        name: _named_fault(f"mask of reader {name}", functools.partial(read, paths, drawn))
        for name, paths in sources.rater_masks.items()
        if paths
    }
    if readers:
        facts["rater_labels"] = {
            name: {key: about[key] for key in ("mask_labels", "mask_ignored", "mask_lossy") if key in about}
            for name, (_, about) in readers.items()
        }
        told = (f"reader {name}: {note}" for name, (_, about) in readers.items() for note in about.get("notes", ()))
        facts["notes"] = [*facts.get("notes", ()), *told]
    measured = np.where(inside, labels, np.uint8(IGNORED))
    return SampleMasks(labels, measured, {name: mask for name, (mask, _) in readers.items()}, facts)


def _region(read: Callable[[], tuple[np.ndarray, dict[str, Any]]]) -> tuple[np.ndarray, Sequence[str]]:
    """Where metrics are measured, bool, and notes of its mask."""
    mask, facts = _named_fault("region", read)
    if facts.get("mask_lossy"):
        raise MaskError(
            "its region: saved with lossy compression, which leaves values that are not 0 around what is marked: save "
            "it as PNG"
        )
    if not mask.any():
        raise MaskError("its region: nothing is marked in it, so that nothing would be measured")
    return mask > 0, facts.get("notes", ())


def _named_fault(what: str, read: Callable[[], _T]) -> _T:
    """What ``read`` gives; a fault says which of the sample's masks has it."""
    try:
        return read()
    except MaskError as error:
        reason = error.reason.removeprefix("its mask: ")
        raise MaskError(f"its {what}: {reason}", error.detail) from error


def merged(
    arrays: Sequence[np.ndarray], shape: tuple[int, ...], rule: MaskRule, read: Sequence[Mapping[str, Any]] = ()
) -> tuple[np.ndarray, dict[str, Any]]:
    """One uint8 mask of ``shape`` from one mask of labels, or from several that each mark one label (1, 2, …).

    A mask with the values 0 and 255 alone (65535 of 16 bits) is 0 and 1, as painting programs write it, unless
    ``rule.values`` says otherwise.

    Args:
        arrays: [1 or 3, *shape] or [*shape].
        shape: of the image.
        rule: how values become labels.
        read: facts of each file: its palette, whether zero is white, whether compression changed its values.

    Returns:
        The mask, and facts of it: ``mask_labels``, label to its pixels (255 where 0 and 255 were taken for 0 and 1),
        ``mask_ignored``, the number of pixels that do not count, where there are any, and ``mask_lossy`` where
        compression may have changed the labels.

    Raises:
        MaskError: another size than the image's, labels that are no whole numbers from 0 to 255 or not among
            ``rule.labels``, overlapping masks unless ``rule.overlap``, an empty mask where that is refused.
    """
    known = [*read, *({} for _ in arrays[len(read) :])]
    planes = [_plane(array, shape, rule, facts) for array, facts in zip(arrays, known, strict=True)]
    painted = len(planes) == 1 and rule.threshold is None and not rule.values and _is_painted(planes[0])
    if len(planes) == 1:
        mask = (planes[0] > 0).astype(np.uint8) if painted else planes[0]
    else:
        mask = _joined(planes, shape, rule)
    if rule.overlap:
        _refuse_unknown_bits(mask)
    ignored = int((mask == IGNORED).sum()) if rule.values else 0  # else 255 is a value that nothing explains
    counts = pixels_by_label(mask, rule.overlap) | ({} if rule.values or painted else _unexplained(mask))
    if not counts and rule.empty == "exclude":
        raise MaskError("the mask is empty")
    wrong = sorted(set(counts) - set(rule.labels)) if rule.labels is not None else []
    if wrong:
        raise MaskError(f"the mask has the labels {wrong}; stated are {sorted(rule.labels or ())}")
    named = {PAINTED: counts.get(1, 0)} if painted and counts else counts
    facts: dict[str, Any] = {"mask_labels": {str(label): count for label, count in named.items()}}
    if ignored:
        facts["mask_ignored"] = ignored
    pairs = zip(planes, known, strict=True)
    if rule.threshold is None and any(
        about.get("lossy") and not _is_painted(plane) for plane, about in pairs if plane.any()
    ):
        facts["mask_lossy"] = True
    return mask, facts


def _joined(planes: Sequence[np.ndarray], shape: tuple[int, ...], rule: MaskRule) -> np.ndarray:
    """One mask of several, each of which marks one label; what does not count in one of them counts in none."""
    if rule.instances:
        return functools.reduce(np.maximum, planes)
    if rule.overlap and rule.names:
        return functools.reduce(np.bitwise_or, planes)  # each has the bits of its own labels
    if rule.overlap and len(planes) > MOST_OVERLAPPING:
        raise MaskError(f"{len(planes)} masks that may overlap: at most {MOST_OVERLAPPING} labels fit into one mask")
    ignored = np.zeros(shape, bool)
    if rule.values:
        ignored = np.any([plane == IGNORED for plane in planes], axis=0)
    marked = [(plane > 0) & ~ignored for plane in planes]
    if not rule.overlap and (np.sum(marked, axis=0) > 1).any():
        raise MaskError(
            "masks overlap, so labels are ambiguous: where labels may overlap, set the input's 'mask_overlap' and the "
            "task's 'overlapping'"
        )
    mask = np.zeros(shape, np.uint8)
    for label, plane in enumerate(marked, start=1):
        mask[plane] += np.uint8(code_of(label, rule.overlap))
    mask[ignored] = IGNORED
    return mask


def _refuse_unknown_bits(mask: np.ndarray) -> None:
    """Raise where a value is no sum of the bits of labels."""
    beyond = np.unique(mask[(mask >= code_of(MOST_OVERLAPPING + 1, True)) & (mask != IGNORED)])
    if beyond.size:
        raise MaskError(
            f"the mask has the values {beyond.tolist()}: with 'mask_overlap' values are sums of 1, 2, 4 … for the "
            f"labels 1, 2, 3 …, of which there are at most {MOST_OVERLAPPING}"
        )


def _unexplained(mask: np.ndarray) -> dict[int, int]:
    """Pixels of value 255 in a mask for which nothing says what it means."""
    count = int((mask == IGNORED).sum())
    return {IGNORED: count} if count else {}


def _is_painted(plane: np.ndarray, white: int = PAINTED) -> bool:
    """Whether it contains white, and otherwise only 0."""
    return bool((plane == white).any() and ((plane == 0) | (plane == white)).all())


def _plane(array: np.ndarray, shape: tuple[int, ...], rule: MaskRule, read: Mapping[str, Any]) -> np.ndarray:
    """uint8 of ``shape``: the values as they are in the file, or the labels that ``rule`` takes them for."""
    if rule.colours:
        array = by_colour(array if array.ndim > len(shape) else array[None], rule, read)
    elif array.ndim == len(shape) + 1:
        if rule.instances:
            array = array.max(axis=0)  # [C, *shape] -> [*shape]: a colour for each instance
        elif array.shape[0] == 3 and not (np.array_equal(array[0], array[1]) and np.array_equal(array[0], array[2])):
            raise MaskError(coloured(array))
        else:
            array = array[0]
    if array.shape != tuple(shape):
        raise MaskError(f"the mask is {_times(array.shape)} where its image is {_times(shape)}")
    if rule.colours:
        return array
    if not rule.values:
        array = _as_displayed(array, read)
    if rule.threshold is not None:
        return (array >= rule.threshold).astype(np.uint8)
    integers = _as_integers(array)
    if rule.instances:
        return (integers > 0).astype(np.uint8)
    if not rule.values and _is_painted(integers, _PAINTED_16):
        integers //= _PAINTED_16 // PAINTED
    plane = _named(integers, rule, read) if rule.names else _mapped(integers, rule)
    if plane.min() < 0 or plane.max() > 255:
        raise MaskError(f"mask values from {plane.min()} to {plane.max()}: labels are whole numbers from 0 to 255")
    return plane.astype(np.uint8)


def _mapped(plane: np.ndarray, rule: MaskRule) -> np.ndarray:
    before = plane.copy()
    if rule.values and not any(int(value) == IGNORED for value in rule.values) and (before == IGNORED).any():
        raise MaskError(
            f"the mask has the value {IGNORED}, which 'mask_values' does not name: is it a label "
            f"({{{IGNORED}: 1}}), or does it not count ({{{IGNORED}: {IGNORE}}})?"
        )
    for value in rule.values:
        plane[before == int(value)] = rule.code(value)
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
        labels[np.isin(indices, values)] = rule.code(name)
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
