"""Small volumes and series for the tests of io."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest

from scantune import io
from scantune.records import ReadError

PYDICOM_FILES = Path(pydicom.data.__file__).parent / "test_files"  # what pydicom brings along, nothing downloaded


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """Rotation about x, then y, then z, degrees."""
    a, b, c = np.radians([x, y, z])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def volume(
    shape: tuple[int, int, int] = (8, 10, 12),
    spacing: tuple[float, float, float] = (1.5, 1.25, 3.0),
    turned: tuple[float, float, float] = (0, 0, 0),
    seed: int = 0,
) -> io.Volume:
    """Noise of whole numbers [D, H, W], no two alike in any direction."""
    affine = np.eye(4)
    affine[:3, :3] = rotation(*turned) @ np.diag(spacing)
    affine[:3, 3] = [10, -20, 30]
    values = np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.float32)
    return io.Volume(values, affine)


def series(folder: Path, of: io.Volume | None = None, **options: object) -> list[Path]:
    """A series of 8 axial MR slices, 3 mm apart."""
    settings: dict = {"patient_id": "phantom-1", "seed": "a"} | options
    return io.write_dicom_series(folder, of or volume(), **settings)


def edit(path: Path, change: Callable[[pydicom.Dataset], object]) -> None:
    """Read a DICOM file, change it, write it back."""
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


def refused(path: Path, **options: object) -> ReadError:
    """The ReadError that reading gives; its reason must hold nothing that leads to a person or a file."""
    with pytest.raises(ReadError) as caught:
        io.read(path, **options)  # type: ignore[arg-type]
    error = caught.value
    for secret in ("phantom-1", "phantom-2", str(path.parent), ".dcm"):
        assert secret not in error.reason, error.reason
    return error
