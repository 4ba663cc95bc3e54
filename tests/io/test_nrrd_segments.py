"""Segmentations of 3D Slicer: segments in layers, cropped to what is marked, taken by name."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scantune import io
from scantune.preprocess.masks import MaskError
from tests.io.files import refused, rotation, volume
from tests.preprocess.direct import prepare_image, prepare_volume

_PLAIN: dict[str, Any] = {"intensity": {"name": "none"}, "dtype": "float32"}
_LPS = np.diag([-1.0, -1.0, 1.0])
Segment = tuple[str, int | None, int | None]  # name, layer, value


def write(
    path: Path, layers: np.ndarray, affine: np.ndarray, segments: Sequence[Segment], crop: Sequence[slice] = ()
) -> Path:
    """A file as Slicer writes it.

    Args:
        path: of the file.
        layers: [i, j, k] or [layer, i, j, k].
        affine: of i, j, k, RAS.
        segments: described in the header.
        crop: part of the grid that is written.
    """
    several = layers.ndim == 4
    place = affine.copy()
    if crop:
        layers = layers[(slice(None), *crop) if several else tuple(crop)]
        place[:3, 3] = (affine @ [*(part.start for part in crop), 1])[:3]
    steps = " ".join("({})".format(",".join(map(repr, map(float, _LPS @ place[:3, axis])))) for axis in range(3))
    origin = ",".join(map(repr, map(float, _LPS @ place[:3, 3])))
    lines = [
        "NRRD0004", "type: unsigned char", f"dimension: {layers.ndim}", "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, layers.shape))}", f"space directions: {'none ' * several}{steps}",
        f"kinds: {'list ' * several}domain domain domain", "encoding: gzip", f"space origin: ({origin})",
    ]  # fmt: skip
    for number, (name, layer, value) in enumerate(segments):
        lines += [f"Segment{number}_ID:=Segment_{number + 1}", f"Segment{number}_Name:={name}"]
        lines += [f"Segment{number}_Extent:=0 1 0 1 0 1", f"Segment{number}_Tags:=Segmentation.Status:inprogress|"]
        lines += [] if layer is None else [f"Segment{number}_Layer:={layer}"]
        lines += [] if value is None else [f"Segment{number}_LabelValue:={value}"]
    data = gzip.compress(layers.astype(np.uint8).tobytes(order="F"))
    path.write_bytes(("\n".join(lines) + "\nSegmentation_MasterRepresentation:=Binary labelmap\n\n").encode() + data)
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return io.write_nifti(tmp_path / "i.nii.gz", volume(turned=(10, -5, 20)), codes="LPS")


def _boxes() -> tuple[np.ndarray, np.ndarray]:
    """Liver and tumour within it, uint8 [D, H, W] of the scan in RAS+."""
    liver, tumour = np.zeros((2, 8, 10, 12), np.uint8)
    liver[2:6, 2:8, 3:9], tumour[3:5, 4:6, 5:7] = 1, 1
    return liver, tumour


def _stored(mask: np.ndarray, scan: Path) -> tuple[np.ndarray, np.ndarray]:
    """The mask [D, H, W] as [i, j, k] in RAS+ order, and the affine."""
    return mask.transpose(2, 1, 0), io.read(scan).affine


@pytest.mark.parametrize("crop", [(), (slice(2, 10), slice(1, 9), slice(2, 6))])
def test_one_layer_on_the_images_grid_or_a_part_of_it(tmp_path: Path, scan: Path, crop: Sequence[slice]) -> None:
    liver, tumour = _boxes()
    labels = np.where(tumour > 0, 7, 3 * liver).astype(np.uint8)
    path = write(tmp_path / "m.seg.nrrd", *_stored(labels, scan), [("Liver", 0, 3), ("Tumour", 0, 7)], crop)
    np.testing.assert_array_equal(prepare_volume([scan], [path], **_PLAIN).mask[0], labels)
    packed = tmp_path / "m.seg.nrrd.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for file in (path, packed):
        named = prepare_volume([scan], [file], mask_values={"tumour": 1}, **_PLAIN)
        np.testing.assert_array_equal(named.mask[0], tumour)
    with pytest.raises(MaskError, match="has none called 'kidney'"):
        prepare_volume([scan], [path], mask_values={"kidney": 1}, **_PLAIN)


@pytest.mark.parametrize("stated", [True, False], ids=["layers", "before 4.11"])
def test_segments_in_layers_overlap_and_are_taken_by_name(tmp_path: Path, scan: Path, stated: bool) -> None:
    liver, tumour = _boxes()
    both = [_stored(mask, scan)[0] for mask in (liver, tumour)]
    segments: list[Segment] = [("Liver", 0 if stated else None, 1 if stated else None),
                               ("Tumour", 1 if stated else None, 1 if stated else None)]  # fmt: skip
    path = write(tmp_path / "m.seg.nrrd", np.stack(both), io.read(scan).affine, segments)
    with pytest.raises(MaskError, match="segments overlap"):
        prepare_volume([scan], [path], **_PLAIN)
    for name, expected in (("liver", liver), ("tumour", tumour)):
        mask = prepare_volume([scan], [path], mask_values={name: 2}, **_PLAIN).mask
        np.testing.assert_array_equal(mask[0], 2 * expected)
    overlapping = prepare_volume([scan], [path], mask_values={"liver": 1, "tumour": 2}, mask_overlap=True, **_PLAIN)
    np.testing.assert_array_equal(overlapping.mask[0], liver + 2 * tumour)


def test_layers_that_do_not_overlap_are_one_mask_of_the_segments_numbers(tmp_path: Path, scan: Path) -> None:
    liver, tumour = _boxes()
    both = [_stored(mask, scan)[0] for mask in (liver - tumour, tumour)]
    path = write(tmp_path / "m.seg.nrrd", np.stack(both), io.read(scan).affine, [("Liver", 0, 1), ("Tumour", 1, 1)])
    np.testing.assert_array_equal(prepare_volume([scan], [path], **_PLAIN).mask[0], liver + tumour)
    loaded = io.read(path, labels=True)
    np.testing.assert_array_equal(loaded.array, liver + tumour)
    assert loaded.facts["label_names"] == {"1": "Liver", "2": "Tumour"}


def test_a_segmentation_of_one_slice_marks_a_picture(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[:3, :3] = rotation(0, 0, 5) @ affine[:3, :3]
    image = io.write_nifti(
        tmp_path / "i.nii", io.Volume(np.random.default_rng(0).random((1, 10, 12), np.float32), affine)
    )
    labels = np.zeros((1, 10, 12), np.uint8)
    labels[0, 2:4, 3:9], labels[0, 6:8, 5:7] = 3, 7
    path = write(tmp_path / "m.seg.nrrd", labels.transpose(2, 1, 0), affine, [("Liver", 0, 3), ("Cyst", 0, 7)])
    shown = labels[0, ::-1, ::-1]  # anterior on top, right at the left
    np.testing.assert_array_equal(prepare_image([image], [path], **_PLAIN).mask[0], shown)
    named = prepare_image([image], [path], mask_values={"cyst": 1}, **_PLAIN).mask
    np.testing.assert_array_equal(named[0], shown == 7)


def test_segmentations_that_are_refused(tmp_path: Path, scan: Path) -> None:
    liver, _ = _boxes()
    stored, affine = _stored(liver, scan)
    for cropped, shift, reason in (
        (slice(None), 0.5, "differ in geometry"),
        (slice(1, None), 80, "differ in geometry"),
    ):
        place = affine.copy()
        place[:3, 3] += shift * affine[:3, 0]
        path = write(tmp_path / "m.seg.nrrd", stored[cropped], place, [("Liver", 0, 1)])
        with pytest.raises(MaskError, match=reason):
            prepare_volume([scan], [path], **_PLAIN)
    faults = {("Liver", 4, 1): "has layer 4", ("Liver", 0, 2): "values that none of its segments has"}
    for segment, reason in faults.items():
        assert reason in refused(write(tmp_path / "m.seg.nrrd", stored, affine, [segment]), labels=True).reason
