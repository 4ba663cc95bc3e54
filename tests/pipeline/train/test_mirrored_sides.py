"""Masks whose left and right are classes, and training that mirrors them."""

from types import SimpleNamespace

import pytest

from scantune.pipeline.train.stage import mirrored_sides
from scantune.tasks.segmentation.settings import Segmentation


@pytest.mark.parametrize(
    ("augment", "names", "notes"),
    [
        ({"flip_left_right": 0.5}, ["left_kidney", "right_kidney"], 1),
        ({"flip_left_right": 0.5}, ["vessel", "lens"], 0),
        ({"flip_left_right": 0.0, "rotation": 5}, ["left_kidney", "right_kidney"], 0),
        ({"flip_left_right": 0.5, "enabled": False}, ["left_kidney", "right_kidney"], 0),
        ({}, ["left_kidney", "right_kidney"], 0),
    ],
)
def test_training_with_mirrored_masks_of_left_and_right_is_noted(augment, names, notes):
    block = SimpleNamespace(train=SimpleNamespace(augment=augment), task=Segmentation(classes=("background", *names)))
    for modality in ("image", "volume"):
        found = mirrored_sides(block, modality)
        assert len(found) == notes
        assert all("train.augment.flip_left_right" in note for note in found)
