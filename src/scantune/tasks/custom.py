"""Custom metrics in an epoch and in the evaluation: their arguments, and their place among the metrics of a task."""

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
from scantune.tasks.plan import MetricPlan
from scantune.tasks.protocol import Task


def epoch_values(task: Task, reduced: np.ndarray, targets: np.ndarray, reserved: set[str]) -> dict[str, float]:
    """The custom metrics of an epoch; none where the task's answers are not what they are given.

    Args:
        task: which decides what an answer is.
        reduced: what the task keeps of all N samples, [N, …].
        targets: [N, …].
        reserved: names of the task's own metrics.

    Raises:
        ScantuneError: a custom metric has one of these names.
    """
    metrics = custom_metrics(task.name)
    answers = task.epoch_answers(reduced, targets) if metrics else None
    if answers is None:
        return {}
    for name in metrics:
        _refuse_taken(name, reserved, task.name)
    reference, prediction = (_bare(values) for values in answers)
    return {name: _value(name, one, reference, prediction) for name, one in metrics.items()}


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
        builtin = tuple(self._module.headline_names(data))
        for name in self._custom:
            _refuse_taken(name, builtin, self._task)
        return (*builtin, *self._custom)

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
    """A function of weights [n, B]: the metric of the samples as often as each draw takes them, [B]; NaN of weights
    that are no whole numbers, which a function of samples cannot take."""
    samples = np.arange(len(reference))

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        values = np.full(weights.shape[1], np.nan)
        for draw in range(weights.shape[1]):
            times = np.rint(weights[:, draw])
            drawn = np.repeat(samples, times.astype(np.int64))
            if len(drawn) and np.abs(times - weights[:, draw]).max() < 1e-9:
                values[draw] = _value(name, one, reference[drawn], prediction[drawn])
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


def _refuse_taken(name: str, reserved: Any, task: str) -> None:
    if name in reserved:
        raise ScantuneError(f"metric {name!r}: the task {task} has a metric of that name")
