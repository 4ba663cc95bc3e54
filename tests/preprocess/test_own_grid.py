"""A sample's mask is kept on the grid of its file, and predictions get back to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scantune import io
from scantune.preprocess import own_grid, prepare, store
from scantune.preprocess.sample import Job, process

STILL = {"dataset": "d", "modality": "image", "intensity": {"name": "scale"}}
VOLUME = {"dataset": "d", "modality": "volume", "intensity": {"name": "none"}, "dtype": "float32"}


@pytest.fixture
def still(tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:25, 20:50] = 2
    Image.fromarray(mask * 100).save(tmp_path / "i.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    return tmp_path / "i.png", tmp_path / "m.png", mask


@pytest.fixture
def volume(tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    mask = np.zeros((8, 12, 10), np.float32)
    mask[2:6, 3:9, 1:7] = 1
    affine = np.diag([0.8, 1.2, 2.0, 1.0])
    for name, array in (("i", mask * 7), ("m", mask)):
        io.write_nifti(tmp_path / f"{name}.nii.gz", io.Volume(array, affine))
    return tmp_path / "i.nii.gz", tmp_path / "m.nii.gz", mask


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("still", STILL | {"shape": [16, 16]}), ("volume", VOLUME | {"spacing": [2, 2, 2], "shape": [4, 4, 4]})],
)
def test_the_mask_lies_in_the_store_as_its_file_has_it(
    kind: str, settings: dict, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    image, mask, whole = request.getfixturevalue(kind)
    outcome = process(Job("s", (image,), (mask,)), settings, tmp_path / "store")
    assert outcome.key, outcome.detail
    path = store.sample_path(tmp_path / "store", outcome.key)
    place = own_grid.place_of(path, None)
    assert place.truth is not None
    assert place.own is not None
    np.testing.assert_array_equal(place.truth(), whole)
    assert place.own.shape == whole.shape
    assert own_grid.place_of(path, None, own_truth=False).truth is None


def test_a_sample_without_a_mask_has_a_grid_and_no_truth(still: tuple, tmp_path: Path) -> None:
    outcome = process(Job("s", (still[0],), ()), STILL, tmp_path / "store")
    path = store.sample_path(tmp_path / "store", str(outcome.key))
    place = own_grid.place_of(path, None)
    assert place.own is not None
    assert place.truth is None
    with pytest.raises(store.Damaged, match="no mask"):
        own_grid.read_mask(path)


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
def test_a_still_comes_back_from_letterbox_crop_and_stretching(still: tuple, resize: str) -> None:
    prepared = prepare([still[0]], [still[1]], STILL | {"shape": [80, 80], "resize": resize})
    grid = own_grid.own_grid(prepared.facts)
    assert grid is not None
    assert prepared.mask is not None
    back = grid.back((prepared.mask[0] > 0).astype(np.float32), 0.0) > 0.5
    mask = still[2] > 0
    if resize == "crop":  # 40 of 60 columns are left
        assert not back[:, :9].any()
        back, mask = back[:, 10:50], mask[:, 10:50]
    assert (back != mask).mean() < 0.02


def test_of_a_cropped_volume_all_outside_is_background_and_nothing_inside_moves(volume: tuple) -> None:
    prepared = prepare([volume[0]], [volume[1]], VOLUME | {"shape": [4, 4, 4]})
    grid = own_grid.own_grid(prepared.facts)
    assert grid is not None
    assert grid.spacing == pytest.approx((2.0, 1.2, 0.8))
    back = grid.back(np.ones(prepared.tensor.shape[1:], np.float32), 0.0)
    assert back.sum() == 64
    image = grid.back(prepared.tensor[0], 0.0)
    np.testing.assert_array_equal(image, volume[2] * 7 * back)
    assert (grid.back(prepared.tensor[0], 1.0)[back == 0] == 1).all()


def test_labels_are_packed_small_and_without_loss() -> None:
    mask = np.zeros((64, 128, 128), np.uint8)
    mask[20:40, 30:80, 50:90] = 3
    packed = own_grid.pack(mask)
    assert packed.nbytes < mask.nbytes / 500
