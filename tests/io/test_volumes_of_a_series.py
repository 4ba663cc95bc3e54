"""Volumes that one series holds: told apart by what the vendors write, in the order of acquisition, chosen by keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from scantune import io
from tests.io.files import edit, refused, series, volume

Change = Callable[[pydicom.Dataset, int, int], None]


def volumes(folder: Path, count: int, change: Change = lambda dataset, at, k: None) -> list[np.ndarray]:
    """A series of several volumes at the same places; each file changed by volume and slice."""
    made = []
    for at in range(count):
        one = volume(seed=at)
        made.append(one.array)
        for k, path in enumerate(series(folder / f"{at:02d}", one)):

            def adapt(dataset: pydicom.Dataset, at: int = at, k: int = k) -> None:
                dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID[:50]}.{at}"
                dataset.InstanceNumber = at * 8 + k + 1
                change(dataset, at, k)

            edit(path, adapt)
    return made


def nth(folder: Path, **keys: object) -> np.ndarray:
    return io.read(folder, volume=io.VolumeRule.of(keys)).array


def private(dataset: pydicom.Dataset, group: int, creator: str, element: int, vr: str, value: object) -> None:
    dataset.private_block(group, creator, create=True).add_new(element, vr, value)


def _by_instance(dataset: pydicom.Dataset, at: int, k: int) -> None:
    dataset.Manufacturer = "GE MEDICAL SYSTEMS"


def _by_slice(dataset: pydicom.Dataset, at: int, k: int) -> None:
    dataset.InstanceNumber = k * 3 + at + 1


def _triggered(dataset: pydicom.Dataset, at: int, k: int) -> None:
    """Multi-phase scans give each slice of each phase a trigger time of its own."""
    _by_slice(dataset, at, k)
    dataset.TriggerTime = f"{300 * k + 20 * at}"


@pytest.mark.parametrize("change", [_by_instance, _by_slice, _triggered])
def test_repetitions_are_told_by_the_order_of_instances(tmp_path: Path, change: Change) -> None:
    made = volumes(tmp_path, 3, change)
    assert "3 volumes in one series: say which with 'volume: first'" in refused(tmp_path).reason
    for at, values in enumerate(made):
        np.testing.assert_array_equal(nth(tmp_path, index=at), values)
    np.testing.assert_array_equal(io.read(tmp_path, volume=io.VolumeRule.of("first")).array, made[0])
    np.testing.assert_allclose(io.read(tmp_path, volume=io.VolumeRule.of("mean")).array, np.mean(made, 0), rtol=1e-5)
    assert "leaves 0 of 3 volumes" in refused(tmp_path, volume=io.VolumeRule(index=3)).reason


def _siemens(dataset: pydicom.Dataset, b_value: int) -> None:
    dataset.Manufacturer = "SIEMENS"
    private(dataset, 0x19, "SIEMENS MR HEADER", 0x0C, "IS", b_value)


def _ge(dataset: pydicom.Dataset, b_value: int) -> None:
    dataset.Manufacturer = "GE MEDICAL SYSTEMS"
    private(dataset, 0x43, "GEMS_PARM_01", 0x39, "IS", [1_000_000_000 + b_value, 8, 0, 0])


def _philips(dataset: pydicom.Dataset, b_value: int) -> None:
    dataset.Manufacturer = "Philips Medical Systems"
    private(dataset, 0x2001, "Philips Imaging DD 001", 0x03, "FL", float(b_value))


def _standard(dataset: pydicom.Dataset, b_value: int) -> None:
    dataset.DiffusionBValue = float(b_value)


@pytest.mark.parametrize("write", [_siemens, _ge, _philips, _standard])
def test_b_values_of_vendors_choose_in_the_order_of_acquisition(
    tmp_path: Path, write: Callable[[pydicom.Dataset, int], None]
) -> None:
    b_values = (1000, 0, 500)  # b0 is not acquired first
    made = volumes(tmp_path, 3, lambda dataset, at, k: write(dataset, b_values[at]))
    np.testing.assert_array_equal(nth(tmp_path, b_value=0), made[1])
    np.testing.assert_array_equal(nth(tmp_path, index=0), made[0])
    np.testing.assert_array_equal(nth(tmp_path, b_value=500, index=2), made[2])
    reason = refused(tmp_path, volume=io.VolumeRule.of({"b_value": 700})).reason
    assert "volume: {b_value: 700} leaves 0 of 3 volumes in the series: 0: b-value 1000 (8 slices)" in reason


def test_several_of_one_b_value_need_a_choice(tmp_path: Path) -> None:
    b_values = (0, 1000, 0)
    made = volumes(tmp_path, 3, lambda dataset, at, k: _standard(dataset, b_values[at]))
    assert "leaves 2 of 3 volumes" in refused(tmp_path, volume=io.VolumeRule.of({"b_value": 0})).reason
    np.testing.assert_array_equal(nth(tmp_path, b_value=0, take="first"), made[0])
    np.testing.assert_allclose(nth(tmp_path, b_value=0, take="mean"), (made[0] + made[2]) / 2)


def test_slices_of_two_contrasts_that_share_no_place_are_not_one_volume(tmp_path: Path) -> None:
    for k, path in enumerate(series(tmp_path / "s")):
        edit(path, lambda dataset, k=k: setattr(dataset, "EchoTime", 4.92 if k < 4 else 7.38))
    reason = refused(tmp_path / "s").reason
    assert "2 volumes in one series" in reason
    assert "echo time 4.92 (4 slices)" in reason
    array = nth(tmp_path / "s", echo_time=4.92)
    np.testing.assert_array_equal(array, volume().array[:4])


@pytest.mark.parametrize(
    "keyword, values, note",
    [
        ("RepetitionTime", ("500", "2000"), "RepetitionTime differs by slice: 500 … 2000 (2 values)"),
        ("ContrastBolusAgent", ("", "Gadovist"), "ContrastBolusAgent differs by slice (2 values, one empty)"),
        ("StudyInstanceUID", ("1.2", "1.3"), "StudyInstanceUID differs by slice (2 values)"),
        ("EchoTime", ("4.92", "4.9200001"), None),
    ],
)
def test_what_need_not_tell_volumes_apart_is_noted_where_it_differs(
    tmp_path: Path, keyword: str, values: tuple[str, str], note: str | None
) -> None:
    for k, path in enumerate(series(tmp_path / "s", volume())):
        edit(path, lambda dataset, k=k: setattr(dataset, keyword, values[k >= 4]))
    loaded = io.read(tmp_path / "s")
    np.testing.assert_array_equal(loaded.array, volume().array)
    assert loaded.facts["notes"] == ([note] if note else [])


def test_a_slice_that_was_sent_twice_is_one_slice(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    again = tmp_path / "s" / "again.dcm"
    again.write_bytes(paths[3].read_bytes())
    edit(again, lambda dataset: setattr(dataset, "SOPInstanceUID", "2.25.1"))
    loaded = io.read(tmp_path / "s")
    np.testing.assert_array_equal(loaded.array, volume().array)
    assert "1 identical copies of slices ignored" in loaded.facts["notes"]
    edit(again, lambda dataset: setattr(dataset, "InstanceNumber", 20))
    np.testing.assert_array_equal(io.read(tmp_path / "s").array, volume().array)
    edit(again, lambda dataset: setattr(dataset, "PixelData", dataset.PixelData[::-1]))
    assert "different slices at one place: instance 4 and instance 20" in refused(tmp_path / "s").reason


def test_an_enhanced_series_of_several_files_is_one_series(tmp_path: Path) -> None:
    made = []
    for at in range(3):
        one = volume(seed=at)
        made.append(one.array)
        path = io.write_enhanced(tmp_path / f"{at}.dcm", one, patient_id="phantom-1", seed="a")

        def adapt(dataset: pydicom.Dataset, at: int = at) -> None:
            dataset.SOPInstanceUID, dataset.InstanceNumber = f"2.25.{at + 1}", at + 1

        edit(path, adapt)
    assert "3 volumes in one series" in refused(tmp_path).reason
    for at, values in enumerate(made):
        np.testing.assert_array_equal(nth(tmp_path, index=at), values)


def mosaic(path: Path, of: io.Volume, number: int) -> Path:
    """A volume as a Siemens mosaic: the slices of a series side by side."""
    folder = path.parent / f"slices{number}"
    sources = [pydicom.dcmread(one) for one in series(folder, of)]
    first, across = sources[0], int(np.ceil(np.sqrt(len(sources))))
    rows, columns = first.Rows, first.Columns
    whole = np.zeros((across * rows, across * columns), dtype=first.pixel_array.dtype)
    for k, source in enumerate(sources):
        row, column = divmod(k, across)
        whole[row * rows : (row + 1) * rows, column * columns : (column + 1) * columns] = source.pixel_array
    along = np.array(first.ImageOrientationPatient, dtype=float)
    shift = along[:3] * first.PixelSpacing[1] * (across - 1) * columns / 2
    shift += along[3:] * first.PixelSpacing[0] * (across - 1) * rows / 2
    first.ImagePositionPatient = [f"{value:.8g}"[:16] for value in np.array(first.ImagePositionPatient) - shift]
    first.Rows, first.Columns, first.PixelData = *whole.shape, whole.tobytes()
    first.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    first.InstanceNumber, first.AcquisitionNumber = number, number
    first.SOPInstanceUID = first.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number}"
    first.SpacingBetweenSlices = "3.0"
    private(first, 0x19, "SIEMENS MR HEADER", 0x0A, "US", len(sources))
    first.save_as(path)
    for one in folder.iterdir():
        one.unlink()
    folder.rmdir()
    return path


@pytest.mark.parametrize("turned", [(0, 0, 0), (10, -20, 5)])
def test_mosaics_are_unfolded_and_placed(tmp_path: Path, turned: tuple[float, float, float]) -> None:
    of = [volume(turned=turned, seed=at) for at in range(2)]
    for at, one in enumerate(of):
        mosaic(tmp_path / f"{at}.dcm", one, at + 1)
    loaded = io.read(tmp_path / "0.dcm")
    np.testing.assert_array_equal(loaded.array, of[0].array)
    np.testing.assert_allclose(loaded.affine, of[0].affine, atol=1e-3)
    np.testing.assert_array_equal(nth(tmp_path, index=1), of[1].array)
    edit(tmp_path / "0.dcm", lambda dataset: dataset.remove_private_tags())
    assert "a Siemens mosaic), and the header does not say how many" in refused(tmp_path / "0.dcm").reason


def test_gantry_tilt_names_its_key(tmp_path: Path) -> None:
    for k, path in enumerate(series(tmp_path / "s")):

        def shear(dataset: pydicom.Dataset, k: int = k) -> None:
            position = [float(value) for value in dataset.ImagePositionPatient]
            dataset.ImagePositionPatient = [position[0], position[1] + 0.8 * k, position[2]]

        edit(path, shear)
    assert "'tilt: resample' in the input's block" in refused(tmp_path / "s").reason


def test_precise_values_of_philips_undo_the_scaling_for_the_screen(tmp_path: Path) -> None:
    paths = series(tmp_path / "s")
    stored = volume().array

    def change(dataset: pydicom.Dataset) -> None:
        dataset.Manufacturer = "Philips Medical Systems"
        dataset.RescaleSlope, dataset.RescaleIntercept = "0.5", "-100"
        private(dataset, 0x2005, "Philips MR Imaging DD 001", 0x0E, "FL", 0.25)

    for path in paths:
        edit(path, change)
    np.testing.assert_array_equal(io.read(tmp_path / "s").array, stored * 0.5 - 100)
    precise = io.read(tmp_path / "s", philips_values="precise").array
    np.testing.assert_allclose(precise, (stored * 0.5 - 100) / (0.5 * 0.25), rtol=1e-6)
    edit(paths[2], lambda dataset: dataset.remove_private_tags())
    assert "needs a rescale and Philips' scale slope" in refused(tmp_path / "s", philips_values="precise").reason
