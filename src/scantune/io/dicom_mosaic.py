"""Mosaics (Siemens) and grids (UIH): slices of a volume side by side in one picture, unfolded to frames with positions.

A Siemens mosaic states the position of its picture as a whole, from which that of the first slice follows, and how many
slices there are; a grid of UIH lists the position of each.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pydicom

from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_keys import keys_of
from scantune.io.dicom_meaning import Meaning, meaning_of
from scantune.io.dicom_numbers import NotANumberError, numbers
from scantune.io.dicom_pixels import Pixels
from scantune.io.dicom_stack import Frame
from scantune.records import ReadError

_N_IMAGES = 0x0019100A
_CSA = 0x00291010
_GRID = 0x00651051  # UIH: one item a slice
_TYPES = frozenset(("MOSAIC", "VFRAME"))


def is_mosaic(file: DicomFile) -> bool:
    """Whether its image type says that its slices lie side by side."""
    return not _TYPES.isdisjoint(file.text("ImageType").upper().split("\\"))


@dataclass(frozen=True)
class _Layout:
    """How slices lie in the picture.

    Attributes:
        across: tiles along a row.
        rows: of a tile.
        columns: of a tile.
        positions: centre of the first pixel of each slice, mm in LPS.
    """

    across: int
    rows: int
    columns: int
    positions: list[np.ndarray]


def mosaic_frames(files: list[DicomFile]) -> list[Frame]:
    """The slices of the mosaics of one series.

    Raises:
        ReadError: a header that does not say how many slices there are, or where they lie.
    """
    return [frame for at, file in enumerate(files) for frame in _frames(file, at)]


def _frames(file: DicomFile, at: int) -> list[Frame]:
    meaning, layout, keys = meaning_of(file), _layout(file), keys_of(file)
    spacing, orientation = file.floats("PixelSpacing"), np.array(file.floats("ImageOrientationPatient"))
    number = file.number("InstanceNumber")
    return [
        Frame(
            name=f"slice {k + 1} of {f'instance {int(number)}' if number is not None else f'file {at + 1}'}",
            rows=layout.rows,
            columns=layout.columns,
            position=position,
            orientation=orientation,
            spacing=(spacing[0], spacing[1]),
            meaning=meaning,
            keys=keys,
            load=partial(_tile, file, meaning, layout, k),
            order=None if number is None else number * 10_000 + k,
            source=file,
        )
        for k, position in enumerate(layout.positions)
    ]


def _tile(file: DicomFile, meaning: Meaning, layout: _Layout, k: int) -> np.ndarray:
    row, column = divmod(k, layout.across)
    mosaic = _picture(file, meaning)
    return mosaic[
        row * layout.rows : (row + 1) * layout.rows,
        column * layout.columns : (column + 1) * layout.columns,
    ]


@lru_cache(1)  # the tiles of a picture are asked for one after the other
def _picture(file: DicomFile, meaning: Meaning) -> np.ndarray:
    return Pixels(file, meaning).frame(0)


def _layout(file: DicomFile) -> _Layout:
    orientation, spacing = file.floats("ImageOrientationPatient"), file.floats("PixelSpacing")
    if (len(orientation), len(spacing)) != (6, 2):
        raise ReadError("a mosaic without orientation or pixel spacing; no geometry is made up")
    if "VFRAME" in file.text("ImageType").upper():
        return _grid(file)
    return _mosaic(file, np.array(orientation[:3]) * spacing[1], np.array(orientation[3:]) * spacing[0])


def _mosaic(file: DicomFile, along_row: np.ndarray, along_column: np.ndarray) -> _Layout:
    """Siemens: as many tiles down as across.

    Args:
        file: its header.
        along_row: from one column to the next, mm in LPS.
        along_column: from one row to the next, mm in LPS.
    """
    csa = _csa(file)
    count = _count(file, csa)
    across = math.ceil(math.sqrt(count))
    rows, columns = _tile_size(file, count, across, across)
    position = file.floats("ImagePositionPatient")
    if len(position) != 3:
        raise ReadError("a mosaic without position; no geometry is made up")
    # the stated position is that of a single picture of the mosaic's size about the first slice's middle
    first = np.array(position) + along_row * (file.columns - columns) / 2 + along_column * (file.rows - rows) / 2
    normal = np.cross(along_row, along_column)
    normal /= np.linalg.norm(normal)
    slice_normal = _items(csa, "SliceNormalVector")
    if len(slice_normal) == 3 and np.dot(normal, slice_normal) < 0:
        normal = -normal
    gap = file.number("SpacingBetweenSlices") or file.number("SliceThickness")
    if not gap or not np.isfinite(gap):
        raise ReadError("a mosaic without SpacingBetweenSlices; no geometry is made up")
    return _Layout(across, rows, columns, [first + k * abs(gap) * normal for k in range(count)])


def _grid(file: DicomFile) -> _Layout:
    """UIH: as many tiles across as the root of their number, and as many rows of them as that needs."""
    element = pydicom.dcmread(file.path, stop_before_pixels=True, force=True, specific_tags=[_GRID]).get(_GRID)
    items = element.value if element is not None and element.VR == "SQ" else []
    positions = [np.array([float(v) for v in item.get("ImagePositionPatient") or []]) for item in items]
    if not positions or any(position.shape != (3,) for position in positions):
        raise ReadError(
            "its slices lie side by side in one picture (a grid of UIH), and the header does not say where: "
            "the private elements were removed; convert the original to NIfTI first"
        )
    across = math.ceil(math.sqrt(len(positions)))
    rows, columns = _tile_size(file, len(positions), across, math.ceil(len(positions) / across))
    return _Layout(across, rows, columns, positions)


def _tile_size(file: DicomFile, count: int, across: int, down: int) -> tuple[int, int]:
    if file.rows % down or file.columns % across:
        raise ReadError(f"a mosaic of {count} slices does not fit its {file.rows}×{file.columns} pixels")
    return file.rows // down, file.columns // across


def _count(file: DicomFile, csa: dict[str, Any]) -> int:
    values = _items(csa, "NumberOfImagesInMosaic")
    if not values:
        try:
            values = numbers(file.items.get(_N_IMAGES), _N_IMAGES, vr="US")
        except NotANumberError:
            values = []
    if not values or not 1 <= values[0] <= 4096:
        raise ReadError(
            "its slices lie side by side in one picture (a Siemens mosaic), and the header does not say how many: "
            "the private elements were removed; convert the original to NIfTI first"
        )
    return int(values[0])


def _items(csa: dict[str, Any], name: str) -> list[float]:
    try:
        return [float(value) for value in csa.get(name, {}).get("items") or []]
    except (TypeError, ValueError):
        return []


def _csa(file: DicomFile) -> dict[str, Any]:
    """The tags of Siemens' own header, {} where it is absent or damaged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel warns of all of nicom on import
        from nibabel.nicom import csareader
    element = pydicom.dcmread(file.path, stop_before_pixels=True, force=True, specific_tags=[_CSA]).get(_CSA)
    if element is None or not isinstance(element.value, bytes):
        return {}
    try:
        return csareader.read(element.value)["tags"]
    except Exception:  # whatever lies there instead: the count is then asked of another element
        return {}
