"""NRRD and MetaImage against SimpleITK, which writes them, and nibabel, which writes the same grid as NIfTI."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from scantune import io
from scantune.io.data_files import with_data_files
from scantune.records import ReadError
from tests.io.files import refused, rotation

_LPS = np.diag([-1.0, -1.0, 1.0])
_PACKINGS: dict[str, Callable[[bytes], bytes]] = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}


def _grid(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A 3x3 of directions and spacings (RAS), turned at random, axes permuted and flipped; and an origin."""
    rng = np.random.default_rng(seed)
    turned = rotation(*rng.uniform(-40, 40, 3))[:, rng.permutation(3)] * rng.choice([-1, 1], 3)
    return turned * rng.uniform(0.4, 4, 3), rng.uniform(-200, 200, 3)


def _values(seed: int, dtype: str) -> np.ndarray:
    """[i, j, k], no two alike in any direction."""
    values = np.random.default_rng(seed).uniform(0, 200, (5, 6, 7))
    return (values - (0 if dtype.startswith("u") else 100)).astype(dtype)


def _image(values: np.ndarray, steps: np.ndarray, origin: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T))  # i j k -> k j i
    zooms = np.linalg.norm(steps, axis=0)
    image.SetSpacing(zooms.tolist())
    image.SetDirection((_LPS @ steps / zooms).ravel().tolist())
    image.SetOrigin((_LPS @ origin).tolist())
    return image


def _nrrd(
    values: np.ndarray, fields: str = "", packing: str = "raw", order: str = "<", detached: bool = False
) -> bytes:
    """An NRRD file of an array [i, j, k], written by hand; a header alone where the data lie elsewhere."""
    types = {"i2": "short", "u1": "uchar", "f4": "float", "f8": "double", "u2": "uint16"}
    sizes = " ".join(map(str, values.shape))
    head = (
        f"NRRD0005\n# a comment\ntype: {types[values.dtype.str[1:]]}\ndimension: {values.ndim}\nsizes: {sizes}\n"
        f"endian: {'little' if order == '<' else 'big'}\nencoding: {packing}\n{fields}"
    ).encode()
    data = values.astype(values.dtype.newbyteorder(order)).tobytes(order="F")
    return head if detached else head + b"\n" + _PACKINGS[packing](data)


def _meta(values: np.ndarray, fields: str = "", data: str = "LOCAL", packed: bool = False, order: str = "<") -> bytes:
    """A MetaImage header and, where they are attached, its data."""
    types = {"i2": "MET_SHORT", "u1": "MET_UCHAR", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}
    sizes = " ".join(map(str, values.shape))
    head = (
        f"NDims = {values.ndim}\nDimSize = {sizes}\nElementSpacing = {'1 ' * values.ndim}\nCompressedData = {packed}\n"
        f"ElementByteOrderMSB = {order == '>'}\n{fields}ElementType = {types[values.dtype.str[1:]]}\n"
        f"ElementDataFile = {data}\n"
    ).encode()
    raw = values.astype(values.dtype.newbyteorder(order)).tobytes(order="F")
    return head + (zlib.compress(raw) if packed else raw) if data == "LOCAL" else head


PLACE = "space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n"
NOISE = _values(1, "int16")


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("seed", "dtype"), [(0, "int16"), (1, "uint8"), (2, "float32"), (3, "float64"), (4, "uint16")])
def test_what_simpleitk_writes_is_read_as_the_nifti_of_the_same_grid(
    tmp_path: Path, name: str, compressed: bool, seed: int, dtype: str
) -> None:
    values, (steps, origin) = _values(seed, dtype), _grid(seed)
    sitk.WriteImage(_image(values, steps, origin), str(tmp_path / name), useCompression=compressed)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps, origin
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "b.nii.gz")
    for integers in (False, True):
        one = io.read(tmp_path / name, keep_integers=integers)
        other = io.read(tmp_path / "b.nii.gz", keep_integers=integers, affine="sform")
        assert one.array.dtype == other.array.dtype
        np.testing.assert_array_equal(one.array, other.array)
        np.testing.assert_allclose(one.affine, other.affine, atol=2e-5)  # NIfTI has the affine in float32
        assert one.facts["orientation"] == other.facts["orientation"]
        assert one.facts["stored_dtype"] == dtype


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packing", list(_PACKINGS))
@pytest.mark.parametrize(("space", "signs"), [("RAS", [1, 1, 1]), ("left-anterior-superior", [-1, 1, 1]),
                                              ("left-posterior-superior", [-1, -1, 1])])  # fmt: skip
