"""NIfTI written. The same volume gives the same bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np

from scantune.io.arrays import Volume


def write_nifti(path: Path | str, volume: Volume, *, dtype: str | None = None, description: str = "") -> Path:
    """Write a volume as NIfTI-1, sform and qform both set.

    Args:
        path: ending in .nii or .nii.gz.
        volume: in RAS+.
        dtype: of the file ("int16", "uint8", "float32"); integers are rounded. None keeps the array's.
        description: at most 79 characters.
    """
    path = Path(path)
    array = volume.array.transpose(2, 1, 0)  # D H W -> i j k
    if dtype is not None and np.dtype(dtype) != array.dtype:
        array = np.rint(array).astype(dtype) if np.dtype(dtype).kind in "iu" else array.astype(dtype)
    image = nibabel.Nifti1Image(array, volume.affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description.encode()[:79]
    image.set_sform(volume.affine, 1)
    image.set_qform(volume.affine, 1, strip_shears=True)
    return save(path, image)


def save(path: Path, image: nibabel.Nifti1Image) -> Path:
    """Write an image; the same one gives the same bytes."""
    raw = image.to_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw, 4, mtime=0) if path.suffix == ".gz" else raw)
    return path
