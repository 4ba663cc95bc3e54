"""From a head to its brain in MNI152: extraction, bias field, registration, and what goes back to the patient."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest

from scantune import io
from scantune.config.input import VolumeInput
from scantune.preprocess import prepare
from scantune.preprocess.brain import bias_field, extraction, registration
from scantune.preprocess.brain.space import into_brain_space
from scantune.preprocess.check import pictures
from scantune.preprocess.own_grid import own_grid
from scantune.records import ReadError

#: Corners of a box around the brain, RAS+ mm, homogeneous.
CORNERS = np.array([[x, y, z, 1.0] for x in (-60, 60) for y in (-90, 60) for z in (-40, 70)]).T


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def rigid(angles: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    import SimpleITK as sitk

    matrix = np.eye(4)
    matrix[:3, :3] = np.array(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = shift
    return matrix


def block(**brain) -> VolumeInput:
    return VolumeInput.model_validate(
        {
            "dataset": "heads",
            "modality": "volume",
            "spacing": [3, 3, 3],
            "shape": [56, 68, 56],
            "intensity": "white_stripe",
            "brain": brain,
        }
    )


@pytest.mark.slow
def test_the_brain_is_found_in_a_head(head):
    result = extraction.brain_mask(head.volume)
    assert dice(result, head.brain) > 0.93


def test_a_channel_without_any_brain_is_a_reason(head):
    far = io.Volume(head.volume.array, head.volume.affine + np.array([[0.0, 0, 0, 1000]] + [[0.0] * 4] * 3))
    stripped = io.Volume(np.where(head.brain, head.volume.array, 0), head.volume.affine)
    options = {"extract": "stripped", "bias_field": True, "registration": "none", "min_overlap": 0.8}
    with pytest.raises(ReadError, match="shows nothing of the brain"):
        into_brain_space([stripped, far], **options)
    with pytest.raises(ReadError, match="constant"):
        into_brain_space([io.Volume(np.ones((9, 9, 9), np.float32), np.eye(4))], **options)


def test_what_is_no_head_is_a_reason():
    with pytest.raises(ReadError, match="no brain found"):
        extraction.brain_mask(io.Volume(np.zeros((20, 20, 20), np.float32), np.diag([4.0, 4, 4, 1])))


@pytest.mark.parametrize(
    "kind", [pytest.param("rigid", marks=pytest.mark.heavy), pytest.param("affine", marks=pytest.mark.slow)]
)
def test_a_known_movement_is_taken_back_to_a_fraction_of_a_voxel(head, kind):
    known = rigid((0.25, -0.2, 0.3), (25, -30, 12))  # up to 17 degrees, 41 mm
    if kind == "affine":
        known = known @ np.diag([1.08, 0.94, 1.05, 1])
    placed = registration.register(io.Volume(head.volume.array, known @ head.volume.affine), head.brain, kind)
    error = np.linalg.norm((placed.to_template @ known @ CORNERS - CORNERS)[:3], axis=0)
    assert error.max() < 1.0
    assert placed.overlap > 0.97


@pytest.mark.slow
def test_a_bias_field_is_taken_out(head):
    depth, height, width = head.volume.array.shape
    along = np.linspace(-1, 1, height)[None, :, None] * np.ones((depth, 1, width))
    field = np.exp(0.35 * along)
    shaded = io.Volume((head.volume.array * field).astype(np.float32), head.volume.affine)
    corrected, ratio = bias_field.without_bias_field(shaded, head.brain)
    assert ratio > 1.3
    change = np.log(corrected[head.brain] / head.volume.array[head.brain])
    assert change.std() < 0.4 * np.log(field[head.brain]).std()


@pytest.mark.slow
def test_a_stripped_scan_lies_in_the_template_and_its_mask_in_the_patient(head, tmp_path, monkeypatch):
    known = rigid((0.2, 0.1, -0.15), (10, 12, -8))
    affine = known @ head.volume.affine
    brain = np.where(head.brain, head.volume.array, 0).transpose(2, 1, 0)
    nibabel.save(nibabel.Nifti1Image(brain.astype(np.float32), affine), tmp_path / "scan.nii.gz")
    label = head.brain.copy()
    label[: label.shape[0] // 2] = False  # the upper half
    nibabel.save(nibabel.Nifti1Image(label.transpose(2, 1, 0).astype(np.uint8), affine), tmp_path / "mask.nii.gz")
    prepared = prepare(
        [tmp_path / "scan.nii.gz"], [tmp_path / "mask.nii.gz"], block(extract="stripped", bias_field=False)
    )
    assert prepared.tensor.shape == (1, 56, 68, 56)
    assert prepared.facts["brain"]["overlap"] > 0.95
    grid = registration.template_grid((3, 3, 3), (56, 68, 56))
    values = prepared.tensor[0].astype(np.float32)
    assert dice(values > values.min(), registration.outline(grid)) > 0.95
    assert abs(np.median(values[values > np.percentile(values, 97)])) < 4  # white matter lies at 0, in its own SDs
    stored = {"reading": prepared.facts}
    monkeypatch.setattr("scantune.preprocess.store.facts", lambda path: stored)
    monkeypatch.setattr("scantune.preprocess.store.load", lambda path: {"input": prepared.tensor})
    picture = pictures.picture(tmp_path)
    assert picture.shape == (200, 600, 3)
    assert {tuple(pixel) for pixel in picture.reshape(-1, 3).tolist()} >= {(0x56, 0xB4, 0xE9)}  # the template's outline
    back = own_grid(json.loads(json.dumps(prepared.facts)))
    assert back is not None
    assert prepared.mask is not None
    assert prepared.own_mask is not None
    assert dice(back.labels_back(prepared.mask[0]) > 0, prepared.own_mask > 0) > 0.93


@pytest.mark.slow
def test_a_brain_that_does_not_fit_the_template_is_a_reason_with_its_value(head, tmp_path):
    half = head.brain.copy()
    half[:, :, : half.shape[2] // 2] = False
    array = np.where(half, head.volume.array, 0).transpose(2, 1, 0).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(array, head.volume.affine), tmp_path / "half.nii.gz")
    with pytest.raises(ReadError, match=r"Dice of 0\.\d\d, below 0\.8 \(brain\.min_overlap\)"):
        prepare([tmp_path / "half.nii.gz"], [], block(extract="stripped", bias_field=False))


@pytest.mark.heavy
def test_the_same_scan_gives_the_same_tensor(head, tmp_path):
    array = np.where(head.brain, head.volume.array, 0).transpose(2, 1, 0).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(array, head.volume.affine), tmp_path / "scan.nii.gz")
    one, two = (prepare([tmp_path / "scan.nii.gz"], [], block(extract="stripped")) for _ in range(2))
    assert np.array_equal(one.tensor, two.tensor)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"brain": True, "center": "foreground"}, "center and crop have no effect"),
        ({"intensity": "white_stripe"}, "needs a brain without skull"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        VolumeInput.model_validate({"dataset": "heads", "modality": "volume", **keys})
