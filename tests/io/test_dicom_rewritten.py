"""One picture in every encoding, and as still, loop and series: the same values.

Real files that pydicom brings along, of many kinds (rescale, palette, high bits, MONOCHROME1, colours, signed), are
decompressed, written anew in each transfer syntax that can be written here, and put into loops and series.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from scantune import io
from tests.io.files import PYDICOM_FILES
from tests.io.meaning_mutants import sources

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    *([JPEGLSLossless] if "jpeg-ls" in io.compressions() else []),
    JPEG2000Lossless,
]
_WORDS = """
CT_small MR_small examples_palette SC_rgb_rle_16bit SC_rgb_small_odd JPEG2000 693_J2KR examples_overlay
table high palette polarity
"""
NAMES = _WORDS.split()


def _source(name: str, made: list[Path]) -> pydicom.Dataset | None:
    """A bundled file, or one made here, decompressed; None where pydicom did not bring it."""
    path = next((path for path in made if path.stem == name), PYDICOM_FILES / f"{name}.dcm")
    if not path.is_file():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress()
    return dataset


def _write(dataset: pydicom.Dataset, path: Path, syntax: UID) -> Path:
    list(dataset.iterall())  # sequences that were not looked at would be written in their old encoding
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if syntax.is_encapsulated and syntax != DeflatedExplicitVRLittleEndian:
            plugin = "pyjpegls" if syntax == JPEGLSLossless else "pylibjpeg"  # GDCM's encoder ends the process on some
            dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            _swap(dataset)
        dataset.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian)
        dataset.save_as(path, enforce_file_format=False)
    return path


def _swap(dataset: pydicom.Dataset) -> None:
    """Words of pixels and tables the other way round, which pydicom leaves to its callers."""
    for element in dataset.iterall():
        words = element.VR == "OW" or (element.keyword == "PixelData" and dataset.BitsAllocated > 8)
        if words and isinstance(element.value, bytes) and (element.keyword != "PixelData" or dataset.BitsAllocated > 8):
            element.value = np.frombuffer(element.value, "<u2").astype(">u2").tobytes()
    if dataset.BitsAllocated == 8:
        dataset["PixelData"].VR = "OB"


@pytest.fixture(scope="module", params=NAMES)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset = _source(request.param, sources(tmp_path_factory.mktemp("made")))
    if dataset is None:
        pytest.skip(f"pydicom brings no {request.param}")
    return _write(dataset, tmp_path_factory.mktemp("source") / f"{request.param}.dcm", ExplicitVRLittleEndian)


def _array(path: Path, **options: object) -> np.ndarray:
    loaded = io.read(path, **options)  # type: ignore[arg-type]
    return loaded.frames if isinstance(loaded, io.Video) else loaded.array


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_every_transfer_syntax_gives_the_same_array(source: Path, tmp_path: Path, syntax: UID) -> None:
    dataset = pydicom.dcmread(source)
    try:
        path = _write(dataset, tmp_path / "a.dcm", syntax)
    except (ValueError, RuntimeError, NotImplementedError) as error:
        pytest.skip(f"pydicom does not write it so: {error}")
    if source.stem == "high" and syntax in (JPEGLSLossless, JPEG2000Lossless):
        pytest.skip("the encoder takes the lowest bits for the stored ones")
    before = _array(source)
    after = _array(path)
    assert before.dtype == after.dtype
    np.testing.assert_array_equal(before, after)


def test_a_loop_of_one_picture_shows_that_picture(source: Path, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(source)
    if int(dataset.get("NumberOfFrames", 1) or 1) > 1 or int(dataset.BitsStored) > 8:
        pytest.skip("a loop already, or deeper than a loop is given")
    still = _array(source)
    for frames in (1, 3):
        dataset = pydicom.dcmread(source)
        size = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel
        dataset.NumberOfFrames, dataset.PixelData = (
            frames,
            dataset.PixelData[:size] * frames + b"\0" * (size * frames % 2),
        )
        path = _write(dataset, tmp_path / f"{frames}.dcm", ImplicitVRLittleEndian)
        result = _array(path, kind="video")
        assert len(result) == frames
        for frame in result:
            np.testing.assert_array_equal(frame.transpose(2, 0, 1), still)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless], ids=lambda syntax: syntax.keyword)
def test_a_series_of_one_picture_has_that_picture_in_each_slice(source: Path, tmp_path: Path, syntax: UID) -> None:
    dataset = pydicom.dcmread(source)
    if dataset.SamplesPerPixel != 1 or dataset.PhotometricInterpretation == "PALETTE COLOR":
        pytest.skip("a volume has one number a voxel")
    if int(dataset.get("NumberOfFrames", 1) or 1) > 1:
        pytest.skip("a loop")
    still = _array(source)[0]
    for k in range(3):
        dataset = pydicom.dcmread(source)
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 2 * k], [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing, dataset.InstanceNumber = [1, 1], k + 1
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.{k + 1}"
        dataset.SeriesInstanceUID = "2.25.9"
        _write(dataset, tmp_path / f"{k}.dcm", syntax)
    loaded = io.read(tmp_path)
    assert isinstance(loaded, io.Volume)
    for one in loaded.array:
        np.testing.assert_array_equal(one[::-1, ::-1], still)  # R, A of a series against L, P of a picture
