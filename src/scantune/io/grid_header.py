"""What the header of an NRRD or MetaImage file states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scantune.io.file_bytes import Packing
from scantune.records import ReadError


@dataclass(frozen=True)
class GridHeader:
    """What a header states, without what is in its data.

    Attributes:
        format: "nrrd" or "metaimage".
        sizes: of all axes, fastest first.
        values_axis: the axis that is not one of space: several values a voxel, or several volumes; None where there is
            none.
        dtype: of the voxels, with their byte order.
        packing: how the data are compressed; None where they are not.
        affine: of the axes of space (i, j, k) in mm, RAS; None where the header does not state where they lie.
        unplaced: why it does not.
        zooms: mm along i, j, k; NaN where it is not stated.
        files: names of the data files; empty where the data follow the header.
        start: byte after the header's end, in a file that has both.
        skipped: bytes before the data (after decompression in NRRD); -1: the data are the end of the file.
        skipped_lines: lines before the data.
        texts: what else it states, by key, in the file's own words.
        comments: number of comments that people or programs have written.
        notes: on how it was understood.
        refused: why its values are no image's; "" where they are.
    """

    format: str
    sizes: tuple[int, ...]
    values_axis: int | None
    dtype: np.dtype
    packing: Packing | None
    affine: np.ndarray | None
    unplaced: str
    zooms: tuple[float, ...]
    files: tuple[str, ...] = ()
    start: int = 0
    skipped: int = 0
    skipped_lines: int = 0
    texts: Mapping[str, str] = field(default_factory=dict)
    comments: int = 0
    notes: tuple[str, ...] = ()
    refused: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along i, j, k; 1 along k of a picture."""
        space = [size for axis, size in enumerate(self.sizes) if axis != self.values_axis]
        i, j, k = (space + [1])[:3]
        return i, j, k

    @property
    def count(self) -> int:
        """Values a voxel, or volumes."""
        return 1 if self.values_axis is None else self.sizes[self.values_axis]

    @property
    def n_bytes(self) -> int:
        """Of the data, unpacked."""
        return math.prod(self.sizes) * self.dtype.itemsize

    @property
    def colour(self) -> bool:
        """Whether it is one slice of three values of 8 bits a pixel, which programs write for RGB."""
        return self.values_axis == 0 and self.count == 3 and self.shape[2] == 1 and self.dtype == np.uint8


def numbers(text: str, what: str, kind: type = float) -> list:
    """The numbers of a header's field.

    Raises:
        ReadError: they are none, or not finite.
    """
    try:
        values = [kind(word) for word in text.split()]
    except ValueError as error:
        raise ReadError(f"the header's {what} is not in numbers", text[:80]) from error
    if any(isinstance(value, float) and math.isinf(value) for value in values):
        raise ReadError(f"the header's {what} is infinite")
    return values


def take_field(fields: dict[str, str], name: str, value: str) -> None:
    """Put a field into ``fields``.

    Raises:
        ReadError: it is there already, with another value.
    """
    if fields.setdefault(name, value) != value:
        raise ReadError(f"the header states the field '{name}' twice, with different values", f"{fields[name]} {value}")


def checked_sizes(sizes: list[int], what: str, n_axes: int) -> tuple[int, ...]:
    """Sizes of axes.

    Raises:
        ReadError: one is not above 0, or they are not one for each axis.
    """
    if len(sizes) != n_axes or any(size < 1 for size in sizes) or len(sizes) > 16:
        raise ReadError(f"the header states impossible sizes: {what} {sizes[:16]} of {n_axes} axes")
    return tuple(sizes)
