"""NIfTI files that are damaged, ambiguous or no single image, made here and refused by name."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest

from scantune import io
from tests.io.files import refused, volume


def _save(path: Path, values: np.ndarray, affine: np.ndarray | None = None, **header: object) -> Path:
    image = nibabel.Nifti1Image(values, np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else affine)
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


def _patch(path: Path, at: int, raw: bytes) -> Path:
    whole = bytearray(path.read_bytes())
    whole[at : at + len(raw)] = raw
    path.write_bytes(bytes(whole))
    return path


NOISE = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_or_filled_by_choice(tmp_path: Path, wrong: float) -> None:
    values = NOISE.copy()
    values[1, 2, 3] = values[0, 0, 0] = wrong
    path = _save(tmp_path / "a.nii.gz", values)
    assert "2 of 120 values are NaN or infinite" in refused(path).reason
    loaded = io.read(path, fill_nan=-7)
    assert loaded.array[3, 2, 1] == -7
    assert np.isfinite(loaded.array).all()
    assert "2 values that were NaN or infinite are now -7" in loaded.facts["notes"]


def test_constant_volumes_are_refused_and_empty_masks_accepted_by_choice(tmp_path: Path) -> None:
    assert refused(_save(tmp_path / "a.nii", np.full((4, 5, 6), 3, np.int16))).reason == "every value is 3"
    empty = _save(tmp_path / "b.nii", np.zeros((4, 5, 6), np.uint8))
    assert refused(empty).reason == "every value is 0"
    assert io.read(empty, allow_constant=True).array.max() == 0


def test_a_singular_affine_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii", NOISE)
    rows = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]], dtype="<f4")
    _patch(path, 280, rows.tobytes())  # srow_x, srow_y, srow_z
    _patch(path, 252, b"\0\0")  # no qform
    assert "singular" in refused(path).reason
    _patch(path, 280, np.zeros((3, 4), "<f4").tobytes())
    assert "spacing" in refused(path).reason
    _patch(path, 280, np.full((3, 4), np.nan, "<f4").tobytes())
    assert "not finite" in refused(path).reason


def test_sform_and_qform_that_disagree_are_both_shown(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(NOISE, np.eye(4))
    image.set_sform(np.diag([-1.0, 1, 1, 1]), 1)
    image.set_qform(np.eye(4), 1)
    nibabel.save(image, tmp_path / "a.nii")
    reason = refused(tmp_path / "a.nii").reason
    assert "sform and qform disagree by 6 mm" in reason
    assert "sform [[-1.0" in reason
    assert "qform [[1.0" in reason
    flipped = io.read(tmp_path / "a.nii", affine="sform")
    kept = io.read(tmp_path / "a.nii", affine="qform")
    np.testing.assert_array_equal(flipped.array, kept.array[:, :, ::-1])


@pytest.mark.parametrize("factor, mirrored", [(0.0, False), (2.0, False), (-1.0, True), (-2.0, True)])
def test_the_sign_of_the_quaternions_factor_is_what_counts(tmp_path: Path, factor: float, mirrored: bool) -> None:
    image = nibabel.Nifti1Image(NOISE, np.eye(4))
    image.set_sform(None, 0)
    image.set_qform(np.eye(4), 1)
    nibabel.save(image, tmp_path / "a.nii")
    _patch(tmp_path / "a.nii", 76, np.array([factor], "<f4").tobytes())  # pixdim[0]
    upright = NOISE.transpose(2, 1, 0)
    np.testing.assert_array_equal(io.read(tmp_path / "a.nii").array, upright[::-1] if mirrored else upright)


def test_a_form_that_places_nothing_does_not_matter_where_the_other_is_chosen(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii", NOISE, sform_code=1, qform_code=1)
    _patch(path, 80, np.zeros(3, "<f4").tobytes())  # pixdim[1:4]
    assert "states no spacing" in refused(path).reason
    chosen = io.read(path, affine="sform")
    np.testing.assert_array_equal(chosen.affine, np.diag([2.0, 2.0, 2.0, 1.0]))
    assert chosen.facts["notes"] == ["the qform places nothing; the sform is used, as configured"]


def test_a_file_that_does_not_say_where_it_lies_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii", NOISE)
    _patch(path, 252, b"\0\0\0\0")  # qform_code, sform_code
    assert "does not say where" in refused(path).reason
    _patch(path, 252, b"\1\0\0\0")
    _patch(path, 80, np.zeros(3, "<f4").tobytes())  # pixdim 1 to 3
    assert "no spacing" in refused(path).reason


@pytest.mark.parametrize("unit, millimetre", [(1, 0.001), (3, 1000.0)])
def test_lengths_in_metres_and_micrometres_become_millimetres(tmp_path: Path, unit: int, millimetre: float) -> None:
    affine = np.diag([2 * millimetre, 2 * millimetre, 3 * millimetre, 1])
    loaded = io.read(_save(tmp_path / "a.nii", NOISE, affine, xyzt_units=unit))
    assert loaded.spacing == pytest.approx((2, 2, 3))
    assert any("not mm" in note for note in loaded.facts["notes"])


def test_one_volume_of_several_is_named(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 99, (4, 5, 6, 3)).astype(np.int16)
    path = _save(tmp_path / "a.nii.gz", values)
    assert "4D with 3 volumes; say which with" in refused(path).reason
    np.testing.assert_array_equal(io.read(path, volume=io.VolumeRule(index=2)).array, values[..., 2].T)
    assert "3 volumes (0 to 2)" in refused(path, volume=io.VolumeRule(index=3)).reason
    single = _save(tmp_path / "b.nii.gz", values[..., :1])
    np.testing.assert_array_equal(io.read(single).array, values[..., 0].T)


def test_more_dimensions_colours_complex_numbers_and_vectors_are_refused(tmp_path: Path) -> None:
    five = _save(tmp_path / "a.nii", np.ones((2, 2, 2, 1, 3), np.float32))
    assert "5 dimensions" in refused(five).reason
    assert "complex64, not one real number" in refused(_save(tmp_path / "b.nii", NOISE.astype(np.complex64))).reason
    colour = np.zeros((4, 5, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "RGB" in refused(_save(tmp_path / "c.nii", colour)).reason
    assert "vectors, not an image" in refused(_save(tmp_path / "d.nii", NOISE, intent_code=1007)).reason


@pytest.mark.parametrize("kept", [0.2, 0.9, 0.999])
def test_truncated_gzip_is_refused(tmp_path: Path, kept: float) -> None:
    path = io.write_nifti(tmp_path / "a.nii.gz", volume())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert "cut short" in refused(path).reason


def test_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = io.write_nifti(tmp_path / "a.nii.gz", volume())
    _patch(path, path.stat().st_size - 8, b"\1\2\3\4")
    assert "checksum" in refused(path).reason


def test_a_truncated_uncompressed_file_is_refused(tmp_path: Path) -> None:
    path = io.write_nifti(tmp_path / "a.nii", volume())
    path.write_bytes(path.read_bytes()[:-1])
    assert "cut short: 4191 of 4192 bytes" in refused(path).reason


@pytest.mark.parametrize("start", [0, 348, 351, 352.5, 2**25, np.nan])
def test_an_image_that_starts_within_the_header_or_between_bytes_is_refused(tmp_path: Path, start: float) -> None:
    path = io.write_nifti(tmp_path / "a.nii", volume())
    _patch(path, 108, np.float32(start).tobytes())
    assert "states that the image starts at byte" in refused(path).reason


def test_gzip_in_several_members_is_read(tmp_path: Path) -> None:
    raw = gzip.decompress(io.write_nifti(tmp_path / "a.nii.gz", volume()).read_bytes())
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(raw[:1000]) + gzip.compress(raw[1000:]))
    np.testing.assert_array_equal(io.read(tmp_path / "b.nii.gz").array, volume().array)


def test_huge_sizes_in_a_header_are_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    path = io.write_nifti(tmp_path / "a.nii", volume())
    _patch(path, 40, np.array([3, 30000, 30000, 30000], "<i2").tobytes())
    assert "more than the limit" in refused(path).reason
    _patch(path, 40, np.array([3, -5, 4, 4], "<i2").tobytes())
    assert "impossible sizes" in refused(path).reason
    assert "limit" in refused(io.write_nifti(tmp_path / "b.nii", volume()), limits=io.Limits(max_bytes=100)).reason


def test_a_gzip_bomb_is_refused_early(tmp_path: Path) -> None:
    raw = io.write_nifti(tmp_path / "a.nii", volume()).read_bytes()
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = squeeze.compress(raw) + b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(200)) + squeeze.flush()
    (tmp_path / "b.nii.gz").write_bytes(bomb)
    assert "far more than the image" in refused(tmp_path / "b.nii.gz").reason


def test_scaling_by_the_header_is_applied(tmp_path: Path) -> None:
    stored = np.arange(-60, 60, dtype=np.int16).reshape(4, 5, 6)
    path = _save(tmp_path / "a.nii", stored)
    _patch(path, 112, np.array([0.25, -3.5], "<f4").tobytes())  # scl_slope, scl_inter
    np.testing.assert_array_equal(io.read(path).array, (stored * 0.25 - 3.5).T.astype(np.float32))
    _patch(path, 112, np.array([0, 9], "<f4").tobytes())  # a slope of 0 means none
    np.testing.assert_array_equal(io.read(path).array, stored.T)


def test_big_endian_and_nifti_2_are_read(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    image = nibabel.Nifti1Image(NOISE.astype(">f4"), np.eye(4), header)
    nibabel.save(image, tmp_path / "a.nii")
    np.testing.assert_array_equal(io.read(tmp_path / "a.nii").array, NOISE.T)
    nibabel.save(nibabel.Nifti2Image(NOISE, np.eye(4)), tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(io.read(tmp_path / "b.nii.gz").array, NOISE.T)


def test_a_sheared_grid_is_refused(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[1, 2] = 0.5
    image = nibabel.Nifti1Image(NOISE, None)
    image.set_sform(affine, 1)
    nibabel.save(image, tmp_path / "a.nii")
    assert "sheared by 14.04°" in refused(tmp_path / "a.nii").reason


@pytest.mark.parametrize("plane, shape", [("axial", (1, 7, 5)), ("coronal", (6, 1, 5)), ("sagittal", (6, 7, 1))])
def test_one_slice_is_shown_as_its_dicom_image_would_be(tmp_path: Path, plane: str, shape: tuple) -> None:
    written = volume(shape=shape)
    (file,) = io.write_dicom_series(tmp_path / "s", written, patient_id="phantom-1", seed="a", plane=plane)
    dicom, nifti = io.read(file), io.read(io.write_nifti(tmp_path / "a.nii.gz", written))
    assert isinstance(nifti, io.Image)
    np.testing.assert_array_equal(nifti.array, dicom.array)
    assert nifti.spacing == pytest.approx(dicom.spacing)
    assert "one slice only" in refused(tmp_path / "a.nii.gz", kind="volume").reason


def test_the_kind_that_is_asked_for_is_the_kind_that_comes(tmp_path: Path) -> None:
    path = io.write_nifti(tmp_path / "a.nii", volume())
    assert "12×10×8 voxels is not an image" in refused(path, kind="image").reason
    assert "not a video" in refused(path, kind="video").reason
    assert isinstance(io.read(path, kind="volume"), io.Volume)


def test_masks_on_another_grid_are_told_with_both_grids() -> None:
    one = volume()
    same = io.Volume(one.array, one.affine + 1e-6)
    assert io.same_geometry(one, same)[0]
    moved = one.affine.copy()
    moved[0, 3] += 1
    equal, words = io.same_geometry(one, io.Volume(one.array, moved))
    assert not equal
    assert "1 mm apart: 12×10×8 at (1.5, 1.25, 3) mm from (10, -20, 30) and" in words
    equal, words = io.same_geometry(one, volume(shape=(8, 10, 11)))
    assert not equal
    assert "sizes differ: 12×10×8" in words
    assert "11×10×8" in words


def test_whole_numbers_beyond_float32_are_noted(tmp_path: Path) -> None:
    values = np.arange(336, dtype=np.int32).reshape(6, 7, 8)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    assert not io.read(tmp_path / "a.nii").facts["notes"]
    nibabel.save(nibabel.Nifti1Image(values + 2**25, np.eye(4)), tmp_path / "b.nii")
    assert any("rounded to the 24 bits" in note for note in io.read(tmp_path / "b.nii").facts["notes"])
