"""What a map is drawn over: the sample's own file, at its resolution, window and sides, with the privacy steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scantune import io
from scantune.pipeline.data.originals import Originals, sides_of
from scantune.config.dataset import DatasetConfig
from scantune.config.input import ImageInput, VideoInput, VolumeInput


def originals(root: Path, settings: object) -> Originals:
    names = sorted(path.name for path in root.iterdir() if path.suffix != ".csv" and path.is_file())
    (root / "cohort.csv").write_text("id,file\n" + "".join(f"s{i},{name}\n" for i, name in enumerate(names)))
    block = DatasetConfig(root=str(root), table="cohort.csv", files="{file}", sample="{id}")
    return Originals(block, settings.model_dump(mode="json"))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("facts", "sides"),
    [
        ({"patient_orientation": ["L", "F"], "view": None}, ("R", "L")),
        ({"patient_orientation": ["R", "F"], "view": "PA"}, ("L", "R")),  # mirrored: the header is believed
        ({"patient_orientation": ["P", "F"]}, ("A", "P")),
        ({"patient_orientation": ["AR", "F"]}, ("PL", "AR")),
        ({"patient_orientation": None, "view": "PA"}, ("R", "L")),
        ({"patient_orientation": None, "view": "AP"}, ("R", "L")),
        ({"patient_orientation": None, "view": "MLO"}, None),
        ({}, None),
    ],
)
def test_sides_are_what_the_header_says(facts: dict, sides: tuple[str, str] | None) -> None:
    assert sides_of(facts) == sides


def test_a_film_is_shown_whole_in_its_own_units_window_and_sides(tmp_path: Path) -> None:
    pixels = np.arange(120 * 90, dtype=np.uint16).reshape(120, 90) % 4000
    tags = {"PatientOrientation": ["L", "F"], "WindowCenter": 2000, "WindowWidth": 1000}
    io.write_dicom_image(tmp_path / "a.dcm", pixels, patient_id="p", seed="1", bits=12, tags=tags)
    held = originals(tmp_path, ImageInput(dataset="d", modality="image", shape=[64, 64], intensity="percentile"))
    own = held.of("s0")
    assert own is not None
    np.testing.assert_array_equal(own["image"], pixels)
    assert own["window"] == (1500, 2500)
    assert own["sides"] == ("R", "L")
    assert own["box"] == pytest.approx((0, -15, 120, 120), abs=2)  # padded at both sides
    assert held.of("unknown") is None


def test_colour_is_shown_as_it_is(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    io.write_png(tmp_path / "a.png", picture)
    own = originals(tmp_path, ImageInput(dataset="d", modality="image", shape=[32, 32], channels=3)).of("s0")
    assert own is not None
    np.testing.assert_allclose(own["image"], picture / 255, atol=1e-3)


def test_a_scan_is_shown_on_its_own_grid_and_a_blanked_face_stays_blank(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(100, 20, (20, 30, 24)).astype(np.float32)
    affine = np.diag([2.0, 2.0, 2.5, 1.0])
    io.write_nifti(tmp_path / "a.nii.gz", io.Volume(array, affine))
    own = originals(tmp_path, VolumeInput(dataset="d", modality="volume", spacing=[4, 4, 4], shape=[8, 8, 8])).of("s0")
    assert own is not None
    np.testing.assert_allclose(own["image"], array, rtol=1e-5)
    np.testing.assert_allclose(own["affine"], affine)
    assert own["spacing"] == (2.5, 2.0, 2.0)
    assert own["stored"] == "RAS"
    blanked = originals(tmp_path, VolumeInput(dataset="d", modality="volume", deface=True)).of("s0")
    assert blanked is None or (blanked["image"] != own["image"]).any()


def test_text_outside_the_sector_stays_blank(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = np.zeros((6, 120, 160), np.uint8)
    frames[:, 30:110, 40:120] = rng.integers(20, 255, (6, 80, 80))
    frames[:, 2:8, 2:30] = 255  # a name
    io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding="raw")
    settings = VideoInput(dataset="d", modality="video", shape=[32, 32], frames=3, period=2, sector=True)
    own = originals(tmp_path, settings).of("s0")
    assert own is not None
    assert own["image"].shape == (3, 120, 160)
    assert own["image"][:, :10, :32].max() == 0
    np.testing.assert_allclose(own["image"][1, 40:100, 50:110], frames[2, 40:100, 50:110] / 255, atol=1e-6)


def test_text_that_nothing_blanks_is_not_drawn_legibly(tmp_path: Path) -> None:
    """Then the small tensor that the network saw is drawn."""
    import cv2

    text = cv2.putText(np.zeros((400, 400), np.uint8), "DOE JOHN 1961-02-14", (20, 40), 0, 0.8, 255, 2)
    pixels = np.random.default_rng(0).integers(0, 300, text.shape).astype(np.uint16)
    pixels[text > 100] = 4000
    io.write_dicom_image(tmp_path / "a.dcm", pixels, patient_id="p", seed="1", bits=12)
    plain: dict = {"dataset": "d", "modality": "image", "shape": [64, 64]}
    assert originals(tmp_path, ImageInput(**plain)).of("s0") is None
    blanked = originals(tmp_path, ImageInput(**plain, mask_text=True)).of("s0")
    assert blanked is not None
    assert blanked["image"][20:45, 20:300].max() < 1000
    frames = np.random.default_rng(0).integers(0, 255, (4, 40, 40)).astype(np.uint8)
    (tmp_path / "loops").mkdir()
    io.write_cine(tmp_path / "loops" / "a.dcm", frames, patient_id="p", seed="1", encoding="raw")
    assert originals(tmp_path / "loops", VideoInput(dataset="d", modality="video", frames=2)).of("s0") is None


def test_without_the_files_there_is_nothing_and_no_error(tmp_path: Path) -> None:
    settings = ImageInput(dataset="d", modality="image").model_dump(mode="json")
    gone = DatasetConfig(root=str(tmp_path / "gone"), table="cohort.csv", files="{file}")
    assert Originals(gone, settings).of("a") is None
    assert Originals(None, settings).of("a") is None
