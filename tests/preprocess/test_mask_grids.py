"""A mask on another grid is refused, or lies where its affine says, and what it does not cover is not marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from scantune import io
from scantune.preprocess.masks import MaskError
from scantune.records import ReadError
from tests.io.files import rotation, series, volume
from tests.io.test_dicom_masks import MODEL, _box, _structure_set
from tests.io.test_nrrd_segments import write as write_segments
from tests.preprocess.direct import prepare_volume

_PLAIN: dict[str, Any] = {"intensity": {"name": "none"}, "dtype": "float32", "mask_grid": "place"}


@pytest.fixture
def image(tmp_path: Path) -> io.Volume:
    """An oblique volume of unequal spacing, written to ``i.nii``."""
    affine = np.eye(4)
    affine[:3, :3] = rotation(4, -3, 6) @ np.diag([0.9, 1.1, 2.5])
    affine[:3, 3] = (-20, 14, 33)
    image = io.Volume(np.random.default_rng(0).random((14, 20, 24), np.float32), affine)
    io.write_nifti(tmp_path / "i.nii", image)
    return image


def _labels(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, shape).astype(np.float32)


def _shifted(affine: np.ndarray, i: float, j: float, k: float) -> np.ndarray:
    moved = affine.copy()
    moved[:3, 3] = (affine @ (i, j, k, 1))[:3]
    return moved


def _prepared(folder: Path, mask: io.Volume, name: str = "m.nii", **keys: Any) -> Any:
    io.write_nifti(folder / name, mask)
    return prepare_volume([folder / "i.nii"], [folder / name], **_PLAIN | keys)


def _notes(prepared: Any) -> str:
    return " | ".join(prepared.facts["notes"])


def test_a_mask_cropped_from_its_image_marks_the_same_voxels(tmp_path, image):
    whole = _labels(image.array.shape)
    part = np.zeros_like(whole)
    part[3:9, 5:17, 2:20] = whole[3:9, 5:17, 2:20]
    cropped = io.Volume(whole[3:9, 5:17, 2:20], _shifted(image.affine, 2, 5, 3))
    prepared = _prepared(tmp_path, cropped)
    np.testing.assert_array_equal(prepared.own_mask, part)
    np.testing.assert_array_equal(prepared.mask[0], part)
    assert "on another grid" in _notes(prepared)
    assert "outside" not in _notes(prepared)
    assert not _notes(_prepared(tmp_path, io.Volume(whole, image.affine), "whole.nii"))


def test_without_the_key_a_mask_on_another_grid_is_refused_with_both(tmp_path, image):
    cropped = io.Volume(_labels((6, 12, 18)), _shifted(image.affine, 2, 5, 3))
    with pytest.raises(MaskError, match=r"differ in geometry: 24×20×14 .* and 18×12×6 .*'mask_grid: place'.*resample"):
        _prepared(tmp_path, cropped, mask_grid="refuse")


def test_a_mask_larger_than_its_image_is_cut_and_told(tmp_path, image):
    larger = np.zeros((18, 24, 28), np.float32)
    larger[0, 0, :5], larger[6:9, 8:12, 10:14] = 1, 2
    prepared = _prepared(tmp_path, io.Volume(larger, _shifted(image.affine, -2, -2, -2)))
    np.testing.assert_array_equal(prepared.own_mask, larger[2:16, 2:22, 2:26])
    assert "5 of 53 marked voxels of the mask lie outside" in _notes(prepared)
    assert "labels 1, which are too small" in _notes(prepared), "a label that is wholly outside is told by name too"


@pytest.mark.parametrize(
    ("turned", "spacing", "shape"),
    [((0, 0, 0), (1.7, 0.6, 3.1), (10, 30, 12)), ((20, 10, -35), (1, 1, 1), (40, 40, 40))],
)
def test_any_grid_gives_the_nearest_label_as_simpleitk_does(tmp_path, image, turned, spacing, shape):
    affine = np.eye(4)
    affine[:3, :3] = rotation(*turned) @ np.diag(spacing)
    middle = image.affine @ (*(np.array(image.array.shape[::-1]) / 2), 1)
    affine[:3, 3] = middle[:3] - affine[:3, :3] @ (np.array(shape[::-1]) / 2 - 0.37)
    mask = io.Volume(_labels(shape), affine)
    prepared = _prepared(tmp_path, mask)

    def of(volume: io.Volume) -> Any:
        lps = np.diag([-1.0, -1, 1, 1]) @ volume.affine
        steps = np.sqrt((lps[:3, :3] ** 2).sum(axis=0))
        result = sitk.GetImageFromArray(volume.array)
        result.SetOrigin(lps[:3, 3].tolist())
        result.SetSpacing(steps.tolist())
        result.SetDirection((lps[:3, :3] / steps).ravel().tolist())
        return result

    expected = sitk.GetArrayFromImage(sitk.Resample(of(mask), of(image), sitk.Transform(), sitk.sitkNearestNeighbor))
    assert (prepared.own_mask != expected).mean() < 0.002  # middles on a border between two voxels
    assert prepared.own_mask.any()


def test_what_lies_nowhere_on_the_image_is_refused(tmp_path, image):
    with pytest.raises(MaskError, match=r"the mask lies outside of its image: 24×20×14 .* and 6×6×6"):
        _prepared(tmp_path, io.Volume(np.ones((6, 6, 6), np.float32), _shifted(image.affine, 40, 0, 0)))
    beside = np.zeros((6, 6, 20), np.float32)
    beside[:, :, 15:] = 1
    with pytest.raises(MaskError, match="all that is marked in it lies outside"):
        _prepared(tmp_path, io.Volume(beside, _shifted(image.affine, 14, 0, 0)))


def test_a_mask_of_the_images_size_at_another_place_may_have_lost_its_header(tmp_path, image):
    with pytest.raises(MaskError, match=r"differ in geometry.*resample the mask"):
        _prepared(tmp_path, io.Volume(_labels(image.array.shape), np.eye(4)))


def test_an_empty_mask_of_a_part_marks_nothing(tmp_path, image):
    empty = io.Volume(np.zeros((4, 4, 4), np.float32), image.affine)
    assert not _prepared(tmp_path, empty).mask.any()
    with pytest.raises(MaskError, match="empty"):
        _prepared(tmp_path, empty, empty_mask="exclude")


@pytest.mark.parametrize("keys", [{"mask_values": {0: 1, 1: 0}}, {"mask_threshold": 0}])
def test_zero_as_a_label_would_mark_what_a_part_does_not_cover(tmp_path, image, keys):
    with pytest.raises(MaskError, match="0 is one of its labels"):
        _prepared(tmp_path, io.Volume(np.ones((4, 4, 4), np.float32), image.affine), **keys)


def test_masks_of_readers_and_regions_are_placed_alike(tmp_path, image):
    whole, other = np.zeros(image.array.shape, np.float32), np.zeros(image.array.shape, np.float32)
    whole[3:9, 5:9, 4:9], other[4:9, 5:9, 4:9] = 1, 1
    io.write_nifti(tmp_path / "m.nii", io.Volume(whole, image.affine))
    io.write_nifti(tmp_path / "r.nii", io.Volume(other[4:10, 4:10, 4:10], _shifted(image.affine, 4, 4, 4)))
    paths = [tmp_path / "i.nii"], [tmp_path / "m.nii"]
    prepared = prepare_volume(*paths, rater_masks={"ann": [tmp_path / "r.nii"]}, region=tmp_path / "r.nii", **_PLAIN)
    np.testing.assert_array_equal(prepared.rater_masks["ann"] == 1, other == 1)
    np.testing.assert_array_equal(prepared.own_mask == 1, (whole == 1) & (other == 1))
    assert "reader ann: the mask is on another grid" in _notes(prepared)
    assert "region: the mask is on another grid" in _notes(prepared)


def test_a_segmentation_of_another_grid_is_placed_too(tmp_path):
    series(tmp_path / "s", volume(shape=(10, 12, 14)))
    image = io.read(tmp_path / "s")
    fine = image.affine.copy()
    fine[:3, :2] /= 2
    fine[:3, 3] -= (image.affine[:3, :2] / 4).sum(axis=1)
    mask = np.zeros((10, 24, 28), np.uint8)
    mask[2:6, 4:12, 6:20] = 1
    series(tmp_path / "fine", io.Volume(np.random.default_rng(0).random(mask.shape, np.float32) * 100, fine), seed="f")
    labels = io.Volume(mask, io.read(tmp_path / "fine").affine)
    path = io.write_segmentation(tmp_path / "seg.dcm", labels, tmp_path / "fine", {1: "lesion"}, origin=MODEL)
    with pytest.raises(ReadError, match="differ in geometry"):
        io.read_mask_object(path, image)
    placed = io.read_mask_object(path, image, placing="place")
    expected = np.zeros(image.array.shape)
    expected[2:6, 2:6, 3:10] = 1
    np.testing.assert_array_equal(placed.array, expected)
    prepared = prepare_volume([tmp_path / "s"], [path], **_PLAIN)
    assert "on another grid" in _notes(prepared)


def test_a_segmentation_of_3d_slicer_reaching_beyond_its_image_is_cut(tmp_path, image):
    stored = np.ones((8, 8, 8), np.uint8)  # W H D
    path = write_segments(tmp_path / "m.seg.nrrd", stored, _shifted(image.affine, -4, 2, 2), [("Liver", 0, 1)])
    prepared = prepare_volume([tmp_path / "i.nii"], [path], **_PLAIN)
    expected = np.zeros(image.array.shape)
    expected[2:10, 2:10, :4] = 1
    np.testing.assert_array_equal(prepared.own_mask, expected)
    assert "256 of 512 marked voxels" in _notes(prepared)


def test_contours_outside_of_the_image_are_told_and_the_others_drawn(tmp_path):
    image = volume(shape=(10, 11, 12))
    inside, above = _box((1.5, 2.5), (7.5, 8.5), 2, 4), _box((1.5, 2.5), (7.5, 8.5), 2, 13)
    beside = _box((21.5, 2.5), (27.5, 8.5), 2, 5)
    mask = io.read_mask_object(_structure_set(tmp_path / "a.dcm", image, {1: [inside, above, beside]}), image)
    expected = np.zeros(image.array.shape)
    expected[4, 3:9, 2:8] = 1
    np.testing.assert_array_equal(mask.array, expected)
    assert mask.facts["placed"] == ["2 of 3 contours lie outside of the image and do not count"]
    with pytest.raises(ReadError, match="contours lie outside"):
        io.read_mask_object(_structure_set(tmp_path / "b.dcm", image, {1: [above, beside]}), image)
