"""The ``augment:`` block as the training takes it: a change of one sample, and of a batch."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from scantune.cohort.manifest import Sample
from scantune.config.input import ImageInput
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.train.augmentation import augmentation
from scantune.pipeline.train.training import TrainingPlan
from scantune.preprocess import store
from scantune.preprocess.prepare import prepare
from scantune.preprocess.sample import plain


def changes_of(modality: str, augment: dict[str, Any]) -> Any:
    prepared = SimpleNamespace(modality=modality, spacing=None)
    return augmentation(augment, prepared)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "prob"), [("mixup", 0.3), ("cutmix", 0.8), ("mixup", 1.0), ("cutmix", 0.0)])
def test_the_share_of_batches_that_are_mixed_is_the_one_asked_for(name: str, prob: float) -> None:
    batch = changes_of("image", {name: {"enabled": True, "alpha": 5.0, "prob": prob}}).batch
    inputs, targets = torch.arange(8.0).reshape(8, 1, 1, 1).expand(8, 1, 9, 9), torch.arange(8)
    mixed = 0
    for seed in range(400):
        made, first, other, share = batch(inputs, targets, torch.Generator().manual_seed(seed))
        assert torch.equal(first, targets)
        mixed += share < 1
        if share == 1:
            assert torch.equal(made, inputs)
        else:
            assert not torch.equal(other, targets)
    assert mixed / 400 == pytest.approx(prob, abs=0.07)


def test_without_the_block_nothing_is_changed() -> None:
    changes = changes_of("image", {})
    assert (changes.sample, changes.batch) == (None, None)
    assert changes_of("image", {"rotation": 5, "mixup": {"enabled": False}}).batch is None


@pytest.mark.parametrize("modality", ["image", "volume", "video"])
@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_block_that_is_switched_off_mixes_no_batch(modality: str, name: str) -> None:
    block = {name: {"prob": 1.0}}
    assert changes_of(modality, block).batch is not None
    assert changes_of(modality, {**block, "enabled": False}).batch is None


def plan_of(modality: str, spacing: list[float] | None, stated: list[str]) -> TrainingPlan:
    samples = [
        Sample(f"s{i}", f"p{i}", "train", None, (1, 4, 4, 4), {}, {}, {}, {"spacing": text})
        for i, text in enumerate(stated)
    ]
    prepared: Any = SimpleNamespace(modality=modality, spacing=spacing, resize="pad", shape=[4, 4])
    none: Any = None
    return TrainingPlan("a", none, prepared, Sides(tuple(samples), Path()), none, None, {})


def test_volumes_are_turned_by_the_spacing_of_the_input_else_by_that_of_the_training_side() -> None:
    assert plan_of("volume", [1.0, 2.0, 3.0], ["9x9x9"]).spacing == (3.0, 2.0, 1.0)
    assert plan_of("volume", None, ["5x1x1", "6x1x0.5", "", "7x1x1"]).spacing == (6.0, 1.0, 1.0)
    assert plan_of("volume", None, [""]).spacing is None
    assert plan_of("video", None, ["40x1x2"]).spacing is None


def test_stretched_pictures_are_turned_in_the_proportions_of_their_files(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    shown = np.zeros((200, 400), np.uint8)
    cv2.circle(shown, (280, 80), 30, 255, -1)
    cv2.imwrite(str(tmp_path / "disc.png"), shown)
    prepared = ImageInput(dataset="a", modality="image", shape=[100, 100], resize="stretch", channels=1)
    ready = prepare((tmp_path / "disc.png",), (), prepared)
    facts = {"shape": list(ready.tensor.shape), "reading": plain(ready.facts)}
    store.save(tmp_path / "samples" / "s0.safetensors", {"input": ready.tensor}, facts)
    sample = Sample("s0", "p0", "train", None, (1, 100, 100), {}, {}, {}, {"spacing": ""})
    none: Any = None
    spacing = TrainingPlan("a", none, prepared, Sides((sample,), tmp_path), none, None, {}).spacing
    assert spacing == (2.0, 4.0)
    turn = augmentation({"rotation": [60, 60], "p": 1}, prepared, spacing).sample
    turned, _, _ = turn(torch.from_numpy(store.as_float(ready.tensor)), None, torch.Generator().manual_seed(0))
    rows, columns = np.nonzero(turned[0].numpy() > 127 / 255)
    width, height = np.ptp(columns) + 1, np.ptp(rows) + 1
    assert width * 4 == pytest.approx(60, abs=8), "the disc of the file stays a disc"
    assert height * 2 == pytest.approx(60, abs=6)


def test_pictures_that_keep_pixels_which_are_not_square_are_turned_by_them(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    facts = {"shape": [1, 4, 4], "reading": {"own_size": [4, 4], "pixel_sides": [1.0, 2.0]}}
    store.save(tmp_path / "samples" / "s0.safetensors", {"input": np.zeros((1, 4, 4), np.uint8)}, facts)
    sample = Sample("s0", "p0", "train", None, (1, 4, 4), {}, {}, {}, {"spacing": ""})
    prepared = ImageInput(dataset="a", modality="image", channels=1)
    none: Any = None
    assert TrainingPlan("a", none, prepared, Sides((sample,), tmp_path), none, None, {}).spacing == (1.0, 2.0)
