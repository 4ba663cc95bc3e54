"""A folder that is to be one sample holds no other of the same kind."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from scantune import io
from scantune.preprocess.one_sample import refuse_others
from scantune.records import ReadError

PIXELS = np.random.default_rng(0).integers(0, 255, (16, 16)).astype(np.uint8)


def picture(folder: Path) -> None:
    io.write_png(folder / "a.png", PIXELS)


def film(folder: Path) -> None:
    io.write_dicom_image(folder / "x.dcm", PIXELS.astype(np.uint16), patient_id="p", seed="s", bits=12)


def packed(folder: Path) -> None:
    film(folder)
    (folder / "x.dcm.gz").write_bytes(gzip.compress((folder / "x.dcm").read_bytes()))
    (folder / "x.dcm").unlink()


def loop(folder: Path) -> None:
    io.write_video(folder / "loop.avi", np.stack([PIXELS] * 4))


def scan(folder: Path) -> None:
    io.write_nifti(folder / "scan.nii.gz", io.Volume(np.stack([PIXELS] * 4).astype(np.float32), np.eye(4)))


def meta(folder: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([PIXELS] * 4)), str(folder / "scan.mhd"))


def text(folder: Path) -> None:
    (folder / "readme.txt").write_text("nothing to see")
    (folder / ".hidden.png").write_bytes(b"\x89PNG\r\n\x1a\n")


Writer = Callable[[Path], None]


@pytest.mark.parametrize(
    ("modality", "writers", "words"),
    [
        ("image", [film, text, loop], ""),
        ("image", [packed], ""),
        ("image", [film, picture], "1 DICOM file and 1 other image:"),
        ("image", [picture, scan], "holds 2 images:"),
        ("image", [packed, meta], "1 DICOM file and 1 other image:"),  # header and data are one
        ("video", [film, picture], ""),
        ("video", [film, loop], "1 DICOM file and 1 other video:"),
        ("volume", [film, picture, loop, text], ""),
        ("volume", [film, scan, meta], "1 DICOM file and 2 other volumes:"),
    ],
)
def test_a_folder_with_samples_beside_its_series_is_refused(
    tmp_path: Path, modality: str, writers: list[Writer], words: str
) -> None:
    inner = tmp_path / "study/series"
    inner.mkdir(parents=True)
    for write in writers:
        write(inner)
    if not words:
        refuse_others(tmp_path / "study", modality)
        return
    with pytest.raises(ReadError) as caught:
        refuse_others(tmp_path / "study", modality)
    assert words in caught.value.reason
    assert str(tmp_path) not in caught.value.reason
    for file in inner.iterdir():
        refuse_others(file, modality)
