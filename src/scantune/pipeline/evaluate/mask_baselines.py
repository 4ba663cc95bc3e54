"""Baselines of a segmentation on the same test samples: an intensity threshold, and one mean mask for every image."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from scantune import mask_codes
from scantune.pipeline.data.datasets import samples
from scantune.pipeline.data.sides import Side, Sides
from scantune.pipeline.predictions import places_of
from scantune.preprocess.places import Place
from scantune.statistics import baselines
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.protocol import MaskTask, Task

MOST = 100
"""Maximum number of training samples for the baselines, spread over the side; a threshold needs no more."""

SURROUNDINGS = 16
"""An axis' length divided by this is the standard deviation (voxels) of the Gaussian mean of the surroundings."""

Masker = Callable[[np.ndarray], np.ndarray]


def mask_baselines(
    task: MaskTask, sides: Sides, table: PredictionTable, split: str = "test", home: Sides | None = None
) -> dict[str, PredictionTable]:
    """Predictions of each baseline for the table's rows of a split.

    ``threshold``: the threshold on the first channel, above or below it, with the best mean Dice on training samples;
    ``contrast_threshold``: the same on the intensity minus the mean of its surroundings, which is robust to lighting
    and shading; both for a single structure only. ``mean_mask``: the average position of the structures; only if all
    tensors have the same shape.

    Args:
        task: the segmentation.
        sides: the samples; without a training side there are no baselines.
        table: predictions of the model.
        split: whose rows are predicted.
        home: the model's own samples, where ``sides`` are of another data set.
    """
    rows = table.take(np.flatnonzero(table.split == split))
    tested = set(rows.sample_id)
    source = sides if home is None else home
    training = source.side("train") if not source.folds else source.all_samples
    chosen = [m for m in training if home is not None or m.sample_id not in tested]
    if not chosen:
        return {}
    step = max(1, len(chosen) // MOST)
    makers = _makers(task, Side(chosen[::step][:MOST], source.cache))
    side = sides.only(tested)
    measured: dict[str, dict[str, dict[str, float]]] = {name: {} for name in makers}
    for (image, reference), member, place in zip(_pairs(task, side), side, places_of(side), strict=True):
        for name, maker in makers.items():
            measured[name][member.sample_id] = _measured(task, maker(image), reference, place)
    return {name: _as_table(rows, by_sample) for name, by_sample in measured.items()}


def _measured(task: MaskTask, mask: np.ndarray, target: np.ndarray, place: Place) -> dict[str, float]:
    """Where the model is measured: on the grid of the mask's file, else on the prepared one."""
    if place.own is None or place.truth is None:
        return task.measure(mask, target, place.spacing)
    return task.measure(place.own.labels_back(mask), place.truth(), place.own.spacing)


def _makers(task: MaskTask, training: Side) -> dict[str, Masker]:
    pairs = list(_pairs(task, training))
    images, masks = [image for image, _ in pairs], [mask for _, mask in pairs]
    maskers: dict[str, Masker] = {}
    if len(task.foreground) == 1 and any(mask_codes.marked(mask).any() for mask in masks):
        marked = [mask_codes.marked(mask) for mask in masks]
        cut = baselines.best_threshold(images, marked)
        local = baselines.best_threshold([contrast(image) for image in images], marked)
        maskers["threshold"] = lambda image: cut.mask(image).astype(np.uint8)
        maskers["contrast_threshold"] = lambda image: local.mask(contrast(image)).astype(np.uint8)
    shape = masks[0].shape
    if all(mask.shape == shape for mask in masks):
        mean = _mean_mask(masks, len(task.foreground), task.class_axis == "each")
        maskers["mean_mask"] = lambda image: mean if image.shape == shape else np.zeros(image.shape, np.uint8)
    return maskers


def _mean_mask(masks: list[np.ndarray], labels: int, overlapping: bool) -> np.ndarray:
    """One mask for every image; of labels that overlap each one's own."""
    if not overlapping:
        return baselines.mean_mask([mask_codes.counted(mask) for mask in masks], labels + 1)
    mean = np.zeros(masks[0].shape, np.uint8)
    for label in range(1, labels + 1):
        of_label = [mask_codes.plane(mask, label, True).astype(np.uint8) for mask in masks]
        mean |= baselines.mean_mask(of_label, 2) * np.uint8(mask_codes.code_of(label, True))
    return mean


def contrast(image: np.ndarray) -> np.ndarray:
    """Intensity less its mean over the surroundings, which reach a sixteenth of each axis; float32."""
    from scipy import ndimage

    return image - ndimage.gaussian_filter(image, [size / SURROUNDINGS for size in image.shape], mode="nearest")


def _pairs(task: Task, side: Side) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Image (first channel) and labels of each sample, [H, W] or [D, H, W]."""
    data = samples(side, task)
    for row in range(len(side)):
        sample = data[row]
        yield np.asarray(sample["input"][0], dtype=np.float32), np.asarray(sample["target"]).astype(np.uint8)


def _as_table(rows: PredictionTable, measured: dict[str, dict[str, float]]) -> PredictionTable:
    """The rows with the baseline's measures instead of the model's, and without volumes."""
    names = next(iter(measured.values()))
    columns = {c: rows.columns[c] for c in rows.columns if c in ("sample_id", "subject_id", "split")}
    measures = {name: np.array([measured[str(sample)][name] for sample in rows.sample_id]) for name in names}
    return PredictionTable.make({**columns, **measures}, rows.name)
