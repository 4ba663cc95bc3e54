"""RT Dose: dose in Gray on the grid that its offsets state, as SimpleITK has it; what leaves it unclear is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage, generate_uid

from scantune import io
from scantune.config.volumes import VolumeChoice
from scantune.records import ReadError
from tests.io.files import PYDICOM_FILES, edit, refused, rotation, series, volume

_SCALING = 2.5e-4
_POSITION = [-40.0, 25.5, 130.25]
_AXIAL = [1, 0, 0, 0, 1, 0]
_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def _stored(planes: int = 5, dtype: type = np.uint32, seed: int = 0) -> np.ndarray:
    low, high = (-2000, 2000) if np.dtype(dtype).kind == "i" else (0, 60000 if dtype is np.uint16 else 400000)
    return np.random.default_rng(seed).integers(low, high, (planes, 6, 8)).astype(dtype)


def dose(path: Path, stored: np.ndarray | None = None, **items: Any) -> Path:
    """Write a physical plan dose in Gray, 3 mm between planes; ``items`` by keyword replace its own, None removes."""
    stored = _stored() if stored is None else stored
    dataset, meta = Dataset(), FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID = RTDoseStorage
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID, dataset.file_meta = ExplicitVRLittleEndian, meta
    bits = stored.dtype.itemsize * 8
    own = {
        "Modality": "RTDOSE", "PatientID": "phantom-1", "PatientName": "", "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4", "InstanceNumber": 1, "ImagePositionPatient": _POSITION,
        "ImageOrientationPatient": _AXIAL, "PixelSpacing": [2.5, 2.0], "Rows": stored.shape[1],
        "Columns": stored.shape[2], "NumberOfFrames": len(stored), "FrameIncrementPointer": 0x3004000C,
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": bits, "BitsStored": bits,
        "HighBit": bits - 1, "PixelRepresentation": int(stored.dtype.kind == "i"), "DoseUnits": "GY",
        "DoseType": "PHYSICAL", "DoseSummationType": "PLAN", "DoseGridScaling": str(_SCALING),
        "GridFrameOffsetVector": [3.0 * k for k in range(len(stored))],
    }  # fmt: skip
    for keyword, value in (own | items).items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _turned(x: float, y: float, z: float) -> list[float]:
    matrix = rotation(x, y, z)
    return [round(float(v), 6) for v in (*matrix[:, 0], *matrix[:, 1])]


def _places_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Each voxel's place in mm, RAS, and its dose, by SimpleITK and the scaling of the header."""
    image = sitk.ReadImage(str(path))
    stored = sitk.GetArrayFromImage(image)
    at = np.array(list(np.ndindex(stored.shape)))
    places = np.array([image.TransformIndexToPhysicalPoint([int(v) for v in index[::-1]]) for index in at])
    return places @ _TO_RAS, stored.ravel() * float(pydicom.dcmread(path).DoseGridScaling)


def _assert_same(loaded: io.Volume, path: Path) -> None:
    places, values = _places_of(path)
    index = (np.linalg.inv(loaded.affine) @ np.column_stack([places, np.ones(len(places))]).T)[:3].T
    nearest = np.rint(index).astype(int)
    np.testing.assert_allclose(index, nearest, atol=2e-4)
    np.testing.assert_allclose(loaded.array[nearest[:, 2], nearest[:, 1], nearest[:, 0]], values, rtol=1e-6)
    assert len(np.unique(nearest, axis=0)) == loaded.array.size


@pytest.mark.parametrize(
    "orientation", [_AXIAL, [-1, 0, 0, 0, -1, 0], [-1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], _turned(10, -7, 4)]
)
@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_values_and_places_are_those_of_simpleitk(tmp_path: Path, orientation: list[float], dtype: type) -> None:
    path = dose(tmp_path / "a.dcm", _stored(dtype=dtype), ImageOrientationPatient=orientation)
    loaded = io.read(path)
    assert isinstance(loaded, io.Volume)
    assert loaded.facts["notes"] == []
    assert sorted(np.round(loaded.spacing, 5)) == [2.0, 2.5, 3.0]
    _assert_same(loaded, path)