def test_encodings_orders_and_spaces_of_nrrd(
    tmp_path: Path, order: str, packing: str, space: str, signs: list[int]
) -> None:
    fields = f"space: {space}\nspace directions: (0,2,0) (1,0,0) (0,0,-3)\nspace origin: (5,6,7)\n"
    (tmp_path / "a.nrrd").write_bytes(_nrrd(NOISE, fields, packing, order))
    loaded = io.read(tmp_path / "a.nrrd")
    affine = np.eye(4)
    affine[:3, :3] = np.diag(signs) @ np.array([[0, 1, 0], [2, 0, 0], [0, 0, -3]])
    affine[:3, 3] = np.array(signs) * [5, 6, 7]
    nibabel.save(nibabel.Nifti1Image(NOISE, affine), tmp_path / "b.nii")
    np.testing.assert_array_equal(loaded.array, io.read(tmp_path / "b.nii").array)
    np.testing.assert_allclose(loaded.affine, io.read(tmp_path / "b.nii").affine, atol=1e-5)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
def test_byte_orders_and_skips_of_metaimage(tmp_path: Path, order: str, packed: bool) -> None:
    attached = tmp_path / "a.mha"
    size = len(zlib.compress(NOISE.astype(f"{order}i2").tobytes(order="F")))
    attached.write_bytes(_meta(NOISE, f"CompressedDataSize = {size}\n" if packed else "", packed=packed, order=order))
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(attached)))
    loaded = io.read(attached)
    np.testing.assert_array_equal(loaded.array, expected[:, ::-1, ::-1])  # LPS to RAS
    assert any("TransformMatrix" in note for note in loaded.facts["notes"])
    if not packed:
        raw = attached.read_bytes()[-NOISE.nbytes :]
        for skipped, data in ((7, b"ignored" + raw), (-1, b"any number" + raw)):
            (tmp_path / "b.raw").write_bytes(data)
            (tmp_path / "b.mhd").write_bytes(_meta(NOISE, f"HeaderSize = {skipped}\n", "b.raw", order=order))
            np.testing.assert_array_equal(io.read(tmp_path / "b.mhd").array, loaded.array)


@pytest.mark.parametrize("before", [0, 7])
def test_bytes_before_data_that_follow_a_metaimage_header_are_counted_from_the_files_start(
    tmp_path: Path, before: int
) -> None:
    whole = _meta(NOISE, "HeaderSize = 000\n")
    head, data = whole[: -NOISE.nbytes], whole[-NOISE.nbytes :]
    path = tmp_path / "a.mha"
    path.write_bytes(head.replace(b"000", b"%03d" % (len(head) + before)) + b"x" * before + data)
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(expected, NOISE.T)
    np.testing.assert_array_equal(io.read(path).array, expected[:, ::-1, ::-1])
    path.write_bytes(head.replace(b"000", b"007") + b"x" * 7 + data)  # ITK takes a part of the header for voxels
    assert f"HeaderSize of 7 bytes is less than its MetaImage header, which has {len(head)}" in refused(path).reason


