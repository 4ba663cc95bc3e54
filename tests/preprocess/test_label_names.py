"""Labels chosen by the names in a mask's own table, whatever their numbers in that file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from scantune import io
from scantune.config.input import VolumeInput
from scantune.preprocess.masks import MaskError
from tests.io.files import edit, series, volume
from tests.io.test_dicom_masks import _structure_set
from tests.preprocess.direct import prepare_volume

_PLAIN: dict[str, Any] = {"intensity": {"name": "none"}, "dtype": "float32"}
_CARET = b"""<?xml version="1.0" encoding="UTF-8"?> <CaretExtension> <Date><![CDATA[2013-07-14T05:45:09]]></Date>
<VolumeInformation Index="0"> <LabelTable> <Label Key="0" Red="0"><![CDATA[???]]></Label>
<Label Key="7" Red="0.2" Green="0.4" Blue="0.6" Alpha="1"><![CDATA[Liver]]></Label>
<Label Red="1" Key="3">left  kidney</Label> </LabelTable> </VolumeInformation> </CaretExtension>"""
_AFNI = b"""<AFNI_attributes><AFNI_atr ni_type="String"
atr_name="VALUE_LABEL_DTABLE"><VALUE_LABEL_DTABLE ni_type="2*String" ni_dimen="2">
 "7" "Liver"
 "3" "left kidney"
</VALUE_LABEL_DTABLE></AFNI_atr></AFNI_attributes>"""
_MARKED = np.zeros((8, 10, 12), np.uint8)
_MARKED[1:3, 2:5, 3:8], _MARKED[5:7, 1:9, 2:4], _MARKED[4, 4, 6:9] = 7, 3, 1
_EXPECTED = (_MARKED == 7) * 2 + (_MARKED == 3) * 1


def _nifti(path: Path, *extensions: tuple[int, bytes], order: str = "<") -> Path:
    image = nibabel.Nifti1Image(_MARKED.T, volume().affine, nibabel.Nifti1Header(endianness=order))
    for code, text in extensions:
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension(code, text))
    nibabel.save(image, path)
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return io.write_nifti(tmp_path / "i.nii.gz", volume())


@pytest.mark.parametrize(("code", "text"), [(30, _CARET), (0, _CARET), (4, _AFNI)], ids=["caret", "totalseg", "afni"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_names_in_the_header_of_nifti(tmp_path: Path, scan: Path, code: int, text: bytes, order: str) -> None:
    for name in ("m.nii", "m.nii.gz"):
        mask = _nifti(tmp_path / name, (6, b"a comment"), (code, text), order=order)
        prepared = prepare_volume([scan], [mask], mask_values={"liver": 2, "Left Kidney": 1}, **_PLAIN)
        np.testing.assert_array_equal(prepared.mask[0], _EXPECTED)
        np.testing.assert_array_equal(prepare_volume([scan], [mask], **_PLAIN).mask[0], _MARKED)


def test_a_name_that_is_not_there_is_told_without_the_files_own(tmp_path: Path, scan: Path) -> None:
    mask = _nifti(tmp_path / "m.nii", (30, _CARET))
    with pytest.raises(MaskError, match="has none called 'spleen'") as caught:
        prepare_volume([scan], [mask], mask_values={"spleen": 1}, **_PLAIN)
    assert "Liver" not in caught.value.reason
    assert "Liver" in caught.value.detail
    plain = _nifti(tmp_path / "p.nii")
    with pytest.raises(MaskError, match="no table of names"):
        prepare_volume([scan], [plain], mask_values={"liver": 1}, **_PLAIN)


def test_segments_by_name(tmp_path: Path) -> None:
    series(tmp_path / "s", volume())
    image = io.read(tmp_path / "s")
    names = {7: "Liver", 3: "left kidney", 1: "rest"}
    path = io.write_segmentation(tmp_path / "m", io.Volume(_MARKED, image.affine), tmp_path / "s", names,
                                 origin=io.Origin("m", "1", "a"))  # fmt: skip
    prepared = prepare_volume([tmp_path / "s"], [path], mask_values={"liver": 2, "Left kidney": 1}, **_PLAIN)
    np.testing.assert_array_equal(prepared.mask[0], _EXPECTED)


def test_structures_by_name_whatever_else_they_lie_in(tmp_path: Path) -> None:
    series(tmp_path / "s", volume((8, 30, 40)))
    image = io.read(tmp_path / "s")

    def square(low: float, high: float) -> list[np.ndarray]:
        return [np.array([[low, low, k], [high, low, k], [high, high, k], [low, high, k]]) for k in range(2, 5)]

    path = _structure_set(tmp_path / "m.dcm", image, {11: square(2.5, 25.5), 12: square(9.5, 15.5)})

    def named(dataset: pydicom.Dataset) -> None:
        dataset.StructureSetROISequence = []
        for number, name in ((11, "BODY"), (12, "Liver")):
            item = Dataset()
            item.ROINumber, item.ROIName = number, name
            dataset.StructureSetROISequence.append(item)

    edit(path, named)
    with pytest.raises(MaskError, match="structures overlap"):
        prepare_volume([tmp_path / "s"], [path], **_PLAIN)
    result = prepare_volume([tmp_path / "s"], [path], mask_values={"liver": 1}, **_PLAIN).mask[0]
    assert result.sum() == 3 * 36
    assert result[2:5, 10:16, 10:16].all()


def test_values_and_names_are_not_mixed() -> None:
    assert VolumeInput(dataset="x", modality="volume", mask_values={"liver": 1}).mask_values == {"liver": 1}
    with pytest.raises(ValueError, match="values, names and colours"):
        VolumeInput(dataset="x", modality="volume", mask_values={"liver": 1, 3: 2})
