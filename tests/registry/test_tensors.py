"""Predictors of a model's facts: which copies of a sample are predicted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

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
        prepared: dict[str, Any] = {"modality": modality}
        original, copy = (inputs for inputs, _ in augmentation_of(task, prepared, block, 1).variants(x))
        assert torch.equal(original, x)
        torch.testing.assert_close(copy, x if sided else x.flip(-1))
