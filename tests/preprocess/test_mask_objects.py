"""DICOM SEG and RTSTRUCT as masks of stills and loops, end to end through what prepares them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from scantune import io
from scantune.records import ReadError
from tests.io.files import edit, series, volume
from tests.io.test_dicom_masks import _structure_set
from tests.preprocess.direct import prepare_image, prepare_video, prepare_volume

_MODEL = io.Origin("m", "1", "a")
_GREY = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
_PLAIN: dict[str, Any] = {"intensity": {"name": "none"}, "dtype": "float32"}


def _mask() -> np.ndarray:
    mask = np.zeros((48, 64), np.uint8)
    mask[3:9, 5:20], mask[30:41, 40:50] = 2, 5
    return mask


@pytest.mark.parametrize("modality", ["CR", "XA", "US", "MR"])
@pytest.mark.parametrize("label", ["lesion", "Liver"])
def test_a_mask_of_a_still_comes_back_bit_for_bit(tmp_path: Path, modality: str, label: str) -> None:
    image = io.write_dicom_image(tmp_path / "a.dcm", _GREY, patient_id="p", seed="a", bits=12, modality=modality)
    path = io.write_image_segmentation(tmp_path / "m.dcm", _mask(), image, {2: label, 5: "Heart"}, origin=_MODEL)
    mask = prepare_image([image], [path], **_PLAIN).mask
    np.testing.assert_array_equal(mask[0], _mask())
    (tmp_path / "f").mkdir()
    image.rename(tmp_path / "f" / "a.dcm")
    np.testing.assert_array_equal(prepare_image([tmp_path / "f"], [path], **_PLAIN).mask[0], _mask())


def test_a_mask_of_a_volume_keeps_its_numbers_whatever_its_labels_are_called(tmp_path: Path) -> None:
    series(tmp_path / "s", volume())
    image = io.read(tmp_path / "s")
    mask = np.zeros(image.array.shape, np.uint8)
    mask[2:5, 3:7, 4:9] = 3
    path = io.write_segmentation(
        tmp_path / "m", io.Volume(mask, image.affine), tmp_path / "s", {3: "Liver"}, origin=_MODEL
    )
    np.testing.assert_array_equal(prepare_volume([tmp_path / "s"], [path], **_PLAIN).mask[0], mask)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_a_mask_of_a_still_by_another_program_is_read(tmp_path: Path, kind: str) -> None:
    image = io.write_dicom_image(tmp_path / "a.dcm", _GREY, patient_id="p", seed="a", bits=12)
    source = pydicom.dcmread(image)
    described = [
        hd.seg.SegmentDescription(number, name, codes.SCT.Tissue, codes.SCT.Tissue, "MANUAL")
        for number, name in ((1, "liver"), (2, "cyst"))
    ]
    mask = (_mask() == 2) * np.uint8(1) + (_mask() == 5) * np.uint8(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = hd.seg.Segmentation([source], mask[None], kind, described, hd.UID(), 1, hd.UID(), 1,
                                   "m", "m", "1", "1")  # fmt: skip
    made.save_as(tmp_path / "m.dcm")
    np.testing.assert_array_equal(prepare_image([image], [tmp_path / "m.dcm"], **_PLAIN).mask[0], mask)
    named = prepare_image([image], [tmp_path / "m.dcm"], mask_values={"cyst": 1}, **_PLAIN).mask[0]
    np.testing.assert_array_equal(named, mask == 2)


def test_a_mask_of_another_still_is_refused(tmp_path: Path) -> None:
    one, other = (
        io.write_dicom_image(tmp_path / f"{name}.dcm", _GREY, patient_id="p", seed=name, bits=12) for name in "ab"
    )
    path = io.write_image_segmentation(tmp_path / "m.dcm", _mask(), one, {2: "a", 5: "b"}, origin=_MODEL)
    with pytest.raises(ReadError, match="another image"):
        prepare_image([other], [path], **_PLAIN)
    picture = io.write_png(tmp_path / "a.png", (_GREY % 256).astype(np.uint8))
    with pytest.raises(ReadError, match="marks a DICOM image"):
        prepare_image([picture], [path], **_PLAIN)


def _loop(path: Path, n: int = 6) -> Path:
    frames = np.random.default_rng(0).integers(0, 255, (n, 48, 64)).astype(np.uint8)
    io.write_dicom_image(path, frames[0], patient_id="p", seed="loop", modality="US",
                         tags={"NumberOfFrames": n, "FrameTime": "40"})  # fmt: skip
    edit(path, lambda dataset: setattr(dataset, "PixelData", frames.tobytes()))
    return path


def _segmented(path: Path, loop: Path, masks: dict[int, np.ndarray]) -> Path:
    """A segmentation of some frames (from 1), as other programs write it."""
    source = pydicom.dcmread(loop)
    source.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    numbers = [int(value) for value in np.unique(np.stack(list(masks.values()))) if value]
    described = [
        hd.seg.SegmentDescription(
            segment_number=at + 1, segment_label=f"part {value}", segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Tissue, algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL)
        for at, value in enumerate(numbers)
    ]  # fmt: skip
    del source.NumberOfFrames
    planes = np.stack([masks[frame] for frame in masks])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = hd.seg.Segmentation(
            source_images=[source],
            pixel_array=np.stack([planes[:1] == value for value in numbers], axis=-1).astype(np.uint8),
            segmentation_type="BINARY", segment_descriptions=described, series_instance_uid="2.25.1", series_number=1,
            sop_instance_uid="2.25.2", instance_number=1, manufacturer="x", manufacturer_model_name="x",
            software_versions="1", device_serial_number="1")  # fmt: skip
    groups, frames = [], []
    for frame, mask in masks.items():
        for at, value in enumerate(numbers):
            if (mask == value).any():
                group = pydicom.dcmread(_bytes(made, path)).PerFrameFunctionalGroupsSequence[0]
                segment = pydicom.Dataset()
                segment.ReferencedSegmentNumber = at + 1
                group.SegmentIdentificationSequence = [segment]
                group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = frame
                groups.append(group)
                frames.append(mask == value)
    made = pydicom.dcmread(path)
    made.PerFrameFunctionalGroupsSequence, made.NumberOfFrames = groups, len(frames)
    made.PixelData = np.packbits(np.stack(frames).ravel(), bitorder="little").tobytes()
    made.save_as(path)
    return path


def _bytes(dataset: Any, path: Path) -> Path:
    dataset.save_as(path)
    return path


def test_frames_of_a_loop_have_their_own_masks(tmp_path: Path) -> None:
    loop = _loop(tmp_path / "a.dcm")
    one, other = (_mask() == 2).astype(np.uint8), (_mask() == 5).astype(np.uint8) * 2
    path = _segmented(tmp_path / "m.dcm", loop, {2: one, 5: other})
    prepared = prepare_video([loop], [path], shape=(48, 64), frames=6, intensity={"name": "scale"})
    assert prepared.mask.shape == (1, 6, 48, 64)
    expected = np.zeros((6, 48, 64), np.uint8)
    expected[1], expected[4] = one, other
    np.testing.assert_array_equal(prepared.mask[0], expected)
    fewer = prepare_video([loop], [path], shape=(48, 64), frames=2, period=4, intensity={"name": "scale"})
    np.testing.assert_array_equal(fewer.mask[0], expected[[0, 4]])


def test_a_mask_of_a_whole_loop_marks_all_of_its_frames(tmp_path: Path) -> None:
    loop = _loop(tmp_path / "a.dcm")
    path = _segmented(tmp_path / "m.dcm", loop, {1: (_mask() == 2).astype(np.uint8)})

    def of_all(dataset: pydicom.Dataset) -> None:
        for group in dataset.PerFrameFunctionalGroupsSequence:
            del group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber

    edit(path, of_all)
    mask = prepare_video([loop], [path], shape=(48, 64), frames=6, intensity={"name": "scale"}).mask
    np.testing.assert_array_equal(mask[0], np.repeat((_mask() == 2)[None], 6, axis=0))


def test_structures_are_masks_of_a_slice_that_states_its_place(tmp_path: Path) -> None:
    files = series(tmp_path / "s", volume((8, 30, 40)))
    image = io.read(tmp_path / "s")
    square = np.array([[9.5, 4.5], [20.5, 4.5], [20.5, 15.5], [9.5, 15.5]])
    outlines = [np.insert(square + at, 2, at, axis=1) for at in (2.0, 3.0)]  # W, H, D, on two slices
    path = _structure_set(tmp_path / "m.dcm", image, {4: outlines})
    whole = io.read_mask_object(path, image).array
    for k, file in enumerate(files):
        mask = prepare_image([file], [path], **_PLAIN).mask[0]
        stored = io.read_mask_object(path, image).array[k, ::-1, ::-1]
        np.testing.assert_array_equal(mask, stored)
    assert {int(value) for value in np.unique(whole)} == {0, 4}
    nowhere = io.write_dicom_image(tmp_path / "a.dcm", _GREY, patient_id="p", seed="a", bits=12)
    with pytest.raises(ReadError, match="does not state its position"):
        prepare_image([nowhere], [path], **_PLAIN)


def _outlined(path: Path, loop: Path, frames: list[int | None], instance: str = "") -> Path:
    """A structure set with one square drawn on each of some frames of a loop that states its place."""
    plane = io.Volume(np.zeros((1, 48, 64), np.uint8), np.diag([-1.0, -1.0, 1.0, 1.0]))
    square = np.array([[9.5, 4.5, 0], [20.5, 4.5, 0], [20.5, 15.5, 0], [9.5, 15.5, 0]])
    _structure_set(path, plane, {4: [square] * len(frames)})
    instance = instance or str(pydicom.dcmread(loop).SOPInstanceUID)

    def refer(dataset: pydicom.Dataset) -> None:
        for contour, frame in zip(dataset.ROIContourSequence[0].ContourSequence, frames, strict=True):
            item = pydicom.Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.3.1", instance
            if frame is not None:
                item.ReferencedFrameNumber = frame
            contour.ContourImageSequence = [item]

    edit(path, refer)
    return path


def test_structures_that_name_frames_of_a_loop_are_on_these_alone(tmp_path: Path) -> None:
    loop = _loop(tmp_path / "a.dcm")

    def place(dataset: pydicom.Dataset) -> None:
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = [1, 1]

    edit(loop, place)
    six: dict[str, Any] = {"shape": (48, 64), "frames": 6, "intensity": {"name": "scale"}}
    square = np.zeros((48, 64), np.uint8)
    square[5:16, 10:21] = 4
    mask = prepare_video([loop], [_outlined(tmp_path / "m.dcm", loop, [1, 3])], **six).mask
    expected = np.stack([square * (frame in (1, 3)) for frame in range(1, 7)])
    np.testing.assert_array_equal(mask[0], expected)
    for frames in ([None], [None, None]):  # of all frames; the same outline twice is one, not a hole in itself
        mask = prepare_video([loop], [_outlined(tmp_path / "m.dcm", loop, frames)], **six).mask
        np.testing.assert_array_equal(mask[0], np.stack([square] * 6))
    with pytest.raises(ReadError, match="refers to frame 7 of an image of 6"):
        prepare_video([loop], [_outlined(tmp_path / "m.dcm", loop, [7])], **six)
    with pytest.raises(ReadError, match="the structure set is one of another image"):
        prepare_video([loop], [_outlined(tmp_path / "m.dcm", loop, [1], "1.2.3")], **six)
