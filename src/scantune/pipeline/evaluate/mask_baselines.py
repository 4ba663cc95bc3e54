"""What a segmentation must beat, on the same test samples: one intensity threshold, and one mask for every image."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from scantune.pipeline.data.datasets import samples
from scantune.pipeline.data.sides import Side, Sides
from scantune.pipeline.predictions import places_of
from scantune.preprocess.own_grid import Place
from scantune.statistics import baselines
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.protocol import MaskTask, Task

MOST = 100
"""Training samples that they are chosen on, spread over the side; a threshold needs no more."""

SURROUNDINGS = 16
"""The standard deviation of a place's surroundings is this share of each axis."""

Masker = Callable[[np.ndarray], np.ndarray]


def mask_baselines(
    task: MaskTask, sides: Sides, table: PredictionTable, split: str = "test", home: Sides | None = None
) -> dict[str, PredictionTable]:
    """Baseline to its predictions of the table's rows of a split.

    ``threshold``: the intensity of the first channel, and the side of it, with the best mean Dice on training samples;
    ``contrast_threshold``: the same of the intensity less that of its surroundings, which lighting and shading leave
    alone; both where there is one structure only. ``mean_mask``: where the structures lie on average; where all
    tensors are alike in shape.

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
    training = source.side("train") if not source.folds else source.whole
    chosen = [m for m in training if home is not None or m.sample_id not in tested]
    if not chosen:
        return {}
    step = max(1, len(chosen) // MOST)
    makers = _makers(task, Side(chosen[::step][:MOST], source.cache))
    side = sides.only(tested)
    measured: dict[str, dict[str, dict[str, float]]] = {name: {} for name in makers}
    for (image, truth), member, place in zip(_pairs(task, side), side, places_of(side), strict=True):
        for name, maker in makers.items():
            measured[name][member.sample_id] = _measured(task, maker(image), truth, place)
    return {name: _as_table(rows, found) for name, found in measured.items()}


def _measured(task: MaskTask, mask: np.ndarray, target: np.ndarray, place: Place) -> dict[str, float]:
    """Where the model is measured: on the grid of the mask's file, else on the prepared one."""
    if place.own is None or place.truth is None:
        return task.measure(mask, target, place.spacing)
    return task.measure(place.own.labels_back(mask), place.truth(), place.own.spacing)


def _makers(task: MaskTask, training: Side) -> dict[str, Masker]:
    pairs = list(_pairs(task, training))
    images, masks = [image for image, _ in pairs], [mask for _, mask in pairs]
    found: dict[str, Masker] = {}
    if len(task.foreground) == 1 and any(mask.any() for mask in masks):
        marked = [mask > 0 for mask in masks]
        cut = baselines.best_threshold(images, marked)
        local = baselines.best_threshold([contrast(image) for image in images], marked)
        found["threshold"] = lambda image: cut.mask(image).astype(np.uint8)
        found["contrast_threshold"] = lambda image: local.mask(contrast(image)).astype(np.uint8)
    shape = masks[0].shape
    if all(mask.shape == shape for mask in masks):
        mean = baselines.mean_mask(masks, len(task.foreground) + 1)
        found["mean_mask"] = lambda image: mean if image.shape == shape else np.zeros(image.shape, np.uint8)
    return found


def contrast(image: np.ndarray) -> np.ndarray:
    """Intensity less its mean over the surroundings, which reach a sixteenth of each axis; float32."""
    from scipy import ndimage

    return image - ndimage.gaussian_filter(image, [size / SURROUNDINGS for size in image.shape], mode="nearest")


def _pairs(task: Task, side: Side) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Image (first channel) and labels of each sample, [H, W] or [D, H, W]."""
    data = samples(side, task)
    for row in range(len(side)):
        held = data[row]
        yield np.asarray(held["input"][0], dtype=np.float32), np.asarray(held["target"]).astype(np.uint8)


def _as_table(rows: PredictionTable, measured: dict[str, dict[str, float]]) -> PredictionTable:
    """The rows with the measures in place of the model's, and without its volumes."""
    names = next(iter(measured.values()))
    kept = {c: rows.columns[c] for c in rows.columns if c in ("sample_id", "subject_id", "split")}
    found = {name: np.array([measured[str(sample)][name] for sample in rows.sample_id]) for name in names}
    return PredictionTable.make({**kept, **found}, rows.name)
