"""Padding is no tissue: scans with and without it give the same tensor, on any grid and however they are scaled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scantune import io
from tests.io.files import edit, series, volume
from tests.preprocess.direct import prepare_image, prepare_volume

_PADDING = -2000
_SIZE = 40


def _head(size: int = _SIZE, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Noisy air at −1000, tissue about 40; and what lies outside the circle of the field of view."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    far = np.hypot(y, x)
    values = np.where(far < 0.3 * size, 40 + 8 * x, -1000) + np.rint(generator.normal(0, 12, (n, size, size)))
    return values.astype(np.float32), np.broadcast_to(far > 0.47 * size, values.shape)


def _scan(folder: Path, *, padded: bool, tissue_beside: bool = False) -> Path:
    values, outside = _head()
    if tissue_beside:  # tissue up to the end of the field of view, as in an obese patient
        values[:] = 40
    values = np.where(outside, _PADDING if padded else values, values)
    paths = series(folder, io.Volume(values, volume().affine), modality="CT", seed="head")

    def state(dataset: Any) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "0", "HU"
        if padded:
            dataset.add_new(0x00280120, "SS", _PADDING)

    for path in paths:
        edit(path, state)
    return folder


_WAYS = [{"name": "zscore"}, {"name": "percentile"}, {"name": "scale"}, {"name": "none"}]


@pytest.mark.parametrize("intensity", _WAYS, ids=lambda way: way["name"])
@pytest.mark.parametrize("spacing", [None, (2.2, 2.0, 2.6), (1.1, 0.9, 2.0)], ids=["own", "coarse", "fine"])
def test_tissue_is_scaled_as_without_padding(tmp_path: Path, intensity: dict, spacing: Any) -> None:
    options: dict[str, Any] = {"spacing": spacing, "intensity": intensity, "dtype": "float32"}
    plain = prepare_volume([_scan(tmp_path / "plain", padded=False)], **options).tensor[0]
    padded = prepare_volume([_scan(tmp_path / "padded", padded=True)], **options).tensor[0]
    tissue = plain > (plain.min() + plain.max()) / 2
    step = float(plain.max() - plain.min())
    assert np.abs(plain - padded)[tissue].max() < 0.02 * step


@pytest.mark.parametrize("interpolation", ["linear", "nearest", "bspline"])
def test_no_value_between_tissue_and_padding_arises(tmp_path: Path, interpolation: str) -> None:
    scan = _scan(tmp_path / "s", padded=True, tissue_beside=True)
    # every measured voxel is 40: so is every voxel of any grid, the empty ones by being set to the lowest
    options: dict[str, Any] = {"intensity": {"name": "none"}, "dtype": "float32", "interpolation": interpolation}
    result = prepare_volume([scan], spacing=(2.2, 2.0, 2.6), **options).tensor
    assert (result.min(), result.max()) == pytest.approx((40, 40), abs=1e-3)


def test_facts_of_a_scan_leave_padding_out(tmp_path: Path) -> None:
    values, outside = _head()
    facts = prepare_volume([_scan(tmp_path / "s", padded=True)], intensity={"name": "none"}).facts
    assert facts["own_low"] > -1100
    assert facts["own_mean"] == pytest.approx(float(values[~outside].mean()), rel=0.02)
    assert f"padding (PixelPaddingValue {_PADDING}) set to the lowest value of the other pixels" in facts["notes"]


def test_a_tilted_scan_keeps_its_tissue(tmp_path: Path) -> None:
    def tilted(folder: Path, padded: bool) -> Path:
        for k, path in enumerate(sorted(_scan(folder, padded=padded, tissue_beside=True).iterdir())):
            edit(path, lambda dataset, k=k: _shift(dataset, k * 0.7))
        return folder

    loaded = io.read(tilted(tmp_path / "padded", True), tilt="resample")
    assert isinstance(loaded, io.Volume)
    assert loaded.empty is not None
    assert (loaded.array.min(), loaded.array.max()) == pytest.approx((40, 40), abs=1e-3)


def _shift(dataset: Any, by: float) -> None:
    position = [float(value) for value in dataset.ImagePositionPatient]
    dataset.ImagePositionPatient = [position[0], position[1] + by, position[2]]


@pytest.mark.parametrize("intensity", _WAYS, ids=lambda way: way["name"])
@pytest.mark.parametrize("shape", [None, (25, 25), (70, 70)], ids=["own", "small", "large"])
def test_a_still_is_scaled_as_without_padding(tmp_path: Path, intensity: dict, shape: Any) -> None:
    values, outside = _head(n=1)
    whole = (values[0] + 2000).astype(np.uint16)

    def radiograph(name: str, padded: bool) -> Path:
        pixels = np.where(outside[0] & padded, 0, whole).astype(np.uint16)
        path = io.write_dicom_image(tmp_path / f"{name}.dcm", pixels, patient_id="p", seed=name, bits=12)
        if padded:
            edit(path, lambda dataset: dataset.add_new(0x00280120, "US", 0))
        return path

    options: dict[str, Any] = {"shape": shape, "intensity": intensity, "dtype": "float32"}
    plain = prepare_image([radiograph("plain", False)], **options).tensor
    padded = prepare_image([radiograph("padded", True)], **options).tensor
    tissue = plain > (plain.min() + plain.max()) / 2
    assert np.abs(plain - padded)[tissue].max() < 0.05 * float(plain.max() - plain.min())


def test_an_isolated_reader_tells_of_padding_too(tmp_path: Path) -> None:
    scan = _scan(tmp_path / "s", padded=True)
    here, apart = io.read(scan), io.read(scan, isolated=True)
    assert isinstance(here, io.Volume)
    assert isinstance(apart, io.Volume)
    np.testing.assert_array_equal(here.empty, apart.empty)
    np.testing.assert_array_equal(here.array, apart.array)
