"""Enhanced multi-frame files: geometry and rescale of each frame, stacks told apart, damage refused."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from scantune import io
from scantune.config.volumes import VolumeChoice
from scantune.records import ReadError
from tests.io.files import edit, refused, volume


def _enhanced(path: Path, of: io.Volume | None = None, **options: object) -> Path:
    settings: dict = {"patient_id": "phantom-1", "seed": "a"} | options
    return io.write_enhanced(path, of or volume(turned=(4, 5, 6)), **settings)


@pytest.mark.parametrize("compression", ["none", "rle", "jpeg2000"])
def test_frames_in_any_order_make_one_volume(tmp_path: Path, compression: str) -> None:
    written = volume(shape=(6, 40, 48), turned=(4, 5, 6))
    path = _enhanced(tmp_path / "a", written)
    order = [3, 0, 5, 1, 4, 2]

    def shuffle(dataset: pydicom.Dataset) -> None:
        frames = dataset.pixel_array[order]
        groups = [dataset.PerFrameFunctionalGroupsSequence[at] for at in order]
        dataset.PerFrameFunctionalGroupsSequence = groups
        dataset.PixelData = frames.tobytes()
        if compression != "none":
            syntaxes = {"rle": pydicom.uid.RLELossless, "jpeg2000": pydicom.uid.JPEG2000Lossless}
            dataset.compress(syntaxes[compression])

    edit(path, shuffle)
    loaded = io.read(path)
    np.testing.assert_array_equal(loaded.array, written.array)
    np.testing.assert_allclose(loaded.affine, written.affine, atol=5e-5)


def test_rescale_of_each_frame_is_exact(tmp_path: Path) -> None:
    written = volume()
    values = written.array * np.linspace(0.01, 90, 8, dtype=np.float32)[:, None, None]
    path = _enhanced(tmp_path / "a", io.Volume(values, written.affine), rescale="slice")
    dataset = pydicom.dcmread(path)
    array = io.read(path).array
    for k, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        item = group.PixelValueTransformationSequence[0]
        exact = dataset.pixel_array[k].astype(float) * float(item.RescaleSlope) + float(item.RescaleIntercept)
        np.testing.assert_array_equal(array[k], exact.astype(np.float32)[::-1, ::-1])


@pytest.mark.parametrize("end, kind", [("2.1", "CT"), ("2.2", "CT"), ("130", "PET"), ("128.1", "PET")])
def test_a_kind_of_image_whose_unit_is_the_rescale_needs_it_in_its_frames_too(
    tmp_path: Path, end: str, kind: str
) -> None:
    path = _enhanced(tmp_path / "a")

    def change(dataset: pydicom.Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = f"1.2.840.10008.5.1.4.1.1.{end}"
        for group in (*dataset.SharedFunctionalGroupsSequence, *dataset.PerFrameFunctionalGroupsSequence):
            group.pop("PixelValueTransformationSequence", None)

    edit(path, change)
    assert f"RescaleIntercept are missing, and a {kind} image has no unit" in refused(path).reason


def _item(**values: object) -> pydicom.Dataset:
    item = pydicom.Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


@pytest.mark.parametrize(
    ("sequence", "keyword", "value"),
    [
        ("PixelMeasuresSequence", "PixelSpacing", [2.5, 2.5]),
        ("PlaneOrientationSequence", "ImageOrientationPatient", [0, 1, 0, 1, 0, 0]),
        ("PlanePositionSequence", "ImagePositionPatient", [1, 2, 3]),
        ("PixelValueTransformationSequence", "RescaleSlope", "7"),
    ],
)
def test_a_group_that_is_shared_and_of_a_frame_too_must_say_the_same(
    tmp_path: Path, sequence: str, keyword: str, value: object
) -> None:
    path = _enhanced(tmp_path / "a", rescale="slice")
    dataset = pydicom.dcmread(path)
    shared, frame = dataset.SharedFunctionalGroupsSequence[0], dataset.PerFrameFunctionalGroupsSequence[0]
    for one, other in ((shared, frame), (frame, shared)):
        if sequence not in other:
            setattr(other, sequence, copy.deepcopy(getattr(one, sequence)))
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:1]
    dataset.NumberOfFrames, dataset.PixelData = 1, dataset.PixelData[: 2 * dataset.Rows * dataset.Columns]
    dataset.save_as(path)
    io.read(path)  # what is stated twice alike is no fault
    setattr(getattr(frame, sequence)[0], keyword, value)
    dataset.save_as(path)
    assert f"{keyword} of frame 1 is " in refused(path).reason
    assert "in the shared functional groups" in refused(path).reason


def test_a_modality_table_beside_the_rescale_of_a_frame_is_refused(tmp_path: Path) -> None:
    path = _enhanced(tmp_path / "a", rescale="slice")
    table = _item(LUTDescriptor=[4096, 0, 16], ModalityLUTType="US")
    table.add_new("LUTData", "OW", np.arange(4096, dtype=np.uint16).tobytes())
    edit(path, lambda dataset: setattr(dataset, "ModalityLUTSequence", [table]))
    assert "a modality LUT and a rescale of a frame too" in refused(path).reason


@pytest.mark.parametrize("sequence", ["CTImageFrameTypeSequence", "PETFrameTypeSequence", "XRay3DFrameTypeSequence"])
def test_frames_of_two_types_that_share_no_place_are_not_one_volume(tmp_path: Path, sequence: str) -> None:
    path = _enhanced(tmp_path / "a")

    def change(dataset: pydicom.Dataset) -> None:
        for at, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            kind = ["DERIVED", "PRIMARY", "VOLUME", "MAXIMUM" if at < 4 else "NONE"]
            setattr(group, sequence, [_item(FrameType=kind)])

    edit(path, change)
    assert "2 volumes in one series" in refused(path).reason


def test_a_decimal_comma_in_the_functional_groups_is_noted(tmp_path: Path) -> None:
    path = _enhanced(tmp_path / "a")

    def change(dataset: pydicom.Dataset) -> None:
        item = dataset.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence[0]
        value = "\\".join(f"{value:.6f}".replace(".", ",") for value in item.ImagePositionPatient).encode()
        tag = Tag("ImagePositionPatient")
        item._dict[tag] = RawDataElement(tag, "DS", len(value), value + b" " * (len(value) % 2), 0, False, True)

    edit(path, change)
    loaded = io.read(path)
    np.testing.assert_array_equal(loaded.array, volume().array)
    assert loaded.facts["notes"] == ["a decimal comma in the header read as a point"]


@pytest.mark.parametrize("names", [("1", "2"), ("left", "right")])
def test_two_stacks_in_one_file_are_told_apart(tmp_path: Path, names: tuple[str, str]) -> None:
    path = _enhanced(tmp_path / "a")
    second = volume(turned=(4, 5, 6), seed=1)
    other = pydicom.dcmread(_enhanced(tmp_path / "b", second))

    def join(dataset: pydicom.Dataset) -> None:
        for group in dataset.PerFrameFunctionalGroupsSequence:
            group.FrameContentSequence[0].StackID = names[0]
        for group in other.PerFrameFunctionalGroupsSequence:
            group.FrameContentSequence[0].StackID = names[1]
            dataset.PerFrameFunctionalGroupsSequence.append(group)
        dataset.PixelData += other.PixelData
        dataset.NumberOfFrames = 16

    edit(path, join)
    assert "2 volumes in one series" in refused(path).reason
    loaded = io.read(path, volume=io.VolumeRule(index=1))
    np.testing.assert_array_equal(loaded.array, second.array)
    np.testing.assert_array_equal(io.read(path, volume=io.VolumeRule(index=0)).array, volume().array)
    if names[1] == "2":
        for written in (2, "2"):  # as params.yaml may have it
            block = VolumeChoice(stack=written).model_dump()
            np.testing.assert_array_equal(io.read(path, volume=io.VolumeRule.of(block)).array, second.array)


def test_different_quantities_have_no_mean(tmp_path: Path) -> None:
    """Magnitude and field map in one file, as of Philips: dcm_qa_enh, IM_0027."""
    path = _enhanced(tmp_path / "a")
    other = pydicom.dcmread(path)

    def join(dataset: pydicom.Dataset) -> None:
        for component, source in (("MAGNITUDE", dataset), ("REAL", other)):
            for group in source.PerFrameFunctionalGroupsSequence:
                item = pydicom.Dataset()
                item.ComplexImageComponent = component
                group.MRImageFrameTypeSequence = [item]
        dataset.PerFrameFunctionalGroupsSequence.extend(other.PerFrameFunctionalGroupsSequence)
        dataset.PixelData += other.PixelData
        dataset.NumberOfFrames = 16

    edit(path, join)
    reason = refused(path, volume=io.VolumeRule.of("mean")).reason
    assert reason.startswith("volume: mean: volumes that differ in component have no mean; name some of them, as in {")
    assert "1: component real (8 slices)" in reason
    one = io.read(path, volume=io.VolumeRule.of({"component": "real", "take": "mean"}))
    np.testing.assert_array_equal(one.array, volume(turned=(4, 5, 6)).array)


def test_frames_of_two_directions_of_flow_are_two_volumes(tmp_path: Path) -> None:
    path = _enhanced(tmp_path / "a")

    def alternate(dataset: pydicom.Dataset) -> None:
        for at, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            item = pydicom.Dataset()
            item.VelocityEncodingDirection = [float(at % 2), float(1 - at % 2), 0.0]
            group.MRVelocityEncodingSequence = [item]

    edit(path, alternate)
    assert "2 volumes in one series" in refused(path).reason
    assert "velocity have no mean" in refused(path, volume=io.VolumeRule.of("mean")).reason
    rest = io.read(path, volume=io.VolumeRule(index=1)).array
    np.testing.assert_array_equal(rest, volume(turned=(4, 5, 6)).array[1::2])


def test_an_ultrasound_volume_is_not_said_to_have_no_image(tmp_path: Path) -> None:
    path = _enhanced(tmp_path / "a")
    edit(path, lambda dataset: setattr(dataset, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.6.2"))
    assert "an enhanced ultrasound volume, which is not read" in refused(path).reason


def test_a_missing_frame_and_missing_geometry_are_refused(tmp_path: Path) -> None:
    path = _enhanced(tmp_path / "a")
    whole = path.read_bytes()

    def drop(dataset: pydicom.Dataset) -> None:
        frames = np.delete(dataset.pixel_array, 3, axis=0)
        del dataset.PerFrameFunctionalGroupsSequence[3]
        dataset.PixelData, dataset.NumberOfFrames = frames.tobytes(), 7

    edit(path, drop)
    assert "1 slice is missing of 8" in refused(path).reason
    path.write_bytes(whole)

    def unplace(dataset: pydicom.Dataset) -> None:
        del dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence

    edit(path, unplace)
    assert "1 of 8 slices have no position: frame 3" in refused(path).reason
    path.write_bytes(whole)
    edit(path, lambda dataset: setattr(dataset, "NumberOfFrames", 9))
    assert "states 9 frames and describes 8" in refused(path).reason
    path.write_bytes(whole[:-100])
    assert "cut short" in refused(path).reason


def test_a_multi_frame_file_without_functional_groups_has_no_geometry(tmp_path: Path) -> None:
    path = _enhanced(tmp_path / "a")
    edit(path, lambda dataset: delattr(dataset, "PerFrameFunctionalGroupsSequence"))
    assert "no geometry is made up" in refused(path).reason


def test_one_frame_is_an_image(tmp_path: Path) -> None:
    written = volume(shape=(1, 10, 12))
    values = io.Volume(written.array * 0.5, written.affine)
    path = _enhanced(tmp_path / "a", values, rescale="slice")
    loaded = io.read(path)
    assert isinstance(loaded, io.Image)
    assert loaded.spacing == (1.25, 1.5)
    np.testing.assert_allclose(loaded.array[0], values.array[0, ::-1, ::-1], atol=0.01)
    assert "one slice only" in refused(path, kind="volume").reason


def test_the_frames_can_be_had_as_a_loop(tmp_path: Path) -> None:
    loaded = io.read(_enhanced(tmp_path / "a"), kind="video")
    assert loaded.frames.shape == (8, 10, 12, 1)


def _voi(group: pydicom.Dataset, center: float, width: float, function: str | None = None) -> None:
    item = pydicom.Dataset()
    item.WindowCenter, item.WindowWidth = center, width
    if function:
        item.VOILUTFunction = function
    group.FrameVOILUTSequence = [item]


def _shown(path: Path, center: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """Each frame by its own rescale and one window (PS3.3 C.11.2.1.2 and C.11.2.1.3.1), rounded to 8 bits."""
    dataset = pydicom.dcmread(path)
    frames = []
    for stored, group in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        item = group if "PixelValueTransformationSequence" in group else dataset.SharedFunctionalGroupsSequence[0]
        item = item.PixelValueTransformationSequence[0]
        values = stored.astype(float) * float(item.RescaleSlope) + float(item.RescaleIntercept)
        if function == "SIGMOID":
            frames.append(1 / (1 + np.exp(-4 * (values - center) / width)))
        else:
            frames.append(np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1))
    return np.rint(np.stack(frames) * 255)


def _ct(path: Path, rescale: str) -> Path:
    written = volume()
    values = (written.array - 1000) * np.linspace(0.2, 3, len(written.array), dtype=np.float32)[:, None, None]
    return _enhanced(path, io.Volume(values, written.affine), modality="CT", rescale=rescale)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("function", [None, "SIGMOID"])
@pytest.mark.parametrize("compression", ["none", "rle"])
def test_as_a_loop_each_frame_has_its_own_rescale_and_all_have_one_window(
    tmp_path: Path, shared: bool, function: str | None, compression: str
) -> None:
    path = _ct(tmp_path / "a", "series" if shared else "slice")

    def change(dataset: pydicom.Dataset) -> None:
        common, frames = dataset.SharedFunctionalGroupsSequence[0], dataset.PerFrameFunctionalGroupsSequence
        if shared:
            common.PixelValueTransformationSequence = frames[0].PixelValueTransformationSequence
            _voi(common, 40, 400, function)
        for at, group in enumerate(frames):
            if shared:
                del group.PixelValueTransformationSequence
            else:
                _voi(group, 40 + at, 400, function)
        if compression != "none":
            dataset.compress(pydicom.uid.RLELossless)

    edit(path, change)
    expected = _shown(path, 40, 400, function or "LINEAR")
    loop = io.open_video(path)
    np.testing.assert_allclose(loop.frames(range(len(expected)), grey=True)[..., 0], expected, atol=1)
    np.testing.assert_allclose(io.read(path, kind="video").frames[..., 0], expected, atol=1)
    assert loop.facts["window"] == [40, 400]
    assert any("window differs by frame" in note for note in loop.facts["notes"]) is not shared
    assert any("rescale differs by frame" in note for note in loop.facts["notes"]) is not shared
    own = io.open_video(path, window=(0.0, 200.0)).frames(range(len(expected)), grey=True)[..., 0]
    np.testing.assert_allclose(own, _shown(path, 0, 200), atol=1)


def test_as_a_loop_without_a_window_equal_values_are_equally_bright_in_all_frames(tmp_path: Path) -> None:
    path = _ct(tmp_path / "a", "slice")
    dataset = pydicom.dcmread(path)
    items = [group.PixelValueTransformationSequence[0] for group in dataset.PerFrameFunctionalGroupsSequence]
    scales = np.array([[item.RescaleSlope, item.RescaleIntercept] for item in items], float)[..., None, None]
    values = dataset.pixel_array * scales[:, 0] + scales[:, 1]
    frames = io.open_video(path).frames(range(len(values)), grey=True)[..., 0].astype(float)
    slope, offset = np.polyfit(values.ravel(), frames.ravel(), 1)
    np.testing.assert_allclose(frames, values * slope + offset, atol=1)


def test_as_a_loop_a_rescale_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    def some(dataset: pydicom.Dataset) -> None:
        del dataset.PerFrameFunctionalGroupsSequence[2].PixelValueTransformationSequence

    def none(dataset: pydicom.Dataset) -> None:
        for group in dataset.PerFrameFunctionalGroupsSequence:
            del group.PixelValueTransformationSequence

    def fewer(dataset: pydicom.Dataset) -> None:
        dataset.PerFrameFunctionalGroupsSequence.pop()

    for change, words in ((some, "are missing, and a CT image"), (none, "are missing"), (fewer, "and describes 7")):
        path = _ct(tmp_path / "a", "slice")
        edit(path, change)
        with pytest.raises(ReadError, match=words):
            io.open_video(path)


def test_the_window_is_that_of_the_stack_that_is_read(tmp_path: Path) -> None:
    path = _enhanced(tmp_path / "a")
    other = pydicom.dcmread(path)

    def join(dataset: pydicom.Dataset) -> None:
        for stack, source in (("1", dataset), ("2", other)):
            for group in source.PerFrameFunctionalGroupsSequence:
                group.FrameContentSequence[0].StackID = stack
                _voi(group, *((0, 500) if stack == "1" else (300, 50, "SIGMOID")))
        dataset.PerFrameFunctionalGroupsSequence.extend(other.PerFrameFunctionalGroupsSequence)
        dataset.PixelData += other.PixelData
        dataset.NumberOfFrames = 16

    edit(path, join)
    rule = io.VolumeRule(index=1)
    values, shown = io.read(path, volume=rule), io.read(path, volume=rule, window="file")
    steep = np.clip(-4 * (values.array - 300) / 50, -80, 80)
    np.testing.assert_allclose(shown.array, 1 / (1 + np.exp(steep)), atol=1e-5)
    assert values.facts["window"] == [300, 50]
    assert io.read(path, volume=io.VolumeRule(index=0)).facts["window"] == [0, 500]
    edit(path, lambda dataset: _voi(dataset.PerFrameFunctionalGroupsSequence[12], 300, 60))
    assert "differ by slice" in refused(path, volume=rule, window="file").reason


def _typed(dataset: pydicom.Dataset, unit: str) -> None:
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.PixelValueTransformationSequence[0].RescaleType = unit


@pytest.mark.parametrize(("unit", "told"), [("HU", "HU"), ("MGML", "MGML"), ("iodine of P. Miller", "another text")])
@pytest.mark.parametrize("frames", [1, 8])
def test_the_unit_of_ct_is_that_of_its_frames(tmp_path: Path, unit: str, told: str, frames: int) -> None:
    path = _enhanced(tmp_path / "a", volume(shape=(frames, 10, 12)), modality="CT", rescale="series")
    edit(path, lambda dataset: _typed(dataset, unit))
    facts = io.read(path).facts
    assert facts["unit"] == told
    assert any("not HU" in note for note in facts["notes"]) == (told != "HU")


def _at_one_place(dataset: pydicom.Dataset, times: list[int]) -> None:
    groups = dataset.PerFrameFunctionalGroupsSequence
    for time, group in zip(times, groups, strict=True):
        group.PlanePositionSequence = groups[0].PlanePositionSequence
        group.FrameContentSequence[0].TemporalPositionIndex = time


def test_frames_that_are_no_loop_as_they_are_stored_are_refused(tmp_path: Path) -> None:
    path = _enhanced(tmp_path / "a")
    whole = path.read_bytes()

    def reason() -> str:
        with pytest.raises(ReadError) as caught:
            io.open_video(path)
        path.write_bytes(whole)
        return caught.value.reason

    edit(path, lambda dataset: _at_one_place(dataset, [1, 2, 3, 4, 5, 6, 7, 8]))
    assert io.open_video(path).n_frames == 8
    edit(path, lambda dataset: _at_one_place(dataset, [1, 3, 2, 4, 5, 6, 7, 8]))
    assert "another order than that of their times" in reason()

    def slices_and_times(dataset: pydicom.Dataset) -> None:
        for at, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            group.FrameContentSequence[0].TemporalPositionIndex = 1 + at // 2

    edit(path, slices_and_times)
    assert "several slices at several times" in reason()

    def moving(dataset: pydicom.Dataset) -> None:
        for at, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            group.FrameContentSequence[0].TemporalPositionIndex = 1 + at
            group.PlanePositionSequence[0].ImagePositionPatient = [0, 0, at % 3]

    edit(path, moving)
    assert io.open_video(path).n_frames == 8
    path.write_bytes(whole)

    def sort(dataset: pydicom.Dataset, order: list[int]) -> None:
        groups = dataset.PerFrameFunctionalGroupsSequence
        dataset.PerFrameFunctionalGroupsSequence = [groups[at] for at in order]

    edit(path, lambda dataset: sort(dataset, [7, 6, 5, 4, 3, 2, 1, 0]))
    assert io.open_video(path).n_frames == 8
    edit(path, lambda dataset: sort(dataset, [0, 2, 1, 3, 4, 5, 6, 7]))
    assert "another order than that of their places" in reason()


def test_pixels_of_a_loop_that_are_not_square_are_told(tmp_path: Path) -> None:
    path = _enhanced(tmp_path / "a", volume(spacing=(1.0, 3.0, 2.0)))
    assert io.open_video(path).facts["pixel_sides"] == [3, 1]


def test_an_enhanced_angiogram_is_a_loop(tmp_path: Path) -> None:
    path = _enhanced(tmp_path / "a")

    def angiogram(dataset: pydicom.Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.12.1.1"
        dataset.Modality, dataset.FrameTime = "XA", 66.7
        del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
        for group in dataset.PerFrameFunctionalGroupsSequence:
            del group.PlanePositionSequence

    edit(path, angiogram)
    assert io.read(path).frames.shape == (8, 10, 12, 1)
    extent = io.read_extent(path)
    assert (extent.kind, extent.frames, extent.frame_time) == ("video", 8, 66.7)
    assert "no position" in refused(path, kind="volume").reason


@pytest.mark.parametrize(
    "keyword", ["FrameReferenceDateTime", "FrameAcquisitionDateTime", "TemporalPositionTimeOffset"]
)
def test_times_of_frames_are_the_frame_time_of_a_loop(tmp_path: Path, keyword: str) -> None:
    path = _enhanced(tmp_path / "a", volume(spacing=(1.0, 1.0, 3.0)))

    def state(dataset: pydicom.Dataset, seconds: list[float], **header: object) -> None:
        dataset.Modality = "XA"
        for at, group in zip(seconds, dataset.PerFrameFunctionalGroupsSequence, strict=True):
            group.pop("PlanePositionSequence", None)
            content = group.FrameContentSequence[0]
            if keyword.startswith("Frame"):
                setattr(content, keyword, f"202001011200{at:09.6f}+0100")
            else:
                group.TemporalPositionSequence = [pydicom.Dataset()]
                group.TemporalPositionSequence[0].TemporalPositionTimeOffset = at
        for name, value in header.items():
            setattr(dataset, name, value)

    even = [0.05 * at for at in range(8)]
    edit(path, lambda dataset: state(dataset, even, RecommendedDisplayFrameRate=15))
    loop = io.open_video(path)
    assert loop.frame_time == pytest.approx(50)
    assert loop.facts["notes"] == [f"FrameTimeVector is made of the frames' {keyword}"]
    assert io.read_extent(path).frame_time == pytest.approx(50)
    edit(path, lambda dataset: state(dataset, [*even[:7], 1.0]))
    loop = io.open_video(path)
    assert loop.frame_time == pytest.approx(1000 / 7)
    assert "frame times vary from 50 to 700 ms; their mean is given" in loop.facts["notes"]
    edit(path, lambda dataset: state(dataset, even, FrameTime=40))
    loop = io.open_video(path)
    assert loop.frame_time == 40
    assert "FrameTimeVector gives 50 ms a frame where FrameTime gives 40, which is taken" in loop.facts["notes"]
    edit(path, lambda dataset: state(dataset, [0.0] * 4 + [1.0] * 4, FrameTime=40))  # in whole seconds
    assert (io.open_video(path).frame_time, io.open_video(path).facts["notes"]) == (40, [])
    edit(path, lambda dataset: state(dataset, even[::-1]))
    with pytest.raises(ReadError, match="another order than that of their times"):
        io.open_video(path)


@pytest.mark.parametrize(
    ("sequence", "keyword", "detector"),
    [
        ("FramePixelDataPropertiesSequence", "ImagerPixelSpacing", True),
        ("ProjectionPixelCalibrationSequence", "ObjectPixelSpacingInCenterOfBeam", False),
    ],
)
def test_the_spacing_of_an_enhanced_angiogram_is_read(
    tmp_path: Path, sequence: str, keyword: str, detector: bool
) -> None:
    path = _enhanced(tmp_path / "a")

    def change(dataset: pydicom.Dataset) -> None:
        dataset.Modality = "XA"
        shared = dataset.SharedFunctionalGroupsSequence[0]
        shared.pop("PixelMeasuresSequence", None)
        setattr(shared, sequence, [pydicom.Dataset()])
        setattr(getattr(shared, sequence)[0], keyword, [0.2, 0.4])
        for group in dataset.PerFrameFunctionalGroupsSequence:
            group.pop("PlanePositionSequence", None)

    edit(path, change)
    facts = io.open_video(path).facts
    assert facts["pixel_sides"] == pytest.approx([0.2, 0.4])
    assert any("detector" in note for note in facts["notes"]) == detector


def test_volumes_that_only_the_dimension_index_tells_apart(tmp_path: Path) -> None:
    one, other = volume(), volume(seed=5)
    both = np.concatenate([one.array, other.array])
    path = _enhanced(tmp_path / "a", io.Volume(both, one.affine))

    def mix(dataset: pydicom.Dataset) -> None:
        order = [0, 8, 9, 1, 2, 10, 3, 11, 4, 5, 12, 13, 6, 14, 15, 7]  # neither volume by volume nor place by place
        groups = list(dataset.PerFrameFunctionalGroupsSequence)
        for at, group in enumerate(groups):
            group.PlanePositionSequence = groups[at % 8].PlanePositionSequence
            content = group.FrameContentSequence[0]
            for name in ("TemporalPositionIndex", "StackID", "InStackPositionNumber", "FrameAcquisitionNumber"):
                content.pop(Tag(pydicom.datadict.tag_for_keyword(name)), None)
            content.DimensionIndexValues = [1, at % 8 + 1, at // 8 + 1]
        dataset.PixelData = dataset.pixel_array[order].tobytes()
        dataset.PerFrameFunctionalGroupsSequence = [groups[at] for at in order]
        dataset.DimensionIndexSequence = [pydicom.Dataset() for _ in range(3)]
        for item, pointer in zip(dataset.DimensionIndexSequence, (0x00209056, 0x00200032, 0x2005140F), strict=True):
            item.DimensionIndexPointer = pointer

    edit(path, mix)
    assert "0: dimension 1 (8 slices), 1: dimension 2 (8 slices)" in refused(path).reason
    for index, expected in enumerate((one, other)):
        np.testing.assert_array_equal(io.read(path, volume=io.VolumeRule.of({"index": index})).array, expected.array)
