"""Sequences of a header read straight from its bytes are those that pydicom reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from scantune import io
from scantune.io import dicom_file
from scantune.io.arrays import Limits
from scantune.io.dicom_groups import MACROS
from scantune.records import ReadError
from tests.io.files import PYDICOM_FILES, volume


@pytest.fixture(params=["explicit", "implicit", "open items"])
def enhanced(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An enhanced file whose sequences have lengths, none, or no value representations."""
    path = io.write_enhanced(tmp_path / "e.dcm", volume((40, 10, 12)), patient_id="p", seed="e", rescale="slice")
    dataset = pydicom.dcmread(path)
    implicit = request.param == "implicit"
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    for element in dataset.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = request.param == "open items"
            for item in element.value:
                item.is_undefined_length_sequence_item = request.param == "open items"
    pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=True)
    return path


def test_a_header_of_many_frames_is_read_without_pydicom(enhanced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = pydicom.dcmread(enhanced, stop_before_pixels=True)
    monkeypatch.setattr(dicom_file, "_parse_slowly", lambda *_: pytest.fail("left to pydicom"))
    header = dicom_file.open_dicom(enhanced, Limits()).header
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        assert len(header[keyword].value) == len(expected[keyword].value)
        for result, stated in zip(header[keyword].value, expected[keyword].value, strict=True):
            kept = {tag: element for tag, element in stated.items() if int(tag) in MACROS}
            assert {tag: result[tag].value for tag, _ in result.items()} == {tag: stated[tag].value for tag in kept}


def test_volumes_are_the_same(enhanced: Path) -> None:
    loaded = io.read(enhanced, kind="volume")
    assert np.abs(loaded.array - volume((40, 10, 12)).array).max() < 0.05


@pytest.mark.parametrize("name", ["CT_small", "UN_sequence", "priv_SQ", "nested_priv_SQ", "examples_overlay", "rtplan"])
def test_real_headers_are_those_of_pydicom(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = PYDICOM_FILES / f"{name}.dcm"
    fast = dicom_file.open_dicom(path, Limits())
    monkeypatch.setattr(dicom_file, "_scanned", lambda *_: None)
    slow = dicom_file.open_dicom(path, Limits())
    assert (fast.syntax, fast.offset, fast.implicit) == (slow.syntax, slow.offset, slow.implicit)
    assert set(fast.items) == set(slow.items)
    for tag in fast.items:
        one, other = fast.header[tag], slow.header[tag]
        assert len(one.value) == len(other.value) if one.VR == "SQ" else one.value == other.value


def test_a_sequence_that_is_cut_off_is_refused(enhanced: Path) -> None:
    whole = enhanced.read_bytes()
    for share in (0.3, 0.6, 0.8):
        enhanced.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ReadError):
            io.read(enhanced)
