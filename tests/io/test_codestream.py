"""What the header of a DICOM file says of compressed frames must be what the frames can be."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless

from scantune import io
from tests.io.files import edit, refused

GREY = np.random.default_rng(0).integers(0, 4096, (40, 48)).astype(np.uint16)
_RAMP = np.add.outer(np.arange(40), np.arange(48))
COLOUR = np.stack([_RAMP * 2, 200 - _RAMP, _RAMP + 50], axis=-1).astype(np.uint8)


def _jpeg(**options: object) -> bytes:
    """A JPEG without the marker of JFIF, by which decoders know YCbCr."""
    out = BytesIO()
    PIL.Image.fromarray(COLOUR).save(out, "JPEG", quality=95, **options)  # type: ignore[arg-type]
    content = out.getvalue()
    return content[:2] + content[4 + int.from_bytes(content[4:6], "big") :]


def _wrapped(path: Path, stream: bytes, photometric: str, syntax: str = JPEGBaseline8Bit) -> Path:
    io.write_dicom_image(path, GREY, patient_id="p", seed="a", bits=12)

    def change(dataset: pydicom.Dataset) -> None:
        dataset.SamplesPerPixel, dataset.PlanarConfiguration, dataset.PhotometricInterpretation = 3, 0, photometric
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.PixelData, dataset["PixelData"].is_undefined_length = encapsulate([stream]), True
        dataset.file_meta.TransferSyntaxUID = syntax

    edit(path, change)
    return path


def test_a_frame_of_another_family_than_its_transfer_syntax_is_refused(tmp_path: Path) -> None:
    for syntax, words in ((JPEG2000Lossless, "JPEG 2000"), (JPEGLSLossless, "JPEG-LS")):
        path = _wrapped(tmp_path / "a.dcm", _jpeg(), "YBR_FULL_422", syntax)
        assert f"the transfer syntax is one of {words} where the pixel data are JPEG" in refused(path).reason


def test_rgb_whose_components_differ_in_size_is_refused(tmp_path: Path) -> None:
    loaded = io.read(_wrapped(tmp_path / "a.dcm", _jpeg(subsampling=2), "YBR_FULL_422"))
    assert np.abs(loaded.array.transpose(1, 2, 0).astype(int) - COLOUR).mean() < 2
    path = _wrapped(tmp_path / "a.dcm", _jpeg(subsampling=2), "RGB")
    assert "those of YCbCr" in refused(path).reason


def test_the_sign_of_a_jpeg_2000_must_be_that_of_the_header(tmp_path: Path) -> None:
    path = io.write_dicom_image(tmp_path / "a.dcm", GREY, patient_id="p", seed="a", bits=12)

    def signed(dataset: pydicom.Dataset) -> None:
        dataset.PixelData, dataset.PixelRepresentation = (GREY.astype(int) - 2048).astype(np.int16).tobytes(), 1
        dataset.compress(JPEG2000Lossless)

    edit(path, signed)
    np.testing.assert_array_equal(io.read(path).array[0], GREY.astype(int) - 2048)
    edit(path, lambda dataset: setattr(dataset, "PixelRepresentation", 0))
    assert "compressed values are signed where PixelRepresentation is 0" in refused(path).reason


@pytest.mark.parametrize("transformed", [False, True])
def test_colours_of_jpeg_2000_are_transformed_as_the_header_says(tmp_path: Path, transformed: bool) -> None:
    out = BytesIO()
    PIL.Image.fromarray(COLOUR).save(out, "JPEG2000", irreversible=False, mct=int(transformed), no_jp2=True)
    right, wrong = ("YBR_RCT", "YBR_FULL") if transformed else ("RGB", "YBR_RCT")
    loaded = io.read(_wrapped(tmp_path / "a.dcm", out.getvalue(), right, JPEG2000Lossless))
    np.testing.assert_array_equal(loaded.array.transpose(1, 2, 0), COLOUR)
    assert wrong in refused(_wrapped(tmp_path / "b.dcm", out.getvalue(), wrong, JPEG2000Lossless)).reason
