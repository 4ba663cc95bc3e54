"""A task's settings and the data's classes to the task itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from scantune.records import ScantuneError
from scantune.tasks.protocol import Task

#: Losses of one logit: a classification by one of them has one output and a sigmoid.
BINARY_LOSSES = {"bce", "focal_bce"}


def build_task(schema: Any, *, classes: tuple[str, ...] | None = None, loss: str | None = None, **fit: Any) -> Task:
    """The task of a ``task:`` block.

    Args:
        schema: the block.
        classes: of a classification, where the block does not name them.
        loss: the loss's name, which decides between one logit and one a class.
        **fit: ``calibration`` and ``miscoverage`` of what is fitted on validation.
    """
    return _BUILDERS[schema.name](schema, classes, loss, fit)


def found_classes(schema: Any, targets: Iterable[Mapping[str, str]]) -> tuple[str, ...] | None:
    """The classes of a classification: as stated, else those in the data, numbers in their order; None otherwise.

    Raises:
        ScantuneError: fewer than two.
    """
    if schema.name != "classification":
        return None
    if schema.classes is not None:
        return tuple(schema.classes)
    found = {row[schema.target] for row in targets if row.get(schema.target, "") != ""}
    if len(found) < 2:
        raise ScantuneError(f"target {schema.target!r} has {len(found)} classes ({', '.join(found)}); two are needed")
    return tuple(sorted(found, key=_natural))


def _natural(text: str) -> tuple[int, float, str]:
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)


def _regression(schema: Any, classes: Any, loss: str | None, fit: dict[str, Any]) -> Task:
    from scantune.tasks.regression.task import RegressionTask

    return RegressionTask(
        schema.target,
        limits=schema.range,
        score_ranges=schema.cuts(),
        step=schema.round,
        miscoverage=fit.get("miscoverage", 0.1),
    )


def _classification(schema: Any, classes: tuple[str, ...] | None, loss: str | None, fit: dict[str, Any]) -> Task:
    from scantune.tasks.classification.task import ClassificationTask

    named = classes or schema.classes or ()
    return ClassificationTask(schema.target, named, sigmoid=loss in BINARY_LOSSES, **fit)


def _zones(schema: Any, classes: Any, loss: str | None, fit: dict[str, Any]) -> Task:
    from scantune.tasks.zones.task import ZonesTask

    return ZonesTask(
        schema.zones,
        grades=schema.grades,
        mirrored=schema.mirrored(),
        calibration=fit.get("calibration", "temperature"),
    )


def _segmentation(schema: Any, classes: Any, loss: str | None, fit: dict[str, Any]) -> Task:
    from scantune.tasks.segmentation.task import SegmentationTask

    return SegmentationTask(
        schema.foreground,
        nsd_tolerance=schema.nsd_tolerance,
        cldice=schema.cldice,
        empty=schema.empty,
        missed=schema.missed,
    )


_BUILDERS: dict[str, Callable[[Any, Any, str | None, dict[str, Any]], Task]] = {
    "regression": _regression,
    "classification": _classification,
    "zones": _zones,
    "segmentation": _segmentation,
}
