"""A mask of an image of one slice is written as the image's NIfTI file is stored."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from scantune import io
from scantune.records import ScantuneError

TURNS = {
    "axial": np.diag([-0.7, 0.9, 3.0, 1.0]),
    "coronal": np.array([[0.7, 0, 0, 5], [0, 0, -3.0, 1], [0, 0.9, 0, 2], [0, 0, 0, 1]]),
    "sagittal": np.array([[0, 0, 3.0, 5], [-0.7, 0, 0, 1], [0, 0.9, 0, 2], [0, 0, 0, 1]]),
    "unknown": None,
}


@pytest.mark.parametrize("turn", TURNS)
def test_the_mask_lies_voxel_by_voxel_on_its_image(turn: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 900, (9, 7, 1)).astype(np.int16)
    nibabel.Nifti1Image(values, TURNS[turn]).to_filename(tmp_path / "image.nii.gz")
    image = io.read(tmp_path / "image.nii.gz")
    assert isinstance(image, io.Image)
    written = io.write_nifti_slice_like(
        tmp_path / "mask.nii.gz", (image.array[0] > 500).astype(np.uint8), tmp_path / "image.nii.gz",
        image.facts["orientation"],
    )  # fmt: skip
    back, source = nibabel.load(written), nibabel.load(tmp_path / "image.nii.gz")
    np.testing.assert_array_equal(np.asarray(back.dataobj), values > 500)
    np.testing.assert_allclose(back.affine, source.affine, atol=1e-6)
    assert back.header["sform_code"] == source.header["sform_code"]
    with pytest.raises(ScantuneError, match="the mask has"):
        io.write_nifti_slice_like(
            written, np.zeros((3, 3), np.uint8), tmp_path / "image.nii.gz", image.facts["orientation"]
        )