@pytest.mark.parametrize("name", ["rtdose.dcm", "rtdose_rle.dcm"])
def test_doses_of_another_maker_are_those_of_simpleitk(name: str) -> None:
    loaded = io.read(PYDICOM_FILES / name)
    _assert_same(loaded, PYDICOM_FILES / name)
    assert loaded.array.shape == (15, 10, 10)
    assert any("RELATIVE" in note for note in loaded.facts["notes"])
    assert any("DoseSummationType is BEAM" in note for note in loaded.facts["notes"])


def test_absolute_and_descending_offsets_lie_where_they_say(tmp_path: Path) -> None:
    relative = io.read(dose(tmp_path / "a.dcm"))
    heights = [_POSITION[2] + 3 * k for k in range(5)]
    absolute = io.read(dose(tmp_path / "b.dcm", GridFrameOffsetVector=heights))
    np.testing.assert_array_equal(absolute.array, relative.array)
    np.testing.assert_allclose(absolute.affine, relative.affine)
    down = dose(tmp_path / "c.dcm", _stored()[::-1], GridFrameOffsetVector=[-3.0 * k for k in range(5)],
                ImagePositionPatient=[*_POSITION[:2], heights[-1]])  # fmt: skip
    np.testing.assert_array_equal(io.read(down).array, relative.array)
    np.testing.assert_allclose(io.read(down).affine, relative.affine)


def test_absolute_offsets_hold_whichever_way_transverse_rows_run(tmp_path: Path) -> None:
    """The z of a plane is stated, so that a normal towards the feet does not turn the grid over."""
    heights = [_POSITION[2] + 3 * k for k in range(5)]
    path = dose(tmp_path / "a.dcm", ImageOrientationPatient=[-1, 0, 0, 0, 1, 0], GridFrameOffsetVector=heights)
    np.testing.assert_allclose(io.read(path).array[:, ::-1, :], _stored() * _SCALING, rtol=1e-6)


@pytest.mark.parametrize(
    ("offsets", "reason"),
    [
        ([0, 3, 6, 9.9, 12], "uneven slice spacing"),
        ([0, 3, 6, 12, 15], "1 slice is missing of 6"),
        ([0, 3, 3, 6, 9], "different slices at one place"),
    ],
)
def test_uneven_offsets_are_treated_as_uneven_slices(tmp_path: Path, offsets: list[float], reason: str) -> None:
    assert reason in refused(dose(tmp_path / "a.dcm", GridFrameOffsetVector=offsets, InstanceNumber=None)).reason


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ({"DoseGridScaling": None}, "DoseGridScaling is missing"),
        ({"DoseGridScaling": "0"}, "DoseGridScaling is 0, and must be above 0"),
        ({"DoseGridScaling": "1e-3", "RescaleSlope": "2", "RescaleIntercept": "0"}, "a rescale beside it says"),
        ({"DoseUnits": None}, "DoseUnits is missing, and must be GY or RELATIVE"),
        ({"GridFrameOffsetVector": None}, "GridFrameOffsetVector is missing: where the 5 planes lie"),
        ({"GridFrameOffsetVector": [0, 3, 6]}, "GridFrameOffsetVector has 3 values where 5 finite ones belong"),
        ({"GridFrameOffsetVector": [3, 6, 9, 12, 15]}, "starts at 3, and must start at 0 or 130.25 (the z of Image"),
        ({"ImagePositionPatient": None}, "no position"),
        ({"ImageOrientationPatient": None}, "no orientation"),
        ({"PixelSpacing": None}, "no pixel spacing"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, items: dict[str, Any], reason: str) -> None:
    assert reason in refused(dose(tmp_path / "a.dcm", **items)).reason


def test_absolute_offsets_have_no_meaning_across_the_body(tmp_path: Path) -> None:
    path = dose(
        tmp_path / "a.dcm",
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        GridFrameOffsetVector=[_POSITION[2] + 3 * k for k in range(5)],
    )
    assert refused(path).reason == "GridFrameOffsetVector starts at 130.25, and must start at 0"


