"""Parametric maps: floats or mapped integers of a quantity, with the positions of their frames."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from scantune import io
from tests.io.files import edit, refused, volume

_SHAPE = (5, 8, 10)


def _values(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1.2, 0.4, _SHAPE)


def _map(
    *, label: str = "ADC", unit: str = "um2/s", slope: float = 1.0, intercept: float = 0.0, **items: Any
) -> Dataset:
    item, units = Dataset(), Dataset()
    units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
    item.LUTLabel, item.LUTExplanation, item.MeasurementUnitsCodeSequence = label, label, Sequence([units])
    item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, intercept
    for keyword, value in items.items():
        setattr(item, keyword, value)
    if not items:
        item.DoubleFloatRealWorldValueFirstValueMapped, item.DoubleFloatRealWorldValueLastValueMapped = -1e3, 1e6
    return item


def parametric_map(path: Path, stored: np.ndarray, *maps: Dataset, like: io.Volume | None = None) -> Path:
    """A map of ``stored`` [frame, row, column], whose frames lie as those of a turned volume."""
    like = like or volume(shape=_SHAPE, turned=(4, 5, 6))
    io.write_enhanced(path, like, patient_id="phantom-1", seed="p")

    def change(dataset: pydicom.Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.30"
        dataset.Modality = "OT"
        identity = Dataset()
        identity.RescaleSlope, identity.RescaleIntercept, identity.RescaleType = "1", "0", "US"
        for group in dataset.PerFrameFunctionalGroupsSequence:
            group.pop("PixelValueTransformationSequence", None)
            group.pop("FrameVOILUTSequence", None)
        shared = dataset.SharedFunctionalGroupsSequence[0]
        shared.PixelValueTransformationSequence = Sequence([identity])
        shared.RealWorldValueMappingSequence = Sequence(maps or [_map()])
        _put(dataset, stored)

    edit(path, change)
    return path


def _put(dataset: Dataset, stored: np.ndarray) -> None:
    bits = stored.dtype.itemsize * 8
    dataset.BitsAllocated = bits
    if stored.dtype.kind == "f":
        for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
            delattr(dataset, keyword)
        setattr(dataset, "FloatPixelData" if bits == 32 else "DoubleFloatPixelData", stored.tobytes())
    else:
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, int(stored.dtype.kind == "i")
        dataset.PixelData = stored.tobytes()


def _expected(values: np.ndarray) -> np.ndarray:
    """In R, A, S: rows and columns of an axial file run to the left and back."""
    return values[:, ::-1, ::-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_the_values_and_lie_where_the_frames_say(tmp_path: Path, dtype: type) -> None:
    stored = _values().astype(dtype)
    loaded = io.read(parametric_map(tmp_path / "m.dcm", stored))
    assert isinstance(loaded, io.Volume)
    np.testing.assert_array_equal(loaded.array, _expected(stored).astype(np.float32))
    np.testing.assert_array_equal(loaded.array, _expected(pydicom.dcmread(tmp_path / "m.dcm").pixel_array).astype("f4"))
    np.testing.assert_allclose(loaded.affine, volume(shape=_SHAPE, turned=(4, 5, 6)).affine, atol=5e-5)
    assert loaded.facts["notes"] == ["values by a real-world value map (UM2/S)"]


@pytest.mark.parametrize("first", [0, -100])
def test_integers_are_mapped_although_the_identity_stands_beside(tmp_path: Path, first: int) -> None:
    dtype = np.int16 if first else np.uint16
    stored = np.random.default_rng(1).integers(first, 4000, _SHAPE).astype(dtype)
    item = _map(slope=0.5, intercept=-3.0, RealWorldValueLUTData=None)
    del item.RealWorldValueLUTData
    vr = "SS" if first else "US"
    item.add_new(0x00409216, vr, first)
    item.add_new(0x00409211, vr, 4000)
    loaded = io.read(parametric_map(tmp_path / "m.dcm", stored, item))
    np.testing.assert_array_equal(loaded.array, _expected(stored * 0.5 - 3).astype(np.float32))


def test_a_map_of_floats_that_starts_below_zero_covers_them(tmp_path: Path) -> None:
    stored = (_values() - 1.2).astype(np.float32)
    item = _map(slope=2.0, RealWorldValueIntercept=1.0)
    item.add_new(0x00409216, "SS", -5)
    item.add_new(0x00409211, "SS", 5)
    loaded = io.read(parametric_map(tmp_path / "m.dcm", stored, item))
    np.testing.assert_allclose(loaded.array, _expected(stored.astype(np.float64) * 2 + 1), rtol=1e-6)
    assert "stored values from" in refused(parametric_map(tmp_path / "n.dcm", stored * 100, item)).reason


def test_voxels_without_a_value_are_no_fault_of_the_map(tmp_path: Path) -> None:
    stored = _values().astype(np.float32)
    stored[1, 2, 3] = np.nan
    path = parametric_map(tmp_path / "m.dcm", stored)
    assert "NaN" in refused(path).reason
    filled = io.read(path, fill_nan=0.0)
    np.testing.assert_array_equal(filled.array, _expected(np.nan_to_num(stored)))


def test_float_padding_is_padding(tmp_path: Path) -> None:
    stored = _values().astype(np.float32)
    stored[:, :2] = -2e6
    path = parametric_map(tmp_path / "m.dcm", stored)
    edit(path, lambda dataset: setattr(dataset, "FloatPixelPaddingValue", -2e6))
    loaded = io.read(path)
    assert loaded.empty is not None
    np.testing.assert_array_equal(loaded.empty, _expected(stored == -2e6))


def test_one_frame_is_an_image(tmp_path: Path) -> None:
    stored = _values().astype(np.float32)
    path = parametric_map(tmp_path / "m.dcm", stored)

    def first(dataset: pydicom.Dataset) -> None:
        dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:1]
        dataset.NumberOfFrames, dataset.FloatPixelData = 1, stored[0].tobytes()

    edit(path, first)
    loaded = io.read(path)
    assert isinstance(loaded, io.Image)
    np.testing.assert_array_equal(loaded.array[0], stored[0])
    np.testing.assert_allclose(loaded.spacing, (1.25, 1.5))


def test_several_quantities_in_one_file_are_told_apart_and_have_no_mean(tmp_path: Path) -> None:
    stored = np.stack([_values(0), _values(1)]).astype(np.float32)
    path = parametric_map(tmp_path / "m.dcm", stored[0])

    def both(dataset: pydicom.Dataset) -> None:
        del dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
        groups = list(dataset.PerFrameFunctionalGroupsSequence)
        pairs = [(group, label) for group in groups for label in ("T1", "T2")]  # the two of a slice, then the next
        copies = [copy.deepcopy(group) for group, _ in pairs]
        for group, (_, label) in zip(copies, pairs, strict=True):
            group.RealWorldValueMappingSequence = Sequence([_map(label=label, unit="ms")])
        dataset.PerFrameFunctionalGroupsSequence = Sequence(copies)
        dataset.NumberOfFrames, dataset.FloatPixelData = 2 * _SHAPE[0], np.swapaxes(stored, 0, 1).tobytes()

    edit(path, both)
    reason = refused(path).reason
    assert reason.startswith("2 volumes in one series")
    assert "value map " in reason
    assert "T1" not in reason, "a label is free text"
    assert "value map have no mean" in refused(path, volume=io.VolumeRule.of("mean")).reason
    for k in range(2):
        np.testing.assert_array_equal(io.read(path, volume=io.VolumeRule(index=k)).array, _expected(stored[k]))


def _without_map(dataset: pydicom.Dataset) -> None:
    del dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence


def _by_entries(dataset: pydicom.Dataset) -> None:
    item = _map(RealWorldValueFirstValueMapped=0, RealWorldValueLastValueMapped=1)
    item.RealWorldValueLUTData = [1.0, 2.0]
    dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = Sequence([item])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda dataset: delattr(dataset, "FloatPixelData"), "no pixel data"),
        (lambda dataset: setattr(dataset, "FloatPixelData", dataset.FloatPixelData[:-40]), "cut short"),
        (
            lambda dataset: setattr(dataset, "BitsAllocated", 64),
            "BitsAllocated is 64 where the pixels are floats of 32",
        ),
        (_by_entries, "RealWorldValueLUTData gives values of whole numbers"),
    ],
)
def test_what_is_unclear_is_refused(tmp_path: Path, change: Callable[[pydicom.Dataset], object], reason: str) -> None:
    path = parametric_map(tmp_path / "m.dcm", _values().astype(np.float32))
    edit(path, change)
    assert reason in refused(path).reason


def test_floats_without_a_map_are_as_they_are(tmp_path: Path) -> None:
    stored = _values().astype(np.float32)
    path = parametric_map(tmp_path / "m.dcm", stored)
    edit(path, _without_map)
    np.testing.assert_array_equal(io.read(path).array, _expected(stored))