@pytest.mark.parametrize("packing", list(_PACKINGS))
@pytest.mark.parametrize(("skip", "before"), [(7, 7), (-1, 352)])
def test_bytes_before_the_data_of_nrrd(tmp_path: Path, packing: str, skip: int, before: int) -> None:
    raw = bytes(range(7)) * (before // 7) + bytes(before % 7) + NOISE.tobytes(order="F")
    (tmp_path / "a.data").write_bytes(_PACKINGS[packing](raw))
    fields = f"{PLACE}byte skip: {skip}\ndata file: a.data\n"
    (tmp_path / "a.nhdr").write_bytes(_nrrd(NOISE, fields, packing, detached=True))
    (tmp_path / "b.nrrd").write_bytes(_nrrd(NOISE, PLACE))
    np.testing.assert_array_equal(io.read(tmp_path / "a.nhdr").array, io.read(tmp_path / "b.nrrd").array)
    (tmp_path / "a.data").write_bytes(b"of a line\nand another\n" + _PACKINGS[packing](raw))
    (tmp_path / "a.nhdr").write_bytes(_nrrd(NOISE, f"line skip: 2\n{fields}", packing, detached=True))
    np.testing.assert_array_equal(io.read(tmp_path / "a.nhdr").array, io.read(tmp_path / "b.nrrd").array)


@pytest.mark.parametrize("how", ["list", "pattern"])
def test_data_in_several_files(tmp_path: Path, how: str) -> None:
    for k in range(7):
        (tmp_path / f"s{k:02d}.raw").write_bytes(NOISE[:, :, k].tobytes(order="F"))
    names = "".join(f"s{k:02d}.raw\n" for k in range(7))
    nrrd = {"list": f"data file: LIST\n{names}", "pattern": "data file: s%02d.raw 0 6 1\n"}[how]
    meta = {"list": f"LIST\n{names}".strip(), "pattern": "s%02d.raw 0 6 1"}[how]
    (tmp_path / "a.nhdr").write_bytes(_nrrd(NOISE, PLACE + nrrd, detached=True))
    (tmp_path / "a.mhd").write_bytes(_meta(NOISE, data=meta))
    (tmp_path / "b.nrrd").write_bytes(_nrrd(NOISE, PLACE))
    for name in ("a.nhdr", "a.mhd"):
        np.testing.assert_array_equal(io.read(tmp_path / name).array, io.read(tmp_path / "b.nrrd").array)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_several_values_a_voxel_are_volumes_of_which_one_is_named(tmp_path: Path, name: str) -> None:
    values = np.stack([NOISE, NOISE + 1, NOISE + 5], axis=-1)
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0, 3)), isVector=True)
    sitk.WriteImage(image, str(tmp_path / name))
    assert "it is 4D with 3 volumes; say which with 'volume: first'" in refused(tmp_path / name).reason
    flat = NOISE.transpose(2, 1, 0)[:, ::-1, ::-1]
    for rule, expected in (({"index": 1}, flat + 1), ("first", flat), ("mean", flat + 2)):
        np.testing.assert_array_equal(io.read(tmp_path / name, volume=io.VolumeRule.of(rule)).array, expected)
    assert "0 to 2" in refused(tmp_path / name, volume=io.VolumeRule(3)).reason


def test_the_axis_of_volumes_may_be_the_last(tmp_path: Path) -> None:
    values = np.stack([NOISE, NOISE + 1], axis=-1)
    fields = PLACE.replace("(0,0,1)\n", "(0,0,1) none\n") + "kinds: domain domain domain list\n"
    (tmp_path / "a.nrrd").write_bytes(_nrrd(values, fields))
    (tmp_path / "a.mha").write_bytes(_meta(values))
    for name in ("a.nrrd", "a.mha"):
        loaded = io.read(tmp_path / name, volume=io.VolumeRule(1))
        np.testing.assert_array_equal(loaded.array, NOISE.T[:, ::-1, ::-1] + 1)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_two_axes_are_a_picture_as_stored(tmp_path: Path, name: str) -> None:
    plane = NOISE[:, :, 0]  # columns, rows
    image = sitk.GetImageFromArray(np.ascontiguousarray(plane.T))
    image.SetSpacing((0.5, 0.25))
    sitk.WriteImage(image, str(tmp_path / name))
    loaded = io.read(tmp_path / name)
    np.testing.assert_array_equal(loaded.array[0], plane.T)
    assert loaded.spacing == (0.25, 0.5)
    assert "two axes: shown as stored, sides unknown" in loaded.facts["notes"][0]
    coloured = np.random.default_rng(0).integers(0, 255, (6, 5, 3), dtype=np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(coloured, isVector=True), str(tmp_path / name))
    np.testing.assert_array_equal(io.read(tmp_path / name).array, coloured.transpose(2, 0, 1))