@pytest.mark.parametrize(
    ("items", "note"),
    [
        ({"DoseUnits": "RELATIVE"}, "DoseUnits is RELATIVE: the values are not in Gray"),
        ({"DoseSummationType": "BEAM"}, "DoseSummationType is BEAM, not PLAN: this may not be the dose of one whole"),
        ({"DoseSummationType": "FRACTION"}, "DoseSummationType is FRACTION, not PLAN"),
        ({"DoseSummationType": None}, "DoseSummationType is missing, not PLAN"),
        ({"DoseSummationType": "OTHER"}, "DoseSummationType is another word, not PLAN"),
        ({"DoseType": "EFFECTIVE"}, "DoseType is EFFECTIVE, not PHYSICAL"),
    ],
)
@pytest.mark.parametrize("planes", [1, 5])
def test_a_dose_that_is_not_of_a_plan_in_gray_is_noted(
    tmp_path: Path, items: dict[str, Any], note: str, planes: int
) -> None:
    notes = io.read(dose(tmp_path / "a.dcm", _stored(planes), **items)).facts["notes"]
    assert notes[0].startswith(note)
    beside = ["pixels are not square (2.5 mm between rows, 2 mm between columns)"]
    assert notes[1:] == (beside if planes == 1 else []), "of a plane, which is a picture"


def test_errors_of_dose_have_a_sign(tmp_path: Path) -> None:
    stored = _stored(dtype=np.int32)
    loaded = io.read(dose(tmp_path / "a.dcm", stored, DoseType="ERROR"))
    assert loaded.array.min() < 0
    np.testing.assert_allclose(np.sort(loaded.array.ravel()), np.sort(stored.ravel()) * _SCALING, rtol=1e-6)
    assert loaded.facts["notes"] == ["DoseType is ERROR, not PHYSICAL"]


def test_one_plane_is_an_image_and_planes_in_files_of_their_own_a_volume(tmp_path: Path) -> None:
    whole = io.read(dose(tmp_path / "whole.dcm"))
    one = {"NumberOfFrames": None, "FrameIncrementPointer": None, "GridFrameOffsetVector": None}
    for k in range(5):
        position = [*_POSITION[:2], _POSITION[2] + 3 * k]
        scaling, stored = (_SCALING, _stored()) if k else (_SCALING / 2, _stored() * 2)
        dose(tmp_path / "s" / f"{k}.dcm", stored[k : k + 1], InstanceNumber=k + 1, ImagePositionPatient=position,
             DoseGridScaling=str(scaling), **one)  # fmt: skip
    image = io.read(tmp_path / "s" / "2.dcm")
    assert isinstance(image, io.Image)
    np.testing.assert_allclose(image.array[0], _stored()[2] * _SCALING, rtol=1e-6)
    assert image.spacing == (2.5, 2.0)
    assert "one slice only" in refused(tmp_path / "s" / "2.dcm", kind="volume").reason
    loaded = io.read(tmp_path / "s")
    np.testing.assert_allclose(loaded.array, whole.array, rtol=1e-6)
    np.testing.assert_allclose(loaded.affine, whole.affine)


def test_doses_of_one_series_are_told_apart_and_have_no_mean_where_they_differ_in_kind(tmp_path: Path) -> None:
    for k, summed in enumerate(("PLAN", "BEAM", "BEAM")):
        dose(tmp_path / "s" / f"{k}.dcm", _stored(seed=k), InstanceNumber=k + 1, DoseSummationType=summed)
    reason = refused(tmp_path / "s").reason
    assert reason.startswith("3 volumes in one series")
    assert "image type PLAN PHYSICAL (5 slices)" in reason
    assert "image type have no mean" in refused(tmp_path / "s", volume=io.VolumeRule.of("mean")).reason
    for k in range(3):
        rule = io.VolumeRule.of(VolumeChoice(index=k).model_dump())
        expected = _stored(seed=k)[:, ::-1, ::-1] * _SCALING
        np.testing.assert_allclose(io.read(tmp_path / "s", volume=rule).array, expected, rtol=1e-6)


