"""A segmentation in words: for reports, model cards and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scantune.plots.words import fixed, number
from scantune.tasks.segmentation.metrics import LARGEST

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
        "that do not count (uncertain, outside of the region of the metrics) are background in both masks.",
        *([] if metrics.get("baselines") else [NO_BASELINE]),
        *postprocessing(metrics),
    ]


NO_BASELINE = (
    "There is no simple baseline: an intensity threshold is for one structure, a mean mask for images of one size, and "
    "both need the training images."
)


def postprocessing(metrics: Mapping[str, Any]) -> list[str]:
    """Which classes are their largest connected component alone, and which components are too small, for report and
    model card; empty where neither was to be."""
    section = metrics.get("postprocessing") or {}
    return [*_largest(section), *_smallest(section)]


def _smallest(section: Mapping[str, Any]) -> list[str]:
    if "min_component" not in section:
        return []
    return [
        f"Connected components smaller than {number(section['min_component'])} mm³ (mm² in 2D; voxels or pixels where "
        "the file states no spacing) are removed from predicted masks."
    ]


def _largest(section: Mapping[str, Any]) -> list[str]:
    if LARGEST not in section:
        return []
    chosen = {name: entry for name, entry in section[LARGEST].items() if entry["chosen"]}
    on = section.get("fitted_on", "validation")
    if not chosen:
        return [
            "All connected components are kept: the largest alone had no higher Dice in any class, or in too few "
            f"samples, on {on}."
        ]
    gains = (f"{name} (from {fixed(e['dice_all'], 3)} to {fixed(e['dice_largest'], 3)})" for name, e in chosen.items())
    return [
        "Only the largest connected component of these classes is kept, because this raised their mean Dice on "
        f"{on}: {', '.join(gains)}."
    ]