@pytest.mark.parametrize("thin", [0, 1, 2])
def test_one_slice_is_shown_as_that_of_nifti(tmp_path: Path, thin: int) -> None:
    values, (steps, origin) = NOISE.take([0], axis=thin), _grid(3)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps, origin
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "b.nii")
    expected = io.read(tmp_path / "b.nii", affine="sform")
    for name in ("a.nrrd", "a.mha"):
        sitk.WriteImage(_image(values, steps, origin), str(tmp_path / name))
        loaded = io.read(tmp_path / name)
        np.testing.assert_array_equal(loaded.array, expected.array)
        np.testing.assert_allclose(loaded.spacing, expected.spacing, rtol=1e-5)
        assert loaded.facts["orientation"] == expected.facts["orientation"]
        assert "one slice only" in refused(tmp_path / name, kind="volume").reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ("", "the field 'space' is not set: the file does not say where its voxels lie"),
        ("space: scanner-xyz\n", "the field 'space' is none of"),
        ("space: LPS\n", "'space directions' is not set"),
        ("space: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n", "'space origin' is not set"),
        (PLACE.replace("(0,1,0)", "(0,0,0)"), "spacing"),
        (PLACE.replace("(0,1,0)", "(0.5,1,0)"), "sheared by"),
        (PLACE.replace("(0,1,0)", "(2,0,0)"), "singular"),
        (PLACE.replace("(0,1,0)", "(a,1,0)"), "space directions is not in numbers"),
        (PLACE.replace(" (0,1,0)", ""), "2 space directions for 3 axes"),
        (PLACE + 'space units: "parsec" "parsec" "parsec"\n', "not one unit of length"),
    ],
)  # fmt: skip
def test_places_of_nrrd_that_are_refused(tmp_path: Path, fields: str, reason: str) -> None:
    (tmp_path / "a.nrrd").write_bytes(_nrrd(NOISE, fields))
    assert reason in refused(tmp_path / "a.nrrd").reason


