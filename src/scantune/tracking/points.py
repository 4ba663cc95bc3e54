"""Points of metrics into MLflow, each once: a stage that was killed and runs again repeats its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

_CALL = 1000  # points that MLflow accepts in one call

#: Name of a metric, and its step.
_Place = tuple[str, int]


def send_points(service: MlflowClient, run_id: str | None, points: Sequence[Mapping[str, Any]]) -> None:
    """Send the points that the run, or its model, does not have yet, in batches; raises what the server raises.

    A point is skipped if the last value at its step is the same. After other values in between it is sent again,
    because MLflow displays the value that was logged last.

    Args:
        service: the tracking client.
        run_id: of the run.
        points: ``key``, ``value``, ``timestamp`` (ms), ``step``; with ``model_id`` also for a logged model, and with
            ``dataset_name`` and ``dataset_digest`` for its data.
    """
    from mlflow.entities import Metric

    if not points:
        return
    metrics = [Metric(**point, run_id=run_id) for point in _missing(service, str(run_id), points)]
    for start in range(0, len(metrics), _CALL):
        service.log_batch(str(run_id), metrics=metrics[start : start + _CALL])


def _missing(service: MlflowClient, run_id: str, points: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Points that the run lacks, and those that its model lacks; without the model where only the run lacks them."""
    in_run = _run_values(service, run_id)
    in_models = {model: _model_values(service, model) for model in {p["model_id"] for p in points if "model_id" in p}}
    sent: dict[_Place, float] = {}
    for point in points:
        place = (point["key"], point["step"])
        known = sent[place] if place in sent else in_run(*place)
        model = point.get("model_id")
        if model and in_models[model].get((*place, *_data(point))) != point["value"]:
            yield dict(point)
        elif known != point["value"]:
            yield {name: value for name, value in point.items() if name not in _OF_MODEL}
        sent[place] = point["value"]


_OF_MODEL = {"model_id", "dataset_name", "dataset_digest"}


def _run_values(service: MlflowClient, run_id: str) -> Callable[[str, int], float | None]:
    """The last value of a metric at a step; a metric's history is read only for steps before its last one."""
    latest = {metric.key: metric for metric in service.get_run(run_id).data.to_proto().metrics}
    histories: dict[str, dict[int, float]] = {}

    def value_at(key: str, step: int) -> float | None:
        if key not in latest or step > latest[key].step:
            return None
        if step == latest[key].step:
            return float(latest[key].value)
        if key not in histories:
            points = sorted(service.get_metric_history(run_id, key), key=lambda point: point.timestamp)
            histories[key] = {point.step: point.value for point in points}
        return histories[key].get(step)

    return value_at


def _model_values(service: MlflowClient, model_id: str) -> dict[tuple[str, int, str | None, str | None], float]:
    """The last value of each metric of a logged model by name, step and data; none of a model that is not there."""
    from mlflow.exceptions import MlflowException

    try:
        metrics = service.get_logged_model(model_id).metrics or []
    except MlflowException:
        return {}
    ordered = sorted(metrics, key=lambda metric: metric.timestamp)
    return {(m.key, m.step, m.dataset_name, m.dataset_digest): m.value for m in ordered}


def _data(point: Mapping[str, Any]) -> tuple[str | None, str | None]:
    return point.get("dataset_name"), point.get("dataset_digest")
