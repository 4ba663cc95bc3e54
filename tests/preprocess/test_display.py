"""What people are shown of a sample: its own file in eight bits, with its window and grid, and the privacy steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scantune import io
from scantune.config.input import ImageInput, VideoInput, VolumeInput
from scantune.preprocess import display, display_copy, prepare
from scantune.preprocess.display_copy import DisplayCopy
from scantune.records import ReadError


def facts_of(path: Path, settings: Any) -> Mapping[str, Any]:
    return prepare([path], [], settings).facts


def copy_of(path: Path, settings: Any) -> DisplayCopy:
    return display.make([path], settings.model_dump(mode="json"), facts_of(path, settings))


def film(**keys: Any) -> ImageInput:
    return ImageInput(dataset="d", modality="image", shape=[64, 64], **keys)


def test_a_film_is_shown_whole_in_its_own_units_and_window(tmp_path: Path) -> None:
    pixels = np.arange(120 * 90, dtype=np.uint16).reshape(120, 90) % 4000
    tags = {"WindowCenter": 2000, "WindowWidth": 1000}
    io.write_dicom_image(tmp_path / "a.dcm", pixels, patient_id="p", seed="1", bits=12, tags=tags)
    copy = copy_of(tmp_path / "a.dcm", film(intensity="percentile"))
    assert copy.window == (1500, 2500)
    np.testing.assert_allclose(copy.image, np.clip(pixels.astype(float), 1500, 2500), atol=1000 / 510 + 1e-3)


def test_a_large_still_is_shrunk_and_its_spacing_grows(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4000, (1500, 1100)).astype(np.uint16)
    io.write_dicom_image(tmp_path / "a.dcm", pixels, patient_id="p", seed="1", bits=12, spacing=(0.2, 0.2))
    copy = copy_of(tmp_path / "a.dcm", film())
    assert copy.picture.shape == (display.STILL_EDGE, 751)
    assert copy.spacing == pytest.approx((0.2 * 1500 / 1024, 0.2 * 1100 / 751))


def test_colour_is_shown_as_it_is(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    io.write_png(tmp_path / "a.png", picture)
    np.testing.assert_allclose(copy_of(tmp_path / "a.png", film(channels=3)).picture, picture, atol=1)


def test_a_still_is_shown_sharp_whatever_resolution_its_tensor_has(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    io.write_png(tmp_path / "a.png", picture)
    copy = copy_of(tmp_path / "a.png", film(channels=3, resolution=[16, 16]))
    np.testing.assert_allclose(copy.picture, picture, atol=1)


def scan(path: Path, shape: tuple[int, int, int] = (20, 30, 24)) -> tuple[np.ndarray, np.ndarray]:
    array = np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)
    affine = np.array([[2.0, 0, 0, -9], [0, 2, 0, 4], [0, 0, 2.5, 7], [0, 0, 0, 1]])
    io.write_nifti(path, io.Volume(array, affine))
    return array, affine


def volume(**keys: Any) -> VolumeInput:
    return VolumeInput(dataset="d", modality="volume", **keys)


def test_a_scan_is_shown_on_its_own_grid_and_a_blanked_face_stays_blank(tmp_path: Path) -> None:
    array, affine = scan(tmp_path / "a.nii.gz")
    copy = copy_of(tmp_path / "a.nii.gz", volume(spacing=[4, 4, 4], shape=[8, 8, 8]))
    facts = facts_of(tmp_path / "a.nii.gz", volume())
    low, high = np.percentile(array, [0.5, 99.5])
    np.testing.assert_allclose(copy.image, (np.clip(array, low, high) - low) / (high - low), atol=1 / 509)
    np.testing.assert_allclose(copy.affine, affine)
    assert copy.spacing == (2.5, 2.0, 2.0)
    with pytest.raises(ReadError, match="so the face cannot be found"):  # then nothing is shown, and not the whole
        display.make([tmp_path / "a.nii.gz"], volume(deface=True).model_dump(mode="json"), facts)


def test_a_large_scan_is_shown_coarser_in_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array, affine = scan(tmp_path / "a.nii.gz")
    monkeypatch.setattr(display, "VOXELS", array.size / 8)
    copy = copy_of(tmp_path / "a.nii.gz", volume())
    assert copy.picture.shape == (10, 15, 12)
    assert copy.affine is not None
    middle, own = (np.array([*(np.array(s[::-1]) - 1) / 2, 1]) for s in (copy.picture.shape, array.shape))
    np.testing.assert_allclose(copy.affine @ middle, affine @ own, atol=1e-3)
    kept = facts_of(tmp_path / "a.nii.gz", volume())
    np.testing.assert_allclose(kept["own_affine"], affine)


def test_text_outside_the_sector_stays_blank(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = np.zeros((6, 120, 160), np.uint8)
    frames[:, 30:110, 40:120] = rng.integers(20, 255, (6, 80, 80))
    frames[:, 2:8, 2:30] = 255  # a name
    io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding="raw")
    loop = {"dataset": "d", "modality": "video", "shape": [32, 32], "frames": 3, "period": 2}
    copy = copy_of(tmp_path / "a.dcm", VideoInput(**loop, sector=True))
    assert copy.picture.shape == (3, 120, 160)
    assert copy.picture[:, :10, :32].max() == 0
    np.testing.assert_array_equal(copy.picture[1, 40:100, 50:110], frames[2, 40:100, 50:110])
    with pytest.raises(ReadError, match="sector: true blanks it"):
        copy_of(tmp_path / "a.dcm", VideoInput(**loop))


def test_text_that_nothing_blanks_is_not_shown(tmp_path: Path) -> None:
    import cv2

    text = cv2.putText(np.zeros((400, 400), np.uint8), "DOE JOHN 1961-02-14", (20, 40), 0, 0.8, 255, 2)
    pixels = np.random.default_rng(0).integers(0, 300, text.shape).astype(np.uint16)
    pixels[text > 100] = 4000
    io.write_dicom_image(tmp_path / "a.dcm", pixels, patient_id="p", seed="1", bits=12)
    with pytest.raises(ReadError, match="mask_text would blank"):
        copy_of(tmp_path / "a.dcm", film())
    blanked = copy_of(tmp_path / "a.dcm", film(mask_text=True))
    assert np.ptp(blanked.picture[22:43, 25:290]) < 3


@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3), (5, 7, 9), (4, 7, 9, 3), (2, 3)])
def test_a_copy_is_read_as_it_was_written(tmp_path: Path, shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    whole = DisplayCopy(picture, (-1000.0, 400.0), (1.5, 0.5), np.diag([2.0, 2, 3, 1]))
    display_copy.write(tmp_path / "a.safetensors", whole)
    loaded = display_copy.read(tmp_path / "a.safetensors")
    assert loaded is not None
    np.testing.assert_array_equal(loaded.picture, picture)
    np.testing.assert_array_equal(loaded.affine, whole.affine)
    assert (loaded.window, loaded.spacing) == (whole.window, whole.spacing)
    np.testing.assert_allclose(display_copy.grey(loaded.image, loaded.window) * 255, picture, atol=1e-3)
    display_copy.write(tmp_path / "none.safetensors", None)
    assert display_copy.read(tmp_path / "none.safetensors") is None


def test_inputs_that_differ_in_shape_alone_share_a_copy() -> None:
    small, large, grey, blanked = (
        display.as_it_is(one.model_dump(mode="json"))
        for one in (film(), film(intensity="percentile", clahe={}), film(channels=3), film(mask_text=True))
    )
    assert small == large
    assert small != grey
    assert small != blanked
