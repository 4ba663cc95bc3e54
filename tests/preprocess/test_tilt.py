"""A scan with a tilted gantry and its mask are resampled upright alike."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from scantune import io
from scantune.preprocess.masks import MaskError
from tests.io.files import edit, series
from tests.preprocess.direct import prepare_volume

_KEYS = {"intensity": {"name": "none"}, "dtype": "float32", "tilt": "resample"}


def leaning(folder: Path) -> tuple[Path, Path, np.ndarray]:
    """A series whose slices are shifted against each other, a mask of it on its own grid, and the marked voxels."""
    marked = np.zeros((12, 20, 18), bool)
    marked[3:9, 5:14, 4:12] = True
    upright = io.Volume((marked * 1000).astype(np.float32), np.diag([1.0, 1.0, 2.0, 1.0]))
    for at, path in enumerate(series(folder / "scan", upright, modality="CT")):

        def lean(dataset, at=at):
            position = [float(value) for value in dataset.ImagePositionPatient]
            dataset.ImagePositionPatient = [f"{position[0]:g}", f"{position[1] + 0.7 * at:.6f}", f"{position[2]:g}"]

        edit(path, lean)
    affine = upright.affine.copy()
    affine[1, 2] = -0.7  # posterior in DICOM is negative in NIfTI
    image = nibabel.Nifti1Image(marked.transpose(2, 1, 0).astype(np.uint8), affine)
    image.set_qform(None, 0)
    nibabel.save(image, folder / "mask.nii.gz")
    return folder / "scan", folder / "mask.nii.gz", marked


@pytest.mark.parametrize("spacing", [None, [1.5, 0.8, 2.0]])
def test_a_mask_stays_on_its_tissue(tmp_path, spacing):
    scan, mask, marked = leaning(tmp_path)
    prepared = prepare_volume([scan], [mask], **_KEYS, spacing=spacing)
    tissue, labels = prepared.tensor[0] > 500, prepared.mask[0] > 0
    assert 2 * (tissue & labels).sum() / (tissue.sum() + labels.sum()) > 0.93
    np.testing.assert_allclose(np.argwhere(tissue).mean(axis=0), np.argwhere(labels).mean(axis=0), atol=0.25)
    assert labels.sum() * np.prod(prepared.spacing) == pytest.approx(marked.sum() * 2.0, rel=0.1)


def test_a_segmentation_on_voxels_that_are_no_more_says_what_to_do(tmp_path):
    scan, _, _ = leaning(tmp_path)
    paths = sorted(scan.iterdir())
    segmented = np.zeros((20, 18), np.uint8)
    segmented[5:14, 4:12] = 1
    mask = io.write_image_segmentation(
        tmp_path / "seg.dcm", segmented, paths[4], {1: "lesion"}, origin=io.Origin("m", "1", "a")
    )
    with pytest.raises(MaskError, match=r"resampled upright.*save it as NIfTI on the grid of the image"):
        prepare_volume([scan], [mask], **_KEYS)
