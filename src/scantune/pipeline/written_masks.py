"""Predicted masks of an evaluation as files, on the grids of the images' files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scantune import io
from scantune.preprocess import store


def write_mask(folder: Path, sample_id: str, mask: np.ndarray, prepared: Path) -> str:
    """Write a mask, named by its sample; the files of the cohort are not read.

    Args:
        folder: of the masks.
        sample_id: of the sample.
        mask: labels, uint8 [H, W], or [D, H, W] in RAS+ order of axes, on the grid of the image's file.
        prepared: the sample in the cache, which knows that grid.

    Returns:
        The file's name: PNG of a picture, NIfTI of a volume, with the size, order of axes and affine of the image's
        file where that is NIfTI, NRRD or MetaImage, in RAS+ where it is DICOM.
    """
    if mask.ndim == 2:
        name = f"{sample_id}.png"
        folder.mkdir(parents=True, exist_ok=True)
        io.write_png(folder / name, mask)
        return name
    reading, name = store.facts(prepared)["reading"], f"{sample_id}.nii.gz"
    as_stored = reading.get("format") != "dicom" and not reading.get("upright")
    volume = io.Volume(mask, np.array(reading["own_affine"], np.float64))
    io.write_nifti(folder / name, volume, dtype="uint8", codes=reading["orientation"] if as_stored else "RAS")
    return name