def test_units_do_not_mix_within_a_volume(tmp_path: Path) -> None:
    for k in range(4):
        dose(tmp_path / f"{k}.dcm", _stored(1), InstanceNumber=k + 1, DoseUnits="GY" if k else "RELATIVE",
             ImagePositionPatient=[*_POSITION[:2], 3.0 * k])  # fmt: skip
    assert "RescaleType differs by slice: instance 1 has RELATIVE, the others have GY" in refused(tmp_path).reason


def test_a_folder_of_a_planning_ct_and_its_dose_is_the_ct_unless_the_dose_is_named(tmp_path: Path) -> None:
    scan = series(tmp_path / "s")
    dose(tmp_path / "s" / "rd.dcm", SeriesNumber=7, PatientID=str(pydicom.dcmread(scan[0]).PatientID))
    np.testing.assert_array_equal(io.read(tmp_path / "s").array, volume().array)
    named = io.read(tmp_path / "s", series=io.SeriesRule(number=7))
    np.testing.assert_array_equal(named.array, io.read(tmp_path / "s" / "rd.dcm").array)
    other = pydicom.dcmread(scan[0]).SeriesInstanceUID
    edit(tmp_path / "s" / "rd.dcm", lambda dataset: setattr(dataset, "SeriesInstanceUID", other))
    together = io.read(tmp_path / "s")
    np.testing.assert_array_equal(together.array, volume().array)
    assert "1 dose grids or parametric maps excluded" in together.facts["notes"]


def test_a_dose_without_a_grid_is_no_image(tmp_path: Path) -> None:
    """As with dose-volume histograms alone."""

    def histograms(dataset: pydicom.Dataset) -> None:
        for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "NumberOfFrames"):
            delattr(dataset, keyword)

    path = dose(tmp_path / "a.dcm")
    edit(path, histograms)
    assert refused(path).reason == "DICOM without an image: RT Dose (modality RTDOSE)"


def test_a_dose_is_no_picture_and_no_video(tmp_path: Path) -> None:
    path = dose(tmp_path / "a.dcm")
    assert "5 frames and is not an image" in refused(path, kind="image").reason
    assert "not a video" in refused(path, kind="video").reason
    with pytest.raises(ReadError, match="not a video"):
        io.open_video(path)


def test_a_class_of_its_own_does_not_hide_a_dose(tmp_path: Path) -> None:
    """Its modality alone tells that stored values need the scaling."""
    plain = io.read(dose(tmp_path / "a.dcm"))
    other = dose(tmp_path / "b.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.7.3")
    np.testing.assert_array_equal(io.read(other).array, plain.array)
    bare = dose(tmp_path / "c.dcm", _stored(1), SOPClassUID="1.2.840.10008.5.1.4.1.1.7", DoseGridScaling=None)
    assert "DoseGridScaling is missing" in refused(bare).reason


def _class(uid: str, modality: str) -> Callable[[pydicom.Dataset], None]:
    def change(dataset: pydicom.Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = uid
        dataset.Modality = modality

    return change


@pytest.mark.parametrize(
    ("end", "modality", "words"),
    [
        ("481.3", "RTSTRUCT", ["RT Structure Set", "under 'masks'"]),
        ("481.5", "RTPLAN", ["RT Plan"]),
        ("66.4", "SEG", ["Segmentation", "under 'masks'"]),
        ("66.7", "SEG", ["SEG", "under 'masks'"]),
        ("88.33", "SR", ["Comprehensive SR"]),
        ("11.1", "PR", ["Grayscale Softcopy Presentation State"]),
    ],
)
def test_an_object_without_an_image_says_what_it_is(
    tmp_path: Path, end: str, modality: str, words: Sequence[str]
) -> None:
    path = series(tmp_path / "s")[0]
    edit(path, _class(f"1.2.840.10008.5.1.4.1.1.{end}", modality))
    reason = refused(path).reason
    assert all(word in reason for word in words), reason