def test_a_unit_of_length_is_converted(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(_nrrd(NOISE, PLACE + 'space units: "cm" "cm" "cm"\n'))
    assert io.read(tmp_path / "a.nrrd").spacing == (10, 10, 10)


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize(
    ("compressed", "fault"),
    [(False, "cut"), (True, "cut"), (False, "one byte less"), (True, "one byte less"), (True, "changed")],
)
def test_damaged_data_are_refused(tmp_path: Path, name: str, compressed: bool, fault: str) -> None:
    sitk.WriteImage(_image(NOISE, *_grid(0)), str(tmp_path / name), useCompression=compressed)
    data = next((path for path in tmp_path.iterdir() if path.name != name), tmp_path / name)
    raw = bytearray(data.read_bytes())
    raw[-60] ^= 0xFF
    data.write_bytes({"cut": raw[: len(raw) - 100], "one byte less": raw[:-1], "changed": raw}[fault])
    assert ("damaged" if fault == "changed" else "cut short") in refused(tmp_path / name).reason


@pytest.mark.parametrize(
    "name", ["../b.raw", "x/../../b.raw", "/etc/passwd", "C:\\b.raw", "..\\b.raw", "\\\\host\\b.raw"]
)
def test_data_outside_of_the_headers_folder_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (tmp_path / "b.raw").write_bytes(NOISE.tobytes(order="F"))
    (folder / "a.nhdr").write_bytes(_nrrd(NOISE, PLACE + f"data file: {name}\n", detached=True))
    (folder / "b.nhdr").write_bytes(_nrrd(NOISE, PLACE + f"data file: LIST\n{name}\n", detached=True))
    (folder / "a.mhd").write_bytes(_meta(NOISE, data=name))
    for header in ("a.nhdr", "b.nhdr", "a.mhd"):
        error = refused(folder / header)
        assert "outside of the header's own folder" in error.reason or "by an absolute path" in error.reason
        assert header in error.detail


def test_data_in_a_folder_below_are_read_and_missing_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "a.mhd").write_bytes(_meta(NOISE, data="x/b.raw"))
    error = refused(tmp_path / "a.mhd")
    assert "the data file that its header names: there is no such file" in error.reason
    assert "b.raw" in error.detail
    (tmp_path / "x" / "b.raw").write_bytes(NOISE.tobytes(order="F"))
    assert io.read(tmp_path / "a.mhd").array.shape == (7, 6, 5)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (_nrrd(NOISE, PLACE).replace(b"sizes: 5 6 7", b"sizes: 50000 60000 70000"), "more than the limit"),
        (_meta(NOISE).replace(b"DimSize = 5 6 7", b"DimSize = 50000 60000 70000"), "more than the limit"),
        (_nrrd(NOISE, PLACE).replace(b"sizes: 5 6 7", b"sizes: 5 0 7"), "impossible sizes"),
        (_meta(NOISE).replace(b"DimSize = 5 6 7", b"DimSize = 5 -6 7"), "impossible sizes"),
        (_nrrd(NOISE, PLACE).replace(b"sizes: 5 6 7", b"sizes: 5 6"), "impossible sizes"),
        (_nrrd(NOISE, PLACE).replace(b"type: short", b"type: block"), "none of whole or real numbers"),
        (_nrrd(NOISE, PLACE).replace(b"endian: little\n", b""), "does not state 'endian"),
        (_nrrd(NOISE, PLACE).replace(b"encoding: raw", b"encoding: ascii"), "stored as text"),
        (_nrrd(NOISE, PLACE + "byte skip: -5\n"), "'byte skip' of its NRRD header is -5"),
        (_meta(NOISE, "BinaryData = False\n"), "stored as text"),
        (_meta(NOISE).replace(b"ElementSpacing = 1 1 1 \n", b""), "states no spacing"),
        (_meta(NOISE, "TransformMatrix = 1 0 0 1\n"), "not one of 3 axes"),
        (_meta(NOISE, "ObjectType = Scene\n"), "not an image"),
        (_meta(NOISE, data="s%s.raw 1 5 1"), "by a pattern that cannot be followed"),
        (_meta(NOISE, data="s%d.raw 1 99999999 1"), "by a pattern that cannot be followed"),
        (_nrrd(np.stack([NOISE] * 4), "kinds: RGBA-color domain domain domain\n"), "a voxel is a RGBA-color"),
        (_nrrd(NOISE, PLACE + "space origin: (9,9,9)\n"), "the field 'space origin' twice"),
        (_meta(NOISE, "Offset = 0 0 0\nOffset = 9 9 9\n"), "the field 'Offset' twice"),
        (_nrrd(NOISE[None, None], "kinds: list list domain domain domain\n"), "it has 5 dimensions"),
    ],
)  # fmt: skip
def test_headers_that_are_refused(tmp_path: Path, head: bytes, reason: str) -> None:
    (tmp_path / "a").write_bytes(head)
    assert reason in refused(tmp_path / "a").reason


def test_far_more_in_the_stream_than_the_header_states_is_refused(tmp_path: Path) -> None:
    head = _nrrd(NOISE, PLACE, "gzip").partition(b"\n\n")[0]
    (tmp_path / "a.nrrd").write_bytes(head + b"\n\n" + gzip.compress(bytes(1 << 20)))
    assert "far more than the image" in refused(tmp_path / "a.nrrd").reason
    most = gzip.compress(NOISE.tobytes(order="F") + bytes(1 << 16))  # as much as is allowed, and another stream
    (tmp_path / "a.nrrd").write_bytes(head + b"\n\n" + most + gzip.compress(bytes(1 << 20)))
    assert "far more than the image" in refused(tmp_path / "a.nrrd").reason


