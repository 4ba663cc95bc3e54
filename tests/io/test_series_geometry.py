"""Series, enhanced files and NIfTI come out on the grid that was written, which is the one dcm2niix gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scantune import io
from tests.io.files import edit, series, volume

DCM2NIIX = Path(sys.executable).with_name("dcm2niix")
CASES = [
    ("series", "MR", "axial", (0, 0, 0)),
    ("series", "CT", "axial", (10, 5, -7)),
    ("series", "MR", "coronal", (0, 0, 0)),
    ("series", "CT", "coronal", (-12, 4, 20)),
    ("series", "MR", "sagittal", (0, 0, 0)),
    ("series", "MR", "sagittal", (3, -14, 9)),
    ("enhanced", "MR", "axial", (10, 5, -7)),
    ("enhanced", "CT", "axial", (0, 0, 0)),
    ("enhanced", "MR", "coronal", (-12, 4, 20)),
    ("enhanced", "MR", "sagittal", (3, -14, 9)),
]


def _write(kind: str, folder: Path, of: io.Volume, **options: object) -> None:
    common: dict = {"patient_id": "phantom-1", "seed": "a"} | options
    if kind == "series":
        io.write_dicom_series(folder, of, **common)
    else:
        io.write_enhanced(folder / "all.dcm", of, **common)


@pytest.mark.parametrize("kind, modality, plane, turned", CASES)
def test_same_voxels_and_affine_as_dcm2niix(
    tmp_path: Path, kind: str, modality: str, plane: str, turned: tuple[float, float, float]
) -> None:
    written = volume(turned=turned)
    _write(kind, tmp_path / "in", written, modality=modality, plane=plane)
    loaded = io.read(tmp_path / "in", kind="volume")
    (tmp_path / "out").mkdir()
    command = [str(DCM2NIIX), "-z", "n", "-b", "n", "-o", str(tmp_path / "out"), str(tmp_path / "in")]
    subprocess.run(command, check=True, capture_output=True)
    (converted,) = (tmp_path / "out").glob("*.nii")
    peer = nibabel.as_closest_canonical(nibabel.load(converted))
    np.testing.assert_array_equal(loaded.array, peer.get_fdata().transpose(2, 1, 0))  # i j k -> D H W
    np.testing.assert_allclose(loaded.affine, peer.affine, atol=5e-5)
    np.testing.assert_array_equal(loaded.array, written.array)
    np.testing.assert_allclose(loaded.affine, written.affine, atol=5e-5)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_series_and_nifti_of_one_scan_give_the_same_array(tmp_path: Path, plane: str) -> None:
    written = volume(turned=(8, -3, 5))
    series(tmp_path / "in", written, plane=plane)
    nifti = io.read(io.write_nifti(tmp_path / "a.nii.gz", written, dtype="int16"))
    loaded = io.read(tmp_path / "in")
    assert loaded.array.dtype == nifti.array.dtype == np.float32
    np.testing.assert_array_equal(loaded.array, nifti.array)
    np.testing.assert_allclose(loaded.affine, nifti.affine, atol=5e-5)
    assert io.same_geometry(loaded, nifti)[0]


angles = st.floats(-180, 180, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(angles, angles, angles, st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
def test_any_nifti_grid_becomes_what_nibabel_calls_closest_canonical(
    tmp_path_factory: pytest.TempPathFactory, x: float, y: float, z: float, order: list[int], flips: tuple[bool, ...]
) -> None:
    from tests.io.files import rotation

    affine = np.eye(4)
    affine[:3, :3] = (rotation(x, y, z) @ np.diag([1.0, 2.0, 3.0]))[:, order] * np.where(flips, -1, 1)
    affine[:3, 3] = [5, 6, 7]
    values = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(values, affine)
    path = tmp_path_factory.mktemp("any") / "a.nii"
    nibabel.save(image, path)
    loaded = io.read(path)
    stored, stored_affine = loaded.storage()
    corner = stored_affine @ [0, 0, 0, 1]
    index = np.linalg.inv(loaded.affine) @ corner  # the first voxel in memory is a corner of the array
    i, j, k = np.rint(index[:3]).astype(int)
    assert loaded.array[k, j, i] == stored[0, 0, 0]
    # the diagonal is as large as any permutation makes it, and every axis grows to R, A, S
    unit = loaded.affine[:3, :3] / np.array(loaded.spacing)
    assert (np.diag(unit) > 0).all()
    # each voxel keeps its place in the world
    world = image.affine @ [1, 2, 3, 1]
    i, j, k = np.rint(np.linalg.inv(loaded.affine) @ world)[:3].astype(int)
    assert loaded.array[k, j, i] == values[1, 2, 3]
    peer = nibabel.as_closest_canonical(image)
    codes = nibabel.aff2axcodes(image.affine)
    best = np.sort(np.abs(unit), axis=0)[-1] - np.sort(np.abs(unit), axis=0)[-2]
    if codes != (None, None, None) and best.min() > 0.2:  # far from 45 degrees there is one answer
        np.testing.assert_array_equal(loaded.array, peer.get_fdata().transpose(2, 1, 0))
        np.testing.assert_allclose(loaded.affine, peer.affine, atol=1e-5)


def test_a_tilted_series_is_refused_or_resampled_upright(tmp_path: Path) -> None:
    from tests.io.files import edit, refused

    shape = (24, 20, 16)
    z, y, x = np.meshgrid(*[np.arange(n, dtype=float) for n in shape], indexing="ij")
    upright = io.Volume((10 * x + 20 * y + 5 * z).astype(np.float32), np.diag([1.0, 1.0, 2.0, 1.0]))
    paths = series(tmp_path / "in", upright, modality="CT")
    tilt = np.tan(np.radians(15)) * 2.0  # mm in plane a slice
    for at, path in enumerate(paths):  # the table moves on, the slices lean: positions shift along the columns

        def lean(dataset, at=at):
            position = [float(v) for v in dataset.ImagePositionPatient]
            position[1] += at * tilt
            dataset.ImagePositionPatient = [f"{v:.6f}" for v in position]

        edit(path, lean)
    assert "sheared by 15" in refused(tmp_path / "in").reason
    loaded = io.read(tmp_path / "in", tilt="resample")
    columns = loaded.affine[:3, :3] / loaded.spacing
    np.testing.assert_allclose(columns.T @ columns, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(loaded.spacing, (1.0, 1.0, 2.0), atol=1e-6)
    # inside, the value at a place in the world is the one that the leaning slices have there
    k, j, i = 12, 16, 8
    world = loaded.affine @ [i, j, k, 1]
    slice_number = world[2] / 2.0
    row = world[1] + slice_number * tilt  # posterior shift in LPS is a step down in RAS
    np.testing.assert_allclose(loaded.array[k, j, i], 10 * world[0] + 20 * row + 5 * slice_number, atol=0.6)
    assert any("gantry" in note for note in loaded.facts["notes"])


@pytest.mark.parametrize(("tilt", "turned", "told"), [(15, 0, True), (-15, 15, False), (0, 0, False), (15, 90, False)])
def test_a_gantry_tilt_that_the_orientation_does_not_show_is_told(tmp_path, tilt, turned, told):
    for path in series(tmp_path / "a", volume(turned=(turned, 0, 0)), modality="CT"):
        edit(path, lambda dataset: setattr(dataset, "GantryDetectorTilt", tilt))
    notes = io.read(tmp_path / "a").facts["notes"]
    assert any("states a gantry tilt of 15°" in note for note in notes) == told
