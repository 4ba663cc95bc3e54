"""Masks of any tool beside the reference masks: two folders to a table of predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scantune import io
from scantune.io.geometry import same_geometry
from scantune.mask_codes import IGNORED
from scantune.preprocess.mask_rule import MaskRule
from scantune.preprocess.masks import merged
from scantune.records import ReadError, ScantuneError
from scantune.tasks.build import build_task
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.protocol import MaskTask

if TYPE_CHECKING:
    from scantune.tasks.base import TaskSettings

_SHOWN = 5


def compared(
    predicted: Path,
    reference: Path,
    settings: TaskSettings,
    *,
    region: Path | None = None,
    values: Mapping[Any, int | str] | None = None,
) -> PredictionTable:
    """The metrics of each mask, as ``predictions.csv`` has them; a file's name without its ending is the sample's id.

    Args:
        predicted: folder of masks, each on the grid of its reference.
        reference: folder of masks with the same names; endings may differ.
        settings: of the segmentation.
        region: folder of masks with the same names, on the same grids: metrics are of what is not 0 in them.
        values: value in the files to label, as an input's ``mask_values``; ``ignore`` for pixels of the reference that
            do not count.

    Raises:
        ScantuneError: a mask has no counterpart, cannot be read, lies on another grid, has a label that the task does
            not have, or is a prediction that leaves pixels out.
    """
    classes, task = settings.mask_classes, cast(MaskTask, build_task(settings))
    if not classes:
        raise ScantuneError(f"folders of masks are scored by the task segmentation, not {settings.name}")
    labels_of = {str(value): label for value, label in (values or {}).items()}
    rule = MaskRule(range(1, len(classes)), values=labels_of, overlap=settings.masks_overlap)
    pairs = _pairs(predicted, reference)
    inside = {} if region is None else _regions(region, pairs)
    rows = []
    for name, (one, other) in pairs.items():
        if io.is_mask_object(one):  # it may cover a part of the grid of the other
            truth = _read(other, rule)
            labels = _read(one, rule, truth)
        else:
            labels = _read(one, rule)
            truth = _read(other, rule, labels)
        _refuse_other_grid(one, labels, truth)
        _refuse_left_out(one, labels)
        measured = truth.array
        if name in inside:
            limits = _read(inside[name], MaskRule())
            _refuse_other_grid(inside[name], limits, truth)
            measured = np.where(limits.array > 0, measured, np.uint8(IGNORED))
        rows.append(task.measured(labels.array, measured, _spacing(truth)))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return PredictionTable.make({"sample_id": list(pairs), **columns})


def _pairs(predicted: Path, reference: Path) -> dict[str, tuple[Path, Path]]:
    predictions, references = _named(predicted), _named(reference)
    _refuse_missing(reference, set(predictions) - set(references))
    _refuse_missing(predicted, set(references) - set(predictions))
    if not predictions:
        raise ScantuneError(f"{predicted}: no masks in it")
    return {name: (predictions[name], references[name]) for name in sorted(predictions)}


def _regions(region: Path, names: Iterable[str]) -> dict[str, Path]:
    regions = _named(region)
    _refuse_missing(region, set(names) - set(regions))
    return regions


def _refuse_missing(folder: Path, names: set[str]) -> None:
    if names:
        some = ", ".join(sorted(names)[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise ScantuneError(f"{folder}: no mask named {some}{more}, as in the other folder")


def _refuse_left_out(path: Path, labels: Any) -> None:
    if (labels.array == IGNORED).any():
        raise ScantuneError(
            f"{path}: a predicted mask has pixels that do not count (the label ignore, or {IGNORED} without a "
            "label in --mask-values); only those of the reference may be left out"
        )


def _named(folder: Path) -> dict[str, Path]:
    masks: dict[str, Path] = {}
    paths = sorted(folder.iterdir())
    data = io.only_data(paths)
    for path in paths:
        if path.name.startswith(".") or path.suffix == ".json" or path in data:
            continue
        name = (path.name.removesuffix(".gz").rpartition(".")[0] or path.name).removesuffix(".seg")
        if name in masks:
            raise ScantuneError(f"{folder}: {masks[name].name} and {path.name} are both named {name}")
        masks[name] = path
    return masks


def _read(path: Path, rule: MaskRule, grid: Any = None) -> Any:
    """A mask file as an image or a volume of labels, uint8 […space].

    A DICOM SEG or RTSTRUCT is read onto ``grid``, the other mask, where that is a volume.
    """
    placed = isinstance(grid, io.Volume) and io.is_mask_object(path)
    names = [(name,) for name in rule.names] if placed and rule.overlap and rule.names else [rule.names]
    try:
        stored = [io.read_mask_object(path, grid, one) if placed else _whole(path) for one in names]
        first = stored[0]
        if rule.colours and len(first.array) == 1 and "palette" not in first.facts:
            rule = replace(rule, values={})  # grey beside coloured ones: labels, as predictions are written
        shape = first.array.shape[-2:] if isinstance(first, io.Image) else first.array.shape
        mask, _ = merged([one.array for one in stored], shape, rule, [one.facts for one in stored])
    except ReadError as error:
        raise ScantuneError(f"{path}: {error.reason}") from error
    return replace(first, array=mask)


def _whole(path: Path) -> io.Image | io.Volume:
    stored = io.read(path, labels=True, allow_constant=True)
    if not isinstance(stored, io.Image | io.Volume):
        raise ReadError("it is a loop")
    return stored


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
