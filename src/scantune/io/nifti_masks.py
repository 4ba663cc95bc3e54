"""A mask written as the NIfTI file of its image is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from scantune.io.geometry import orientation_from, stored_order
from scantune.io.nifti import header_of
from scantune.io.nifti_writer import save
from scantune.records import ScantuneError

#: What of a header says where voxels lie.
_PLACE = (
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
    "srow_x", "srow_y", "srow_z", "xyzt_units",
)  # fmt: skip


def write_nifti_like(path: Path | str, labels: np.ndarray, source: Path, codes: str) -> Path:
    """Write a mask voxel by voxel as the NIfTI file of its image is stored: same size, order of axes, sform and qform.

    Nothing else of the image's header is kept: its texts may identify.

    Args:
        path: ending in .nii or .nii.gz.
        labels: uint8 [D, H, W] in RAS+, on the grid that the image is read on.
        source: the image's file.
        codes: directions in which its stored axes grow (the fact ``orientation`` of a volume), such as "LPS".

    Raises:
        ReadError: ``source`` is not NIfTI.
        ScantuneError: the mask is of another size than the image.
    """
    return _write(Path(path), stored_order(labels, orientation_from(codes)), header_of(Path(source)))


def write_nifti_slice_like(path: Path | str, labels: np.ndarray, source: Path, codes: str | None) -> Path:
    """As :func:`write_nifti_like`, of an image of one slice, which is read as a picture.

    Args:
        path: ending in .nii or .nii.gz.
        labels: uint8 [H, W] on the pixels that the image is read on.
        source: the image's file.
        codes: the fact ``orientation`` of the picture; None where the file states no orientation.

    Raises:
        ReadError: ``source`` is not NIfTI.
        ScantuneError: the mask is of another size than the image.
    """
    like = header_of(Path(source))
    thin = int(np.argmin(_size(like)))
    if codes is None:
        return _write(Path(path), np.expand_dims(labels.T, thin), like)
    orientation = orientation_from(codes)
    ras = np.expand_dims(labels[::-1, ::-1], 2 - orientation.source.index(thin))  # D H W, one of them 1 long
    return _write(Path(path), stored_order(ras, orientation), like)


def _size(header: Any) -> tuple[int, ...]:
    return tuple(max(1, int(n)) for n in header["dim"][1:4])


def _write(path: Path, stored: np.ndarray, like: Any) -> Path:
    """A mask in the order of a file's axes with that file's place."""
    size = _size(like)
    if stored.shape != size:
        raise ScantuneError(f"the mask has {list(stored.shape)} voxels, its image {list(size)}")
    kind = nibabel.Nifti2Image if isinstance(like, nibabel.Nifti2Header) else nibabel.Nifti1Image
    image = kind(np.ascontiguousarray(stored), None)
    for name in _PLACE:
        image.header[name] = like[name]
    image.header["pixdim"][:4] = like["pixdim"][:4]
    return save(path, image)
