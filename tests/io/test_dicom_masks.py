"""DICOM SEG and RTSTRUCT are labels on their image's grid, whichever way its slices run."""

import gzip
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from scantune import io
from scantune.io import dicom_contours
from scantune.records import ReadError
from tests.io.files import series, volume
from tests.preprocess.direct import prepare_volume

MODEL = io.Origin("m", "1", "a")
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture(params=["axial", "sagittal", "coronal"])
def scan(request, tmp_path: Path):
    """A series of one plane with a mask of two labels on its grid."""
    series(tmp_path / "s", volume(), plane=request.param)
    image = io.read(tmp_path / "s")
    mask = np.zeros(image.array.shape, np.uint8)
    mask[2:5, 3:7, 4:9], mask[5, 2, 3] = 1, 2
    return tmp_path, image, mask


def test_a_segmentation_that_was_written_comes_back_bit_for_bit(scan):
    folder, image, mask = scan
    path = io.write_segmentation(
        folder / "seg.dcm", io.Volume(mask, image.affine), folder / "s", {1: "lesion", 2: "vessel"}, origin=MODEL
    )
    assert io.is_mask_object(path)
    assert not io.is_mask_object(next((folder / "s").iterdir()))
    np.testing.assert_array_equal(io.read_mask_object(path, image).array, mask)
    alone = io.Volume(mask // 2, image.affine)  # label 1 is the second of those that are named
    named = io.write_segmentation(folder / "two.dcm", io.Volume(alone.array * 2, image.affine), folder / "s",
                                  {1: "lesion", 2: "vessel"}, origin=MODEL)  # fmt: skip
    np.testing.assert_array_equal(io.read_mask_object(named, image).array, alone.array * 2)
    prepared = prepare_volume([folder / "s"], [path], intensity={"name": "none"}, dtype="float32")
    np.testing.assert_array_equal(prepared.mask[0], mask)
    assert prepared.facts["mask_labels"] == {"1": 60, "2": 1}


def test_a_segmentation_beside_its_image_is_refused_or_told(scan):
    folder, image, mask = scan
    path = io.write_segmentation(
        folder / "seg.dcm", io.Volume(mask, image.affine), folder / "s", {1: "a", 2: "b"}, origin=MODEL
    )
    moved = image.affine.copy()
    moved[0, 3] += 0.4 * image.spacing[0]
    with pytest.raises(ReadError, match="differ in geometry"):
        io.read_mask_object(path, io.Volume(image.array, moved))
    placed = io.read_mask_object(path, io.Volume(image.array, moved), placing="place")
    np.testing.assert_array_equal(placed.array, mask)
    assert "on another grid" in placed.facts["placed"][0]
    moved[:3, 3] = 1e4 * np.array([1.5, 1.25, 3.0])
    with pytest.raises(ReadError, match="lies outside of its image"):
        io.read_mask_object(path, io.Volume(image.array, moved), placing="place")


def test_a_binary_segmentation_of_other_values_than_0_and_1_is_refused(tmp_path):
    series(tmp_path / "s", volume())
    image = io.read(tmp_path / "s")
    mask = np.zeros(image.array.shape, np.uint8)
    mask[2:5, 3:7, 4:9] = 1
    place = io.Volume(mask, image.affine)
    path = io.write_segmentation(tmp_path / "seg.dcm", place, tmp_path / "s", {1: "lesion"}, origin=MODEL)
    for white in (1, 255):
        dataset = pydicom.dcmread(path)
        frames = (dataset.pixel_array > 0).astype(np.uint8) * np.uint8(white)
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.PixelData = frames.tobytes()
        dataset.save_as(tmp_path / f"{white}.dcm")
    np.testing.assert_array_equal(io.read_mask_object(tmp_path / "1.dcm", image).array, mask)
    with pytest.raises(ReadError, match="a binary segmentation with the value 255"):
        io.read_mask_object(tmp_path / "255.dcm", image)


def test_a_segmentation_that_was_drawn_on_another_series_is_noted(scan):
    folder, image, mask = scan
    note = "the segmentation names another series than its image's as the one that it was drawn on"
    path = io.write_segmentation(
        folder / "seg.dcm", io.Volume(mask, image.affine), folder / "s", {1: "a", 2: "b"}, origin=MODEL
    )
    settings: dict = {"intensity": {"name": "none"}, "dtype": "float32"}
    assert note not in prepare_volume([folder / "s"], [path], **settings).facts["notes"]
    dataset = pydicom.dcmread(path)
    dataset.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3.4"
    dataset.save_as(path)
    prepared = prepare_volume([folder / "s"], [path], **settings)
    np.testing.assert_array_equal(prepared.mask[0], mask)
    assert note in prepared.facts["notes"]
    named = _structure_set(folder / "rt.dcm", image, {1: [np.array([[2, 2, 3], [6, 2, 3], [6, 6, 3], [2, 6, 3]])]})
    assert note not in io.read_mask_object(named, image).facts.get("placed", ())  # it names none
    of = Dataset()
    of.RTReferencedStudySequence = [Dataset()]
    of.RTReferencedStudySequence[0].RTReferencedSeriesSequence = [Dataset()]
    of.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3.4"
    dataset = pydicom.dcmread(named)
    dataset.ReferencedFrameOfReferenceSequence = [of]
    dataset.save_as(named)
    assert note in io.read_mask_object(named, image).facts["placed"]


def _structure_set(path: Path, image: io.Volume, structures: dict[int, list[np.ndarray]]) -> Path:
    """Contours given in the image's indices (W, H, D)."""
    dataset = Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.ROIContourSequence = []
    for number, outlines in structures.items():
        structure = Dataset()
        structure.ReferencedROINumber = number
        structure.ContourSequence = []
        for points in outlines:
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            world = (TO_LPS @ image.affine @ np.c_[points, np.ones(len(points))].T)[:3].T
            contour.ContourData = [f"{value:.4f}" for value in world.reshape(-1)]
            contour.NumberOfContourPoints = len(points)
            structure.ContourSequence.append(contour)
        dataset.ROIContourSequence.append(structure)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _box(low: tuple[float, float], high: tuple[float, float], axis: int, place: float) -> np.ndarray:
    corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])], float)
    return np.insert(corners, axis, place, axis=1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_contours_are_filled_on_slices_of_any_direction_with_their_holes(tmp_path: Path, axis: int):
    image = volume(shape=(10, 11, 12))
    outlines = [_box((1.5, 2.5), (7.5, 8.5), axis, 4), _box((3.5, 4.5), (5.5, 6.5), axis, 4)]
    path = _structure_set(tmp_path / "rt.dcm", image, {1: outlines, 7: [_box((0.6, 0.6), (1.4, 3.2), axis, 6)]})
    expected = np.zeros(image.array.shape, np.uint16)
    plane = np.moveaxis(expected, 2 - axis, 0)  # the other two axes: the later of W, H, D first
    plane[4, 3:9, 2:8] = 1
    plane[4, 5:7, 4:6] = 0
    plane[6, 1:4, 1] = 7
    np.testing.assert_array_equal(io.read_mask_object(path, image).array, expected)


def test_contours_between_slices_and_structures_that_overlap_are_refused(tmp_path: Path):
    image = volume(shape=(10, 11, 12))
    path = _structure_set(tmp_path / "rt.dcm", image, {1: [_box((1.5, 2.5), (7.5, 8.5), 2, 4.5)]})
    with pytest.raises(ReadError, match="do not lie on the image's slices"):
        io.read_mask_object(path, image)
    box = _box((1.5, 2.5), (7.5, 8.5), 2, 4)
    path = _structure_set(tmp_path / "rt.dcm", image, {1: [box], 2: [box]})
    with pytest.raises(ReadError, match="overlap"):
        io.read_mask_object(path, image)


@pytest.mark.parametrize("change", [lambda q: np.roll(q, 1, 0), lambda q: q[::-1], lambda q: q + 0.01,
                                    lambda q: np.vstack([q, q[:1]])])  # fmt: skip
def test_a_contour_that_is_there_twice_is_one(tmp_path: Path, change):
    image, box = volume(shape=(10, 11, 12)), _box((1.5, 2.5), (7.5, 8.5), 2, 4)
    path = _structure_set(tmp_path / "rt.dcm", image, {1: [box, change(box)]})
    mask = io.read_mask_object(path, image)
    assert int((mask.array > 0).sum()) == 36
    assert "placed" not in mask.facts


def test_what_is_in_doubt_of_contours_is_noted_or_refused(tmp_path: Path):
    image = volume(shape=(10, 11, 12))

    def notes(*places: float, beside: tuple[np.ndarray, ...] = (), kind: str = "CLOSED_PLANAR") -> list[str]:
        boxes = [_box((1.5, 2.5), (7.5, 8.5), 2, place) for place in places]
        path = _structure_set(tmp_path / "rt.dcm", image, {1: [*boxes, *beside]})
        dataset = pydicom.dcmread(path)
        dataset.ROIContourSequence[0].ContourSequence[-1].ContourGeometricType = kind
        dataset.save_as(path)
        return list(io.read_mask_object(path, image).facts.get("placed", ()))

    assert notes(2, 3, 4) == []
    assert "1 slice has no contour between two" in notes(2, 3, 5)[0]
    assert notes(2, 3, beside=(_box((9.5, 9.5), (10.5, 10.5), 2, 6),)) == [], "another part of the structure"
    apart = [_box((low, low), (low + 1.0, low + 1.0), 2, 2 * low) for low in (1.5, 2.5)]
    assert notes(1, beside=tuple(apart)) == [], "three parts on every second slice"
    part = [_box((8.5, 8.5), (10.5, 10.5), 2, place) for place in (2, 3, 5, 6)]  # the other kidney
    assert "1 slice has no contour between two" in notes(2, 3, 4, 5, 6, beside=tuple(part))[0]
    assert notes(2, 3, 4, 5, 6, beside=tuple(part[1:3])) == [], "specks"
    node = tuple(_box((6.5, 6.5), (9.5, 9.5), 2, place) for place in (6, 7))
    assert notes(2, 3, beside=node) == [], "two lymph nodes"
    assert "2 slices have no contour" in notes(2, 3, 6, 7)[0]
    assert notes(1, 2, 6, 7) == [], "two discs of a spine"
    assert "1 pair of contours of one structure cross" in notes(2, beside=(_box((5.5, 5.5), (9.5, 9.5), 2, 2),))[0]
    assert "1 contour is a point or open line" in notes(2, 3, kind="OPEN_PLANAR")[0]
    line = np.array([(9.4, 8.2, 3), (9.4, 9.9, 3), (9.4, 9.0, 3)])
    assert "1 contour is a point or open line" in notes(2, 3, beside=(line[:1],))[0], "closed, of one point"
    assert notes(2, 3, beside=(line,)) == [], "along H, on a slice of D"
    assert "1 contour is a point" in notes(2, kind="POINT")[0]
    path = _structure_set(tmp_path / "rt.dcm", image, {1: [_box((1.5, 2.5), (7.5, 8.5), 2, 4)], 2: [line[:1]]})
    dataset = pydicom.dcmread(path)
    dataset.ROIContourSequence[1].ContourSequence[0].ContourGeometricType = "POINT"
    dataset.save_as(path)
    assert "placed" not in io.read_mask_object(path, image).facts, "an isocentre beside organs"
    with pytest.raises(ReadError, match="contours on every second slice"):
        notes(1, 3, 5)


def test_of_many_contours_on_a_slice_only_those_that_meet_are_compared(tmp_path: Path, monkeypatch):
    image = volume(shape=(1, 100, 100))
    boxes = [_box((low, up), (low + 4, up + 4), 2, 0) for low in range(5, 90, 12) for up in range(5, 90, 12)]
    compared = []
    monkeypatch.setattr(dicom_contours, "_cross", lambda *parts: compared.append(parts) or False)
    path = _structure_set(tmp_path / "rt.dcm", image, {1: [*boxes, boxes[0] + [2, 2, 0]]})
    io.read_mask_object(path, image)
    assert len(compared) == 1


def test_a_structure_set_of_another_frame_of_reference_is_noted_and_names_are_one_in_any_unicode_form(tmp_path: Path):
    series(tmp_path / "s", volume())
    image = io.read(tmp_path / "s")
    path = _structure_set(tmp_path / "rt.dcm", image, {1: [_box((1.5, 2.5), (5.5, 5.5), 2, 3)]})
    dataset = pydicom.dcmread(path)
    named = Dataset()
    named.ROINumber, named.ROIName = 1, "Ru\u0308ckenmark"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.StructureSetROISequence = [named]
    for uid, count in ((pydicom.dcmread(next((tmp_path / "s").iterdir())).FrameOfReferenceUID, 0), ("1.2.3", 1)):
        named.ReferencedFrameOfReferenceUID = uid
        dataset.save_as(path)
        mask = io.read_mask_object(path, image, ["R\u00fcckenmark"])
        assert mask.array.any()
        assert sum("frame of reference" in note for note in mask.facts.get("placed", ())) == count
        assert "no closed contour" not in str(mask.facts)
    dataset.ROIContourSequence[0].ContourSequence = []
    dataset.save_as(path)
    assert "1 structure that is named has no closed contour" in str(
        io.read_mask_object(path, image, ["R\u00fcckenmark"]).facts
    )


def test_a_structure_set_in_gzip_or_alone_in_a_folder_is_the_same(tmp_path: Path):
    image = volume(shape=(10, 11, 12))
    path = _structure_set(tmp_path / "rt.dcm", image, {1: [_box((1.5, 2.5), (7.5, 8.5), 2, 4)]})
    expected = io.read_mask_object(path, image).array
    (tmp_path / "one").mkdir()
    for other in (tmp_path / "rt.dcm.gz", tmp_path / "one" / "1-1.dcm.gz"):
        other.write_bytes(gzip.compress(path.read_bytes()))
    for other in (tmp_path / "rt.dcm.gz", tmp_path / "one"):
        assert io.is_mask_object(other)
        np.testing.assert_array_equal(io.read_mask_object(other, image).array, expected)
    (tmp_path / "one" / "1-2.dcm").write_bytes(path.read_bytes())
    assert not io.is_mask_object(tmp_path / "one"), "which of two is not known"
