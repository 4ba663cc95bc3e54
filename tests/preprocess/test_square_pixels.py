"""What is round in the patient is round in a sample, whatever the sides of a file's pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from scantune import io
from scantune.config.input import ImageInput
from scantune.preprocess import display
from scantune.preprocess.own_grid import own_grid
from tests.io.test_square_pixels import video
from tests.preprocess.direct import prepare_image, prepare_video

_DISC = 12.0  # mm, radius


def _disc(sides: tuple[float, float], extent: tuple[float, float] = (48.0, 60.0)) -> np.ndarray:
    """A disc amid black, uint8 [H, W], of pixels of (height, width) ``sides`` in mm."""
    shape = [round(length / side) for length, side in zip(extent, sides, strict=True)]
    y, x = ((np.arange(n) + 0.5 - n / 2) * side for n, side in zip(shape, sides, strict=True))
    return (200 * (np.hypot(y[:, None], x[None]) < _DISC)).astype(np.uint8)


def _dicom(path: Path, sides: tuple[float, float], how: str) -> Path:
    io.write_dicom_image(path, _disc(sides), patient_id="p", seed="s")
    header = pydicom.dcmread(path)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if keyword in header:
            delattr(header, keyword)
    if how == "PixelAspectRatio":
        header.PixelAspectRatio = [round(10 * side) for side in sides]
    elif how:
        setattr(header, how, list(sides))
    header.save_as(path)
    return path


def _slice(path: Path, sides: tuple[float, float]) -> Path:
    """An axial slice whose rows run to the patient's left and whose columns run to the back."""
    affine = np.diag([-sides[1], -sides[0], 3.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(_disc(sides).T[..., None].astype(np.int16), affine), path)
    return path


def _still(path: Path, sides: tuple[float, float], turned: bool) -> Path:
    """A picture whose density states its pixels' sides; ``turned``: stored with its columns as rows, upwards."""
    density = round(100 / sides[1]), round(100 / sides[0])
    picture, exif = Image.fromarray(_disc(sides)), Image.Exif()
    if turned:
        picture, density = picture.rotate(90, expand=True), density[::-1]
        exif[0x0112] = 6
    picture.save(path, dpi=density, exif=exif)
    return path


def _extent(picture: np.ndarray) -> tuple[int, int]:
    """Rows and columns of what is bright."""
    bright = picture > picture.max() / 2
    return int(bright.any(axis=1).sum()), int(bright.any(axis=0).sum())


SIDES = [(1.0, 0.5), (0.4, 1.0), (0.5, 0.5)]


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("resize", ["pad", "crop"])
@pytest.mark.parametrize("kind", ["PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio", "nifti"])
def test_a_disc_in_a_picture_stays_a_disc(tmp_path, sides, resize, kind):
    path = _slice(tmp_path / "a.nii", sides) if kind == "nifti" else _dicom(tmp_path / "a.dcm", sides, kind)
    prepared = prepare_image([path], shape=[96, 96], resize=resize, intensity={"name": "scale"})
    rows, columns = _extent(prepared.tensor[0].astype(np.float32))
    side = 60 / 96 if resize == "pad" else 48 / 96  # mm
    assert (rows, columns) == pytest.approx((2 * _DISC / side,) * 2, abs=2)
    if prepared.spacing is not None:
        assert prepared.spacing == pytest.approx((side, side), rel=0.02)


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.bmp"])
def test_a_density_that_differs_by_axis_is_of_pixels_that_are_not_square(tmp_path, sides, turned, name):
    prepared = prepare_image([_still(tmp_path / name, sides, turned and name != "a.bmp")], shape=[96, 96])
    assert _extent(prepared.tensor[0].astype(np.float32)) == pytest.approx((2 * _DISC / (60 / 96),) * 2, abs=2)
    assert prepared.spacing is None
    told = [note for note in prepared.facts["notes"] if "not square (density" in note]
    assert len(told) == (sides[0] != sides[1])


def test_stretched_pictures_and_those_of_their_own_size_are_as_stored(tmp_path):
    path = _dicom(tmp_path / "a.dcm", (1.0, 0.5), "PixelSpacing")
    assert prepare_image([path]).tensor.shape[1:] == (48, 120)
    rows, columns = _extent(prepare_image([path], shape=[96, 96], resize="stretch").tensor[0])
    assert rows / columns == pytest.approx(60 / 48, rel=0.1)


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("resize", ["pad", "crop"])
def test_the_mask_lies_over_its_picture_and_gets_back_to_the_file(tmp_path, sides, resize):
    path, mask = _dicom(tmp_path / "a.dcm", sides, "PixelSpacing"), _disc(sides) // 200
    import cv2

    cv2.imwrite(str(tmp_path / "m.png"), mask)
    prepared = prepare_image([path], [tmp_path / "m.png"], shape=[200, 200], resize=resize)
    assert prepared.mask is not None
    bright = prepared.tensor[0].astype(np.float32) > prepared.tensor.max() / 2
    overlap = (bright & (prepared.mask[0] > 0)).sum() / (bright | (prepared.mask[0] > 0)).sum()
    assert overlap > 0.93
    grid = own_grid(prepared.facts)
    assert grid is not None
    back = grid.labels_back(prepared.mask[0])
    assert back.shape == mask.shape
    assert (back != mask).mean() < 0.01


def test_frames_of_a_container_are_brought_to_their_proportions(tmp_path):
    video(tmp_path / "square.mp4", None)
    video(tmp_path / "wide.mp4", (2, 1))
    shapes = [
        _extent(prepare_video([tmp_path / name], frames=2, shape=[116, 144]).tensor[0, 0])
        for name in ("square.mp4", "wide.mp4")
    ]
    ratios = [columns / rows for rows, columns in shapes]
    assert ratios[1] / ratios[0] == pytest.approx(2, rel=0.1)


def test_frames_of_dicom_are_brought_to_their_proportions(tmp_path):
    frames = np.stack([np.roll(_disc((1.0, 0.5)), t, axis=1) for t in range(4)])
    io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="s", encoding="raw")
    header = pydicom.dcmread(tmp_path / "a.dcm")
    header.PixelSpacing = [1.0, 0.5]
    header.save_as(tmp_path / "a.dcm")
    rows, columns = _extent(prepare_video([tmp_path / "a.dcm"], frames=2, shape=[96, 96]).tensor[0, 0])
    assert rows == pytest.approx(columns, abs=2)


def _shown(path: Path, **keys: Any) -> tuple[np.ndarray, float]:
    """The display copy [H, W] and the height of its pixels over their width."""
    settings = ImageInput.model_validate({"dataset": "d", "modality": "image", **keys}).model_dump(mode="json")
    facts = prepare_image([path]).facts
    copy = display.make([path], settings, facts)
    return copy.picture, 1.0 if copy.spacing is None else copy.spacing[0] / copy.spacing[1]


@pytest.mark.parametrize("kind", ["PixelSpacing", "PixelAspectRatio"])
def test_a_disc_is_displayed_as_a_disc(tmp_path, kind):
    picture, aspect = _shown(_dicom(tmp_path / "a.dcm", (1.0, 0.5), kind))
    rows, columns = _extent(picture.astype(np.float32))
    assert rows * aspect == pytest.approx(columns, abs=2)
