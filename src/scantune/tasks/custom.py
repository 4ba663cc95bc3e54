"""Custom metrics in an epoch and in the evaluation: what they are given, and their place among a task's own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from scantune.records import ScantuneError
from scantune.statistics.resampling import Weighted
from scantune.tasks.catalogue import part
from scantune.tasks.directions import CustomMetric, custom_metrics
from scantune.tasks.logits import softmax
from scantune.tasks.plan import MetricPlan
from scantune.tasks.protocol import Task


def epoch_values(task: Task, reduced: np.ndarray, targets: np.ndarray, taken: set[str]) -> dict[str, float]:
    """The custom metrics of an epoch; none where the task answers per pixel.

    A task whose output is in another unit than its reference has ``epoch_answers(reduced, targets)``, which gives both.

    Args:
        task: which decides what an answer is.
        reduced: the network's output of all N samples, [N, …].
        targets: [N, …].
        taken: names of the task's own metrics.

    Raises:
        ScantuneError: a custom metric has one of these names.
    """
    found = {} if task.dense else custom_metrics(task.name)
    for name in found:
        _refuse_taken(name, taken, task.name)
    if not found:
        return {}
    if hasattr(task, "epoch_answers"):
        reference, prediction = task.epoch_answers(reduced, targets)
        pair = _bare(reference), _bare(prediction)
    else:
        pair = _bare(targets), _answers(reduced, task.class_axis)
    return {name: _value(name, one, *pair) for name, one in found.items()}


def _answers(reduced: np.ndarray, class_axis: int | None) -> np.ndarray:
    """Numbers, or probabilities with the classes last; a single logit is that of the second of two classes."""
    if class_axis is None:
        return _bare(reduced.astype(np.float64))
    logits = np.moveaxis(reduced.astype(np.float64), class_axis, -1)
    return softmax(np.concatenate([np.zeros_like(logits), logits], -1) if logits.shape[-1] == 1 else logits)


def _bare(values: np.ndarray) -> np.ndarray:
    """[N] of one value a sample, whatever its further axes."""
    return values.reshape(len(values)) if values.size == len(values) else values


def metrics_of(task: str) -> Any:
    """The task's ``metrics`` module, with the custom metrics that the task has among its own."""
    module = part(task, "metrics")
    custom = custom_metrics(task) if hasattr(module, "answers") else {}
    return _WithCustom(module, task, custom) if custom else module


class _WithCustom:
    """A ``metrics`` module and further metrics."""

    def __init__(self, module: ModuleType, task: str, custom: dict[str, CustomMetric]) -> None:
        self._module, self._task, self._custom = module, task, custom
        self.ERRORS = (*module.ERRORS, *(name for name, one in custom.items() if one.mode == "min"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def headline_names(self, data: Any) -> tuple[str, ...]:
        """The task's own, then the custom ones."""
        own = tuple(self._module.headline_names(data))
        for name in self._custom:
            _refuse_taken(name, own, self._task)
        return (*own, *self._custom)

    def plan(self, data: Any, rows: np.ndarray, **options: Any) -> MetricPlan:
        """The task's own plan with a statistic for each custom metric; see the task's ``metrics``."""
        plan: MetricPlan = self._module.plan(data, rows, **options)
        if plan.void is not None or not len(rows):
            return plan
        reference, prediction = (values[rows] for values in self._module.answers(data))
        added = [Weighted(rows, _in_draws(name, one, reference, prediction)) for name, one in self._custom.items()]
        reasons = {name: f"undefined: the custom metric {name} gave no number" for name in self._custom}
        return replace(plan, statistics=[*plan.statistics, *added], reasons={**reasons, **plan.reasons})


def _in_draws(
    name: str, one: CustomMetric, reference: np.ndarray, prediction: np.ndarray
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """A function of weights [n, B]: the metric of the samples as often as each draw takes them, [B]."""
    samples = np.arange(len(reference))

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        values = np.full(weights.shape[1], np.nan)
        for draw in range(weights.shape[1]):
            taken = np.repeat(samples, np.rint(weights[:, draw]).astype(np.int64))
            if len(taken):
                values[draw] = _value(name, one, reference[taken], prediction[taken])
        return {name: values}

    return figures


def _value(name: str, one: CustomMetric, reference: np.ndarray, prediction: np.ndarray) -> float:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # of NumPy, about means of nothing: undefined is NaN
            return float(one.function(reference=reference, prediction=prediction))
    except ZeroDivisionError:
        return float("nan")
    except Exception as error:
        shapes = f"reference {reference.shape}, prediction {prediction.shape}"
        raise ScantuneError(f"metric {name!r} failed on {shapes}: {type(error).__name__}: {error}") from error


def _refuse_taken(name: str, taken: Any, task: str) -> None:
    if name in taken:
        raise ScantuneError(f"metric {name!r}: the task {task} has a metric of that name")
