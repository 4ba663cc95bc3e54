"""A segmentation in words: for reports, model cards and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scantune.plots.words import number

if TYPE_CHECKING:
    from scantune.tasks.segmentation.task import SegmentationTask

TASK = "a mask per structure"
"""What the model predicts."""

OUTPUT = "a label for each pixel or voxel"
"""Output of the model."""


def answer(task: SegmentationTask, values: Mapping[str, Any]) -> tuple[str, str]:
    """The mask's size; there is no interval."""
    return f"size {number(values['volume_prediction'])}" if "volume_prediction" in values else "", ""


def headline_notes(metrics: Mapping[str, Any]) -> list[str]:
    """The headline metrics need no further words."""
    return []
