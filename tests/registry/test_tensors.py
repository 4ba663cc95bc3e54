"""Predictors of a model's facts: which copies of a sample are predicted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
import torch

from scantune.registry.tensors import augmentation_of
from scantune.tasks.protocol import Task


@pytest.mark.parametrize("modality", ["image", "video", "volume"])
def test_copies_are_mirrored_only_where_left_and_right_are_one_answer(modality: str) -> None:
    shape = {"image": (1, 6, 9), "video": (1, 4, 6, 9), "volume": (1, 4, 6, 9)}[modality]
    x = torch.arange(float(torch.Size(shape).numel())).reshape(1, *shape)
    block = {"flip_left_right": 1.0}
    for sided in (False, True):
        task = cast(Task, SimpleNamespace(copies="augmented", sided=sided))
        original, copy = (inputs for inputs, _ in augmentation_of(task, modality, block, 1).variants(x))
        assert torch.equal(original, x)
        torch.testing.assert_close(copy, x if sided else x.flip(-1))


def test_copies_are_turned_in_millimetres() -> None:
    """A box of 7 slices of 3 mm and 7 × 7 mm across, turned by 90° about each axis, is as long along another axis."""
    x = torch.zeros(1, 1, 7, 21, 21)
    x[0, 0, :, 7:14, 7:14] = 1
    task = cast(Task, SimpleNamespace(copies="augmented", sided=False))
    turned = {"rotation": [90, 90], "p": 1.0}
    sides = []
    for spacing in ((3.0, 1.0, 1.0), None):
        _, (copy, _) = augmentation_of(task, "volume", turned, 1, spacing).variants(x)
        sides.append(
            sorted(int(n) for n in (copy[0, 0] > 0.5).nonzero().amax(0) - (copy[0, 0] > 0.5).nonzero().amin(0))
        )
    assert sides[0] == [2, 6, 20]
    assert sides[1] != sides[0]
