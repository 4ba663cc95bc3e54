"""What goes wrong in a folder of slices, made here and refused (or noted) by name."""

from __future__ import annotations

import gc
import gzip
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest

from scantune import io
from scantune.records import ReadError
from tests.io.files import edit, refused, series, volume


def test_missing_slices_are_counted_and_placed(tmp_path: Path) -> None:
    paths = series(tmp_path / "s", volume(shape=(24, 6, 5)))
    paths[5].unlink()
    assert "1 slice is missing of 24: 1 after slice 5" in refused(tmp_path / "s").reason
    paths[10].unlink()
    paths[11].unlink()
    reason = refused(tmp_path / "s").reason
    assert "3 slices are missing of 24" in reason
    assert "2 after slice 9" in reason


def test_a_copied_slice_is_kept_once_and_noted(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    shutil.copy(paths[3], tmp_path / "s" / "copy.dcm")
    loaded = io.read(tmp_path / "s")
    np.testing.assert_array_equal(loaded.array, volume().array)
    assert "1 identical copies of slices ignored" in loaded.facts["notes"]


def test_two_different_slices_at_one_place_are_refused(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    other = tmp_path / "s" / "other.dcm"
    shutil.copy(paths[3], other)

    def change(dataset: pydicom.Dataset) -> None:
        dataset.PixelData = dataset.PixelData[::-1]

    edit(other, change)
    assert "different slices at one place: instance 4 and instance 4" in refused(tmp_path / "s").reason


def test_two_series_are_told_apart_and_chosen_by_rule(tmp_path: Path) -> None:
    short = volume(shape=(5, 10, 12), seed=1)
    series(tmp_path / "s" / "one", tags={"SeriesDescription": "MPRAGE iso", "SeriesNumber": 3})
    series(tmp_path / "s" / "two", short, seed="b", tags={"SeriesDescription": "T2 tse", "SeriesNumber": 7})
    error = refused(tmp_path / "s")
    assert "2 series, and no rule says which" in error.reason
    assert "8 files" in error.reason
    assert "5 files" in error.reason
    assert "MPRAGE" not in error.reason  # header texts are for the terminal
    assert "MPRAGE" in error.detail
    rule = io.SeriesRule
    digest = error.reason.split(": ")[1].split(" ")[0]
    for chosen, slices in (
        (rule(description="mprage"), 8),
        (rule(number=7), 5),
        (rule(largest=True), 8),
    ):
        assert io.read(tmp_path / "s", series=chosen).array.shape[0] == slices
    assert io.read(tmp_path / "s", series=rule(uid_digest=digest)).facts["series"] == digest
    assert "none of them is the named one" in refused(tmp_path / "s", series=rule(number=9)).reason
    assert "leaves 0 of them" in refused(tmp_path / "s", series=rule(description="dwi")).reason


def test_uneven_spacing_is_refused_with_its_gaps(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")

    def shift(dataset: pydicom.Dataset) -> None:
        dataset.ImagePositionPatient[2] += 0.7

    edit(paths[4], shift)
    reason = refused(tmp_path / "s").reason
    assert "uneven slice spacing" in reason
    assert "3.7 mm after slice 4" in reason
    assert io.read(tmp_path / "s", slice_tolerance=0.25).spacing == pytest.approx((1.5, 1.25, 3.0))


def test_slices_shifted_sideways_are_refused(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")

    def shift(dataset: pydicom.Dataset) -> None:
        dataset.ImagePositionPatient[0] += 4

    edit(paths[4], shift)
    assert "shifted against each other" in refused(tmp_path / "s").reason


def test_rescale_that_changes_by_slice_is_exact(tmp_path: Path) -> None:
    written = volume()
    values = written.array * np.linspace(0.01, 90, 8, dtype=np.float32)[:, None, None]  # products beyond int16
    paths = series(tmp_path / "s", io.Volume(values, written.affine), rescale="slice")
    loaded = io.read(tmp_path / "s")
    slopes = set()
    for k, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        slopes.add(float(dataset.RescaleSlope))
        exact = dataset.pixel_array.astype(np.float64) * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        np.testing.assert_array_equal(loaded.array[k], exact.astype(np.float32)[::-1, ::-1])  # L, P -> R, A
    assert len(slopes) == 8
    np.testing.assert_allclose(loaded.array, values, atol=0.01 + 90 * 2000 / 65000)


@pytest.mark.parametrize(
    "keyword, what",
    [
        ("ImagePositionPatient", "position"),
        ("ImageOrientationPatient", "orientation"),
        ("PixelSpacing", "pixel spacing"),
    ],
)
def test_no_geometry_is_made_up(tmp_path: Path, keyword: str, what: str) -> None:
    for path in series(tmp_path / "s"):
        edit(path, lambda dataset: delattr(dataset, keyword))
    reason = refused(tmp_path / "s").reason
    assert f"8 of 8 slices have no {what}" in reason
    assert "no geometry is made up" in reason


def test_truncated_pixel_data_is_refused(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    whole = paths[2].read_bytes()
    paths[2].write_bytes(whole[:-30])
    error = refused(tmp_path / "s")
    assert "pixel data is cut short: 210 of 240 bytes" in error.reason
    assert "0003.dcm" in error.detail
    paths[2].write_bytes(whole[:500])  # cut in the header
    assert "cut short" in refused(tmp_path / "s").reason


@pytest.mark.parametrize("compression", io.compressions()[1:])
def test_truncated_compressed_slices_are_refused(tmp_path: Path, compression: str) -> None:
    paths = series(tmp_path / "s", volume(shape=(4, 40, 48)), compression=compression)
    paths[2].write_bytes(paths[2].read_bytes()[:-60])
    refused(tmp_path / "s")


@pytest.mark.parametrize("cut", [5, 8, 9, 40])
@pytest.mark.parametrize("compression", [name for name in ("rle", "jpeg-ls") if name in io.compressions()])
def test_a_compressed_picture_without_its_last_bytes_is_refused(tmp_path: Path, compression: str, cut: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 4000, (40, 40)).astype(np.uint16)
    path = tmp_path / "a.dcm"
    io.write_dicom_image(path, pixels, patient_id="p", seed="a", bits=12, compression=compression)
    whole = path.read_bytes()
    path.write_bytes(whole + b"\xfc\xff\xfc\xffOB\0\0\x10\0\0\0" + bytes(16))  # trailing padding is allowed
    np.testing.assert_array_equal(io.read(path).array[0], pixels)
    path.write_bytes(whole[:-cut])
    assert "cut" in refused(path).reason


def test_foreign_files_are_set_aside_and_counted(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    (tmp_path / "s" / "notes.txt").write_text("Jane Doe, 12 March")
    (tmp_path / "s" / "empty.dcm").write_bytes(b"")

    def report(dataset: pydicom.Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.22"
        dataset.Modality = "SR"
        for keyword in ("PixelData", "Rows", "Columns"):
            delattr(dataset, keyword)

    shutil.copy(paths[0], tmp_path / "s" / "report.dcm")
    edit(tmp_path / "s" / "report.dcm", report)

    def directory(dataset: pydicom.Dataset) -> None:
        report(dataset)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"

    shutil.copy(paths[0], tmp_path / "s" / "DICOMDIR")
    edit(tmp_path / "s" / "DICOMDIR", directory)

    loaded = io.read(tmp_path / "s")
    np.testing.assert_array_equal(loaded.array, volume().array)
    assert "1 file is named as DICOM and empty" in loaded.facts["notes"][0]
    assert loaded.facts["set_aside"] == {
        "DICOM without an image: Enhanced SR": 1,
        "DICOMDIR": 1,
        "named as DICOM, and none": 1,
        "not DICOM": 1,
    }


def test_what_archives_and_servers_add_is_no_slice_and_archives_among_slices_are_noted(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    for name in ("__MACOSX", "@eaDir"):
        (tmp_path / "s" / name).mkdir()
        shutil.copy(paths[0], tmp_path / "s" / name)
    assert io.read(tmp_path / "s").facts["notes"] == []
    with zipfile.ZipFile(tmp_path / "s" / "rest.zip", "w") as archive:
        archive.write(paths[-1])
    assert "1 archive among the files not unpacked" in io.read(tmp_path / "s").facts["notes"][0]
    assert refused(tmp_path / "s" / "rest.zip").reason == "it is a ZIP archive: unpack it"
    (tmp_path / "s" / "more.dcm").symlink_to("/nowhere.dcm")
    assert refused(tmp_path / "s").reason == "it is a link to a file that is not there"


def test_a_slice_without_pixel_data_is_refused(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    edit(paths[4], lambda dataset: delattr(dataset, "PixelData"))
    error = refused(tmp_path / "s")
    assert "no pixel data" in error.reason
    assert "0005.dcm" in error.detail


def test_a_folder_without_images_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing")
    assert "no DICOM image (1 × not DICOM)" in refused(tmp_path).reason
    with pytest.raises(ReadError, match="no such file"):
        io.read(tmp_path / "missing.dcm")


def test_a_slice_of_another_size_is_named(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")

    def grow(dataset: pydicom.Dataset) -> None:
        dataset.Rows, dataset.Columns = 8, 6
        dataset.PixelData = bytes(8 * 6 * 2)

    edit(paths[6], grow)
    assert "instance 7 (8×6) where the others are 10×12" in refused(tmp_path / "s").reason


def test_a_slice_of_another_orientation_is_named(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")

    def turn(dataset: pydicom.Dataset) -> None:
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]

    edit(paths[6], turn)
    assert "different orientations: instance 7" in refused(tmp_path / "s").reason


def test_a_localizer_is_set_aside(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    shutil.copy(paths[0], tmp_path / "s" / "scout.dcm")

    def scout(dataset: pydicom.Dataset) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]

    edit(tmp_path / "s" / "scout.dcm", scout)
    loaded = io.read(tmp_path / "s")
    np.testing.assert_array_equal(loaded.array, volume().array)
    assert "1 localizers excluded" in loaded.facts["notes"]


def test_two_patients_under_one_series_are_refused_without_their_ids(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    for path in paths[5:]:
        edit(path, lambda dataset: setattr(dataset, "PatientID", "phantom-2"))
    error = refused(tmp_path / "s")
    assert "2 patients under one series UID" in error.reason
    digests = error.reason.rsplit(": ", 1)[1].rstrip(")").split(", ")
    assert [len(one) for one in digests] == [8, 8]


def test_monochrome1_is_inverted_within_the_stored_bits_or_kept(tmp_path: Path) -> None:
    for path in series(tmp_path / "s"):
        edit(path, lambda dataset: setattr(dataset, "PhotometricInterpretation", "MONOCHROME1"))
    loaded = io.read(tmp_path / "s")
    np.testing.assert_array_equal(loaded.array, -1 - volume().array)  # int16: -32768 + 32767 - x
    assert loaded.facts["photometric"] == "MONOCHROME1"
    assert "MONOCHROME1 inverted" in loaded.facts["notes"]
    np.testing.assert_array_equal(io.read(tmp_path / "s", monochrome1="keep").array, volume().array)


@pytest.mark.parametrize("kind", ["volume", "image"])
def test_monochrome1_turns_no_hounsfield_units_round(tmp_path: Path, kind: str) -> None:
    """It says how values are shown: a window in HU would show something else of the ones turned round."""
    paths = series(tmp_path / "s", modality="CT")
    for path in paths:
        edit(path, lambda dataset: setattr(dataset, "PhotometricInterpretation", "MONOCHROME1"))
        edit(path, lambda dataset: dataset.pop("RescaleType"))  # HU where it is absent (PS3.3 C.8.2.1)
    source = tmp_path / "s" if kind == "volume" else paths[3]
    loaded, kept = io.read(source), io.read(source, monochrome1="keep")
    np.testing.assert_array_equal(loaded.array, kept.array)
    assert "MONOCHROME1, whose values are kept in their unit" in loaded.facts["notes"]
    shown, plain = (io.read(source, window=(0, 400), monochrome1=how) for how in ("invert", "keep"))
    np.testing.assert_allclose(shown.array, 1 - plain.array, atol=1e-6)


def _second_stack(tmp_path: Path, **items: tuple[object, object]) -> None:
    for at, (part, seed) in enumerate((("one", 0), ("two", 1))):
        tags = {keyword: values[at] for keyword, values in items.items()}
        folder = tmp_path / "s" / part
        series(folder, volume(seed=seed), tags=tags)
        for path in folder.iterdir():
            edit(
                path,
                lambda dataset, at=at: setattr(dataset, "SOPInstanceUID", f"{dataset.SOPInstanceUID[:50]}.{at + 1}"),
            )


@pytest.mark.parametrize(
    "items, label, rule",
    [
        ({"EchoTime": (4.6, 9.2)}, "echo time 9.2", io.VolumeRule.of({"echo_time": 9.2})),
        ({"DiffusionBValue": (0.0, 1000.0)}, "b-value 1000", io.VolumeRule.of({"b_value": 1000})),
        ({"TemporalPositionIdentifier": (1, 2)}, "time 2", io.VolumeRule.of({"time": 2})),
        ({"ImageType": (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"])}, "image type", None),
    ],
)
def test_echoes_and_phases_in_one_series_are_told_apart(
    tmp_path: Path, items: dict, label: str, rule: io.VolumeRule | None
) -> None:
    _second_stack(tmp_path, **items)
    reason = refused(tmp_path / "s").reason
    assert "2 volumes in one series" in reason
    assert label in reason
    if rule is not None:
        np.testing.assert_array_equal(io.read(tmp_path / "s", volume=rule).array, volume(seed=1).array)
    one = [io.read(tmp_path / "s", volume=io.VolumeRule(index=index)).array for index in (0, 1)]
    both = [volume(seed=0).array, volume(seed=1).array]
    assert any(np.array_equal(one[0], want) for want in both)
    assert not np.array_equal(one[0], one[1])


def test_one_slice_is_an_image_and_not_a_volume(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    assert "one slice only" in refused(paths[0], kind="volume").reason
    image = io.read(paths[0])
    assert isinstance(image, io.Image)
    np.testing.assert_array_equal(image.array[0], volume().array[0, ::-1, ::-1])
    assert image.spacing == (1.25, 1.5)
    for path in paths[1:]:
        path.unlink()
    assert "one slice only" in refused(tmp_path / "s", kind="volume").reason
    assert isinstance(io.read(tmp_path / "s"), io.Image)


def test_odd_headers_are_read_and_noted(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    for path in paths:
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"ISO_IR 192", b"ISO_IR 999"))  # a character set that does not exist
    np.testing.assert_array_equal(io.read(tmp_path / "s").array, volume().array)
    for path in paths:  # no preamble, no meta header
        raw = path.read_bytes()
        length = int.from_bytes(raw[140:144], "little")  # of the meta header
        path.write_bytes(raw[144 + length :])
    loaded = io.read(tmp_path / "s")
    np.testing.assert_array_equal(loaded.array, volume().array)
    assert any("no meta header" in note for note in loaded.facts["notes"])


def test_a_wrong_value_representation_is_read_through(tmp_path: Path) -> None:
    for path in series(tmp_path / "s", tags={"SeriesDescription": "phantom"}):
        raw = path.read_bytes()
        at = raw.index(b"\x08\x00\x3e\x10LO")
        path.write_bytes(raw[: at + 4] + b"ZZ" + raw[at + 6 :])
    np.testing.assert_array_equal(io.read(tmp_path / "s").array, volume().array)


def test_slices_that_positions_cannot_miss_are_noted(tmp_path: Path) -> None:
    paths = series(tmp_path / "s", tags={"SpacingBetweenSlices": "3.0", "ImagesInAcquisition": "8"})
    assert io.read(tmp_path / "s").facts["notes"] == []
    for path in paths[1::2]:
        path.unlink()
    assert io.read(tmp_path / "s").facts["notes"] == [
        "the header states 3 mm between slices, their positions are 6 mm apart",
        "the header states 8 images in the acquisition, 4 are here",
        "instance numbers run from 1 to 7, and there are 4 files",
    ]


def test_slices_that_are_missing_at_an_end_are_noted(tmp_path: Path) -> None:
    paths = series(tmp_path / "s", tags={"NumberOfSlices": 8})
    assert io.read(tmp_path / "s").facts["notes"] == []
    for path in paths:
        if int(pydicom.dcmread(path).InstanceNumber) <= 2:
            path.unlink()
    assert io.read(tmp_path / "s").facts["notes"] == [
        "the header states 8 slices, 6 are here",
        "instance numbers start at 3: slices may be missing at that end",
    ]


def test_a_private_transfer_syntax_is_refused(tmp_path: Path) -> None:
    paths = series(tmp_path / "s", compression="rle")
    for path in paths:
        path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.99999.9.2.5\0"))
    assert "transfer syntax" in refused(tmp_path / "s").reason


@pytest.mark.parametrize("compression", io.compressions()[1:])
def test_compression_changes_no_voxel(tmp_path: Path, compression: str) -> None:
    written = volume(shape=(4, 40, 48))
    series(tmp_path / "s", written, compression=compression)
    np.testing.assert_array_equal(io.read(tmp_path / "s").array, written.array)


def test_bits_above_the_stored_ones_are_cleared_and_noted_unless_an_overlay_is_declared(tmp_path: Path) -> None:
    pixels = np.arange(96, dtype=np.uint16).reshape(8, 12)
    path = io.write_dicom_image(tmp_path / "a.dcm", pixels, patient_id="phantom-1", seed="a", bits=12)

    def overlay(dataset: pydicom.Dataset) -> None:
        dataset.PixelData = (pixels | 0x8000).tobytes()

    edit(path, overlay)
    assert "bits outside of BitsStored 12 and HighBit 11 are set, and cleared" in io.read(path).facts["notes"]
    edit(path, lambda dataset: dataset.add_new(0x60000102, "US", 15))
    assert io.read(path).facts["notes"] == []
    np.testing.assert_array_equal(io.read(path).array[0], pixels)


@pytest.mark.parametrize("which", [range(8), range(3)], ids=["all", "some"])
def test_a_series_whose_files_are_gzipped_is_read_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: range
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    paths = series(tmp_path / "s")
    plain = io.read(tmp_path / "s")
    for k in which:
        Path(f"{paths[k]}.gz").write_bytes(gzip.compress(paths[k].read_bytes()))
        paths[k].unlink()
    (tmp_path / "s" / "notes.txt.gz").write_bytes(gzip.compress(b"no image"))
    before = set(Path(tempfile.gettempdir()).glob("scantune-*"))
    loaded = io.read(tmp_path / "s")
    np.testing.assert_array_equal(loaded.array, plain.array)
    np.testing.assert_array_equal(loaded.affine, plain.affine)
    assert loaded.facts["set_aside"] == {"not DICOM": 1}
    files = io.files_read(tmp_path / "s")
    assert sorted(file.suffix == ".gz" for file in files) == sorted(k in which for k in range(8))
    mask = io.Volume((loaded.array > 0).astype(np.uint8), loaded.affine)
    path = io.write_segmentation(tmp_path / "m", mask, tmp_path / "s", {1: "a"}, origin=io.Origin("m", "1", "s"))
    np.testing.assert_array_equal(io.read_mask_object(path, loaded).array, mask.array)
    del files
    gc.collect()
    assert set(Path(tempfile.gettempdir()).glob("scantune-*")) <= before
    packed = Path(f"{paths[0]}.gz")
    packed.write_bytes(packed.read_bytes()[:-300])
    assert "the gzip file is" in refused(tmp_path / "s").reason
