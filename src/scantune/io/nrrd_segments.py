"""Segmentations of 3D Slicer (``.seg.nrrd``): segments in one or several layers, described by keys of the header."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scantune.amounts import number_of
from scantune.io.label_tables import numbers_of
from scantune.records import ReadError

_KEY = re.compile(r"Segment(\d{1,5})_(ID|Name|Layer|LabelValue)")
_WHOLE = 1 << 16


@dataclass(frozen=True)
class Segment:
    """A segment.

    Attributes:
        number: of it in masks that are read: its value where no other segment has it, else its place from 1.
        name: in the header.
        layer: index of the volume that it is in.
        value: of its voxels there.
    """

    number: int
    name: str
    layer: int
    value: int


def described(texts: Mapping[str, str]) -> bool:
    """Whether keys of a header describe segments."""
    return "Segment0_ID" in texts or "Segment0_Name" in texts


def segments_of(texts: Mapping[str, str], layers: int) -> list[Segment]:
    """The segments that keys of a header describe.

    Args:
        texts: key to value.
        layers: volumes in the file. Slicer before 4.11 names none: each segment has a layer of zeros and ones then.

    Raises:
        ReadError: a layer or value is no whole number, or there is no such layer.
    """
    by_place: dict[int, dict[str, str]] = {}
    for key, text in texts.items():
        match = _KEY.fullmatch(key)
        if match:
            by_place.setdefault(int(match[1]), {})[match[2]] = text
    own_layers = not any("Layer" in keys for keys in by_place.values()) and layers == len(by_place)
    stated = []
    for place, keys in sorted(by_place.items()):
        layer = _number(keys.get("Layer", str(place) if own_layers else "0"), place, "Layer")
        value = _number(keys.get("LabelValue", "1"), place, "LabelValue")
        if not 0 <= layer < layers or not 0 < value < _WHOLE:
            raise ReadError(f"Segment{place} has layer {layer} and value {value}, of {layers} layers in the file")
        stated.append((place, keys.get("Name", keys.get("ID", "")), layer, value))
    counts = Counter(value for _, _, _, value in stated)
    unique = all(count == 1 for count in counts.values())
    return [Segment(value if unique else place + 1, name, layer, value) for place, name, layer, value in stated]


def _number(text: str, place: int, what: str) -> int:
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise ReadError(f"Segment{place}_{what} of its header is not a whole number")
    return int(text)


def labels(voxels: np.ndarray, segments: Sequence[Segment], names: Collection[str]) -> np.ndarray:
    """One mask of the segments' numbers.

    Args:
        voxels: [i, j, k, layer], as stored.
        segments: of the file.
        names: of the segments to take, all without any.

    Returns:
        uint16 [i, j, k].

    Raises:
        ReadError: segments overlap, a voxel has a value that is no segment's, a name is not one of the file's.
    """
    chosen = {segment.number for segment in segments}
    if names:
        matching = numbers_of(names, {segment.number: segment.name for segment in segments})
        chosen = {number for numbers in matching.values() for number in numbers}
    mask = np.zeros(voxels.shape[:3], np.uint16, order="F")
    for layer in range(voxels.shape[3]):
        values = voxels[..., layer]
        known = {segment.value: segment.number for segment in segments if segment.layer == layer}
        unknown = values[values != 0][~np.isin(values[values != 0], list(known))]
        if unknown.size:
            raise ReadError(
                f"{number_of(unknown.size, 'voxel has', 'voxels have')} values that none of its segments has, "
                f"such as {unknown[0]:g}"
            )
        for value, number in known.items():
            inside = values == value
            if number not in chosen or not inside.any():
                continue
            if mask[inside].any():
                raise ReadError("segments overlap, so no voxel's label is certain: name those to read in 'mask_values'")
            mask[inside] = number
    return mask
