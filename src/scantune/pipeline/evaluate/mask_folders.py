"""Masks of any tool beside the reference masks: two folders to a table of predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scantune import io
from scantune.io.geometry import same_geometry
from scantune.preprocess.mask_rule import MaskRule
from scantune.preprocess.masks import merged
from scantune.records import ReadError, ScantuneError
from scantune.tasks.build import build_task
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.protocol import MaskTask

if TYPE_CHECKING:
    from scantune.tasks.base import TaskSettings

_SHOWN = 5


def compared(predicted: Path, reference: Path, settings: TaskSettings) -> PredictionTable:
    """The metrics of each mask, as ``predictions.csv`` has them; a file's name without its ending is the sample's id.

    Args:
        predicted: folder of masks, each on the grid of its reference.
        reference: folder of masks with the same names; endings may differ.
        settings: of the segmentation.

    Raises:
        ScantuneError: a mask has no counterpart, cannot be read, lies on another grid, or has a label that the task
            does not have.
    """
    classes, task = settings.mask_classes, cast(MaskTask, build_task(settings))
    if not classes:
        raise ScantuneError(f"folders of masks are scored by the task segmentation, not {settings.name}")
    pairs = _pairs(predicted, reference)
    rows = []
    for one, other in pairs.values():
        labels, truth = _read(one, len(classes)), _read(other, len(classes))
        _refuse_other_grid(one, labels, truth)
        rows.append(task.measured(labels.array, truth.array, _spacing(truth)))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return PredictionTable.make({"sample_id": list(pairs), **columns})


def _pairs(predicted: Path, reference: Path) -> dict[str, tuple[Path, Path]]:
    predictions, references = _named(predicted), _named(reference)
    alone = {
        reference: sorted(set(predictions) - set(references)),
        predicted: sorted(set(references) - set(predictions)),
    }
    for folder, names in alone.items():
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise ScantuneError(f"{folder}: no mask named {', '.join(names[:_SHOWN])}{more}, as in the other folder")
    if not predictions:
        raise ScantuneError(f"{predicted}: no masks in it")
    return {name: (predictions[name], references[name]) for name in sorted(predictions)}


def _named(folder: Path) -> dict[str, Path]:
    masks: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix == ".json":
            continue
        name = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
        if name in masks:
            raise ScantuneError(f"{folder}: {masks[name].name} and {path.name} are both named {name}")
        masks[name] = path
    return masks


def _read(path: Path, classes: int) -> Any:
    """An image or a volume whose array is labels, uint8 […space]."""
    try:
        stored = io.read(path, labels=True, allow_constant=True)
        if not isinstance(stored, io.Image | io.Volume):
            raise ReadError("it is a loop")
        shape = stored.array.shape[-2:] if isinstance(stored, io.Image) else stored.array.shape
        mask, _ = merged([stored.array], shape, MaskRule(range(1, classes)), [stored.facts])
    except ReadError as error:
        raise ScantuneError(f"{path}: {error.reason}") from error
    return replace(stored, array=mask)


def _spacing(mask: Any) -> tuple[float, ...] | None:
    """mm along the axes of the array; None where it states none."""
    if not mask.spacing:
        return None
    steps = tuple(float(step) for step in mask.spacing)
    return steps[::-1] if isinstance(mask, io.Volume) else steps  # R, A, S -> D, H, W


def _refuse_other_grid(path: Path, labels: Any, truth: Any) -> None:
    same, words = labels.array.shape == truth.array.shape, f"{labels.array.shape} and {truth.array.shape} pixels"
    if isinstance(labels, io.Volume) and isinstance(truth, io.Volume):
        same, words = same_geometry(truth, labels)
    if not same:
        raise ScantuneError(f"{path}: it does not lie on the grid of its reference: {words}")
