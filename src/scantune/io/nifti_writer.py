"""NIfTI written. The same volume gives the same bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np

from scantune.io.arrays import Volume
from scantune.io.geometry import from_ras, orientation_from, stored_order


def write_nifti(
    path: Path | str, volume: Volume, *, dtype: str | None = None, description: str = "", codes: str = "RAS"
) -> Path:
    """Write a volume as NIfTI-1, sform and qform both set.

    Args:
        path: ending in .nii or .nii.gz.
        volume: in RAS+.
        dtype: of the file ("int16", "uint8", "float32"); integers are rounded. None keeps the array's.
        description: at most 79 characters.
        codes: directions in which the stored axes shall grow, such as "LPS".
    """
    path, orientation = Path(path), orientation_from(codes)
    array = stored_order(volume.array, orientation)  # D H W -> i j k
    affine = from_ras(volume.affine, array.shape, orientation)
    if dtype is not None and np.dtype(dtype) != array.dtype:
        array = np.rint(array).astype(dtype) if np.dtype(dtype).kind in "iu" else array.astype(dtype)
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description.encode()[:79]
    image.set_sform(affine, 1)
    image.set_qform(affine, 1, strip_shears=True)
    return save(path, image)


def save(path: Path, image: nibabel.Nifti1Image) -> Path:
    """Write an image; the same one gives the same bytes."""
    raw = image.to_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw, 4, mtime=0) if path.suffix == ".gz" else raw)
    return path
