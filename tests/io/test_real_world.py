"""Real-world value maps: applied where nothing else gives the values, noted beside a rescale, refused where unclear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from scantune import io
from tests.io.files import edit, refused, series, volume

_GREY = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)


def _map(*, first: int = 0, last: int = 4095, unit: str = "mm2/s", **values: Any) -> Dataset:
    item, units = Dataset(), Dataset()
    units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
    vr = "SS" if first < 0 else "US"
    item.add_new(0x00409216, vr, first)
    item.add_new(0x00409211, vr, last)
    for keyword, value in ({"RealWorldValueSlope": 0.5, "RealWorldValueIntercept": -10.0} | values).items():
        if value is not None:
            setattr(item, keyword, value)
    item.LUTLabel, item.MeasurementUnitsCodeSequence = "map", Sequence([units])
    return item


def _still(path: Path, *maps: Dataset, change: Callable[[pydicom.Dataset], object] = lambda _: None) -> Path:
    io.write_dicom_image(path / "a.dcm", _GREY, patient_id="phantom-1", seed="a", bits=12, modality="CR")
    edit(path / "a.dcm", lambda dataset: setattr(dataset, "RealWorldValueMappingSequence", Sequence(maps)))
    edit(path / "a.dcm", change)
    return path / "a.dcm"


def test_a_map_alone_gives_the_values_and_is_noted(tmp_path: Path) -> None:
    loaded = io.read(_still(tmp_path, _map()))
    np.testing.assert_array_equal(loaded.array[0], _GREY * 0.5 - 10)
    assert any("MM2/S" in note for note in loaded.facts["notes"])


def test_a_map_by_entries(tmp_path: Path) -> None:
    entries = np.sqrt(np.arange(4096)).tolist()
    path = _still(tmp_path, _map(RealWorldValueLUTData=entries, RealWorldValueSlope=None, RealWorldValueIntercept=None))
    np.testing.assert_allclose(io.read(path).array[0], np.sqrt(_GREY), rtol=1e-6)


def test_a_map_beside_a_rescale_is_noted(tmp_path: Path) -> None:
    def rescaled(dataset: pydicom.Dataset) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = "2", "5"

    loaded = io.read(_still(tmp_path, _map(), change=rescaled))
    np.testing.assert_array_equal(loaded.array[0], _GREY * 2 + 5)
    assert any("real-world value map differs from the rescale" in note for note in loaded.facts["notes"])
    same = _map(RealWorldValueSlope=2.0, RealWorldValueIntercept=5.0)
    assert not io.read(_still(tmp_path, same, change=rescaled)).facts["notes"]


@pytest.mark.parametrize(
    ("maps", "reason"),
    [
        ([], "RealWorldValueMappingSequence is empty"),
        ([_map(), _map(unit="s", RealWorldValueSlope=3.0)], "2 real-world value maps"),
        ([_map(last=2000)], "stored values from 0 to 3071, and the real-world value map covers 0 to 2000"),
        ([_map(RealWorldValueSlope=None)], "RealWorldValueSlope is missing"),
        ([_map(RealWorldValueIntercept=None)], "RealWorldValueIntercept is missing"),
        ([_map(RealWorldValueSlope=0.0)], "RealWorldValueSlope is 0"),
        ([_map(RealWorldValueLUTData=[1.0, 2.0])], "2 entries for stored values from 0 to 4095"),
    ],
)
def test_a_map_that_is_unclear_is_refused(tmp_path: Path, maps: list[Dataset], reason: str) -> None:
    assert reason in refused(_still(tmp_path, *maps)).reason


def test_each_slice_has_its_own_map_and_all_must_have_one(tmp_path: Path) -> None:
    plain = io.read(tmp_path / "plain") if series(tmp_path / "plain") else None
    assert plain is not None

    def change(dataset: pydicom.Dataset, k: int, upto: int) -> None:
        if k < upto:
            item = _map(first=-32768, last=32767, RealWorldValueSlope=1.0 + k, RealWorldValueIntercept=0.0)
            dataset.RealWorldValueMappingSequence = Sequence([item])

    for upto, name in ((8, "all"), (5, "some")):
        for k, path in enumerate(series(tmp_path / name)):
            edit(path, lambda dataset, k=k, upto=upto: change(dataset, k, upto))
    loaded = io.read(tmp_path / "all")
    np.testing.assert_allclose(loaded.array, plain.array * np.arange(1, 9)[:, None, None])
    assert any("the rescale differs by slice" in note for note in loaded.facts["notes"])
    assert "RealWorldValueMappingSequence differs by slice" in refused(tmp_path / "some").reason


def test_frames_of_an_enhanced_file_have_theirs(tmp_path: Path) -> None:
    path = io.write_enhanced(tmp_path / "e.dcm", volume(), patient_id="phantom-1", seed="e")
    plain = io.read(path).array

    def change(dataset: pydicom.Dataset) -> None:
        for group in [*dataset.PerFrameFunctionalGroupsSequence, *dataset.SharedFunctionalGroupsSequence]:
            if "PixelValueTransformationSequence" in group:
                del group.PixelValueTransformationSequence
        for k, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            item = _map(first=-32768, last=32767, RealWorldValueSlope=2.0 + k, RealWorldValueIntercept=1.0)
            group.RealWorldValueMappingSequence = Sequence([item])

    edit(path, change)
    np.testing.assert_allclose(io.read(path).array, plain * np.arange(2, 10)[:, None, None] + 1)
