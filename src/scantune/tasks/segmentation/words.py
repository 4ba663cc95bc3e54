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
    """How they are averaged, and which of several definitions of a distance it is."""
    several = any(name.startswith("dice/") for name in metrics.get("metrics", {}))
    first = (
        "each sample's mean over the structures, then the mean over the samples" if several else "means over samples"
    )
    return [
        f"Metrics of masks are {first}; samples in which a metric is undefined do not count. HD95 is the larger of the "
        "95th percentiles of the distances from either surface to the other, each element of a surface weighted by its "
        "area (Nikolov et al. 2021); NSD, the share of both surfaces within the tolerance, counts areas too. Pixels "
        "that do not count (uncertain, outside of the region of the metrics) are background in both masks."
    ]