@pytest.mark.parametrize("seed", range(3))
def test_headers_with_changed_bytes_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for head in (_nrrd(NOISE, PLACE), _meta(NOISE, "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\n")):
        for _ in range(60):
            raw = bytearray(head)
            for at in rng.integers(0, 250, 3):
                raw[at] = rng.integers(32, 127)
            (tmp_path / "a").write_bytes(raw)
            with contextlib.suppress(ReadError):
                io.read(tmp_path / "a", limits=io.Limits(max_bytes=1 << 20), allow_constant=True)


def _isolated(path: Path) -> io.Volume:
    loaded = io.read(path, isolated=True)
    assert isinstance(loaded, io.Volume)
    return loaded


def test_the_child_process_reads_data_beside_the_header(tmp_path: Path) -> None:
    sitk.WriteImage(_image(NOISE, *_grid(0)), str(tmp_path / "a.mhd"))
    np.testing.assert_array_equal(_isolated(tmp_path / "a.mhd").array, io.read(tmp_path / "a.mhd").array)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mhd"])
def test_the_extent_is_known_from_the_header_alone(tmp_path: Path, name: str) -> None:
    sitk.WriteImage(_image(NOISE, *_grid(5)), str(tmp_path / name))
    read = io.read(tmp_path / name)
    (tmp_path / "a.raw").unlink(missing_ok=True)
    if name == "a.nrrd":
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-300])
    extent = io.read_extent(tmp_path / name)
    assert (extent.kind, extent.shape, extent.volumes, extent.bits) == ("volume", read.array.shape[::-1], 1, 16)
    np.testing.assert_allclose(extent.spacing, read.spacing)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_the_extent_of_a_picture_and_of_several_volumes(tmp_path: Path, name: str) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.ascontiguousarray(NOISE[:, :, 0].T)), str(tmp_path / name))
    assert (io.read_extent(tmp_path / name).kind, io.read_extent(tmp_path / name).shape) == ("image", (6, 5))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((5, 6, 7, 4), np.int16), isVector=True), str(tmp_path / name))
    assert (io.read_extent(tmp_path / name).volumes, io.read_extent(tmp_path / name).shape) == (4, (7, 6, 5))


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_was_gzipped_as_a_whole_is_read_as_it_was(tmp_path: Path, name: str, compressed: bool) -> None:
    plain = tmp_path / name
    sitk.WriteImage(_image(NOISE, *_grid(3)), str(plain), useCompression=compressed)
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    one, other = io.read(packed), io.read(plain)
    assert isinstance(one, io.Volume)
    assert isinstance(other, io.Volume)
    np.testing.assert_array_equal(one.array, other.array)
    np.testing.assert_array_equal(one.affine, other.affine)
    assert io.read_extent(packed) == io.read_extent(plain)
    assert with_data_files(packed)[1:] == with_data_files(plain)[1:]


def test_a_gzipped_file_is_bounded_when_it_is_unpacked_and_its_checksum_counts(tmp_path: Path) -> None:
    packed = tmp_path / "a.mha.gz"
    whole = gzip.compress(_meta(NOISE, "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\n") + bytes(1 << 20))
    packed.write_bytes(whole)
    assert "more than the limit" in refused(packed, limits=io.Limits(max_bytes=1 << 18)).reason
    for damaged in (whole[:-20], whole[:-8] + bytes(8), whole[:300]):
        packed.write_bytes(damaged)
        assert "gzip stream is" in refused(packed).reason
    packed.write_bytes(whole[:-100])
    assert re.search(r"cut short: \d+ bytes, and not the end, are there", refused(packed).reason)
    packed.write_bytes(gzip.compress(b"id,label\n1,2\n"))
    assert "what is inside is not NIfTI, NRRD, MetaImage or DICOM" in refused(packed).reason


def test_names_of_one_field_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    for more in ("Offset = 1 2 3\nPosition = 1.0 2 3\n", "ElementSize = 1 1 0.5\n"):
        path.write_bytes(_meta(NOISE, more))
        io.read(path)
    path.write_bytes(_meta(NOISE, "Offset = 1 2 3\nOrigin = 9 9 9\n"))
    assert "Offset and Origin, names of one field, differently" in refused(path).reason
