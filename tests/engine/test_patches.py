"""Patches of cached samples: where they lie, what they hold, and that they are the same again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from scantune.augment import build
from scantune.engine.patches import Patches, PatchSamples, box


@pytest.fixture
def cached(tmp_path: Path) -> list[Path]:
    """Images of different size whose value is the place, with a label 1 of 100 pixels and a label 2 of one."""
    paths = []
    for number, shape in enumerate([(40, 30), (25, 50), (9, 40)]):
        image = torch.arange(shape[0] * shape[1], dtype=torch.float32).reshape(1, *shape)
        mask = torch.zeros((1, *shape), dtype=torch.uint8)
        mask[0, 2:7, 5:25] = 1
        mask[0, 8, -1] = 2
        paths.append(tmp_path / f"s{number}.safetensors")
        save_file({"input": image, "mask": mask}, paths[-1])
    return paths


def test_a_box_is_padded_with_the_darkest_value_where_it_leaves_the_image() -> None:
    image = torch.arange(12.0).reshape(1, 3, 4) + 5
    assert torch.equal(box(image, [1, 2], [2, 2]), image[:, 0:2, 1:3])
    corner = box(image, [0, 0], [4, 4])
    assert corner.shape == (1, 4, 4)
    assert torch.equal(corner[:, 2:, 2:], image[:, :2, :2])
    assert corner[0, :2].eq(5).all()
    assert corner[0, :, :2].eq(5).all()
    assert box(image.to(torch.uint8), [0, 0], [4, 4], fill=0)[0, 0, 0] == 0


def test_samples_of_different_size_give_patches_of_one_size(cached: list[Path]) -> None:
    data = PatchSamples(cached, Patches((16, 12), per_sample=5), np.array([4, 5, 6]), seed=3)
    assert len(data) == 15
    assert data.ids[4:6] == ["s0", "s1"]
    for index in range(15):
        sample = data[index]
        assert sample["input"].shape == (1, 16, 12)
        assert sample["target"].shape == (16, 12)
        assert sample["target"].dtype == torch.int64
        assert (sample["index"], sample["group"]) == (index, 4 + index // 5)
    widths = {float(row[1] - row[0]) for row in (data[0]["input"][0, :, 0],)}
    assert widths == {30.0}, "rows of the image lie below one another"


def test_a_patch_is_a_function_of_seed_epoch_and_index(cached: list[Path]) -> None:
    def of(seed: int, epoch: int) -> list[Tensor]:
        data = PatchSamples(cached, Patches((8, 8), per_sample=3), seed=seed)
        data.set_epoch(epoch)
        return [data[index]["input"] for index in (8, 0, 4)]

    assert all(map(torch.equal, of(1, 2), of(1, 2)))
    assert not all(map(torch.equal, of(1, 2), of(1, 3)))
    assert not all(map(torch.equal, of(1, 2), of(2, 2)))


def test_classes_are_drawn_alike_and_the_share_of_the_foreground_is_kept(cached: list[Path]) -> None:
    data = PatchSamples(cached[:1], Patches((3, 3), per_sample=600, foreground=0.5), seed=0)
    middle = [int(data[index]["target"][1, 1]) for index in range(600)]
    by_chance = 0.5 * 100 / 1200
    assert middle.count(1) / 600 == pytest.approx(0.25 + by_chance, abs=0.06)
    at_the_edge = [bool((data[index]["target"] == 2).any()) for index in range(600)]
    assert sum(at_the_edge) / 600 == pytest.approx(0.25, abs=0.06), "one pixel has as many patches as a hundred"


def test_of_labels_that_overlap_each_is_drawn_alike_and_not_each_sum(tmp_path: Path) -> None:
    """A disc of 1 (value 1) with a cup of 2 (value 3) and a vessel of 4 that crosses both (values 4, 5, 7)."""
    mask = torch.zeros(1, 40, 40, dtype=torch.uint8)
    mask[0, 10:30, 10:30] = 1
    mask[0, 18:22, 18:22] |= 2
    mask[0, 20] |= 4
    save_file({"input": torch.ones(1, 40, 40), "mask": mask}, tmp_path / "a.safetensors")
    patches = Patches((3, 3), per_sample=900, foreground=1.0, overlapping=True)
    data = PatchSamples([tmp_path / "a.safetensors"], patches, seed=0)
    middle = [int(data[index]["target"][1, 1]) for index in range(900)]
    share = {bit: sum(value & bit > 0 for value in middle) / 900 for bit in (1, 2, 4)}
    # a cup is drawn by itself, and by chance where disc or vessel are
    assert share[2] == pytest.approx(1 / 3 * (1 + 16 / 400 + 4 / 40), abs=0.06)
    assert share[4] == pytest.approx(1 / 3 * (1 + 20 / 400 + 4 / 16), abs=0.06)


def test_pixels_that_do_not_count_are_no_class(tmp_path: Path) -> None:
    mask = torch.zeros(1, 40, 40, dtype=torch.uint8)
    mask[0, :, 20:] = 255
    mask[0, 5, 5] = 1
    save_file({"input": torch.ones(1, 40, 40), "mask": mask}, tmp_path / "a.safetensors")
    data = PatchSamples([tmp_path / "a.safetensors"], Patches((3, 3), per_sample=50, foreground=1.0), seed=0)
    assert all(data[index]["target"][1, 1] == 1 for index in range(50))


def test_no_foreground_no_class_and_no_patch_outside(cached: list[Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty.safetensors"
    save_file({"input": torch.ones(1, 20, 20), "mask": torch.zeros(1, 20, 20, dtype=torch.uint8)}, empty)
    data = PatchSamples([empty, *cached], Patches((9, 20), per_sample=40, foreground=1.0), seed=0)
    assert all(data[index]["input"].eq(1).all() for index in range(40))
    places = {tuple(int(n) for n in np.unravel_index(int(data[i]["input"][0, 0, 0]), (40, 30))) for i in range(40, 80)}
    assert all(row <= 31 and column <= 10 for row, column in places), "windows see nothing outside, patches neither"


def test_an_augmented_patch_is_filled_from_around_it(cached: list[Path]) -> None:
    change = build("image", {"rotation": [45, 45], "p": 1.0}, crop=(8, 8))
    assert change.around == (12, 12)  # type: ignore[attr-defined]
    bright = cached[0].with_name("bright.safetensors")
    save_file({"input": torch.full((1, 60, 60), 7.0), "mask": torch.ones(1, 60, 60, dtype=torch.uint8)}, bright)
    data = PatchSamples([bright], Patches((8, 8), 200, 0.0, change.around), augment=change, seed=1)  # type: ignore[attr-defined]
    inside = [sample for sample in map(data.__getitem__, range(200)) if sample["target"].all()]
    assert len(inside) > 150, "a rotated patch has no dark corners unless it lies at the edge of the image"
    assert all(sample["input"].shape == (1, 8, 8) for sample in inside)
