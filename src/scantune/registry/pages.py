"""Addresses of the MLflow UI that open on models and runs (the UI itself opens in a mode that hides both)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from scantune.tracking import MODEL_ID, client, metric_name, switched_off, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Key of the saved view of the runs table, and MLflow's prefix of the experiment tag that holds it.
VIEW = "scantune"
_TAG = "mlflow.sharedViewState."
#: Tag of a train run: its headline metrics, the primary one first.
HEADLINE = "scantune.headline"
#: Runs that logged a model: of trainings and of ensembles.
_MODELS = f"tags.`{MODEL_ID}` != ''"
_PARAMS = (
    "model.backbone", "model.weights", "train.learning_rate", "train.epochs", "train.batch_size", "loss", "input",
    "input.shape",
)  # fmt: skip


def addresses(server: str | None = None) -> list[str]:
    """One line a dataset for the Models page, and one for the runs table with the columns that a person needs.

    Args:
        server: where the UI is served; the tracking server itself, or 127.0.0.1:5000, where None.

    Returns:
        ``<dataset>: <address>`` lines; none if MLflow is off or empty.
    """
    if switched_off():
        return []
    uri = re.sub(r"//[^/]*@", "//", tracking_uri())  # a browser asks for the password itself
    host = server or (uri.rstrip("/") if uri.startswith("http") else "http://127.0.0.1:5000")
    mode = "workflowType=machine_learning"
    service, lines = client(), []
    for experiment in sorted(service.search_experiments(), key=lambda e: e.name):
        if experiment.name == "Default":
            continue
        page = f"{host}/#/experiments/{experiment.experiment_id}"
        view = f"&viewStateShareKey={VIEW}" if save_view(service, experiment) else ""
        lines.append(f"{experiment.name}: models {page}/models?{mode}")
        lines.append(f"{' ' * len(experiment.name)}  runs   {page}/runs?{mode}{view}")
    return lines


def save_view(service: MlflowClient, experiment: Any) -> bool:
    """Keep a view of the runs table in an MLflow experiment: one row a model, with its headline metrics and settings.

    Returns:
        Whether there is one: False where nothing was trained.
    """
    runs = service.search_runs([experiment.experiment_id], _MODELS, max_results=200)
    if not runs:
        return False
    state = json.dumps(view_of(run.data.tags.get(HEADLINE, "") for run in runs))
    if experiment.tags.get(_TAG + VIEW) != state:
        service.set_experiment_tag(experiment.experiment_id, _TAG + VIEW, state)
    return True


def headline_of(names: Iterable[str]) -> str:
    """The tag :data:`HEADLINE`: names of metrics as MLflow has them, which have no commas, with commas between them."""
    return ",".join(map(metric_name, names))


def view_of(headlines: Iterable[str]) -> dict[str, Any]:
    """The view's state as MLflow's pages keep it.

    Args:
        headlines: of each model, the names of its headline metrics with commas between them.
    """
    named = [names.split(",") for names in headlines if names]
    primary = list(dict.fromkeys(names[0] for names in named))
    others = [name for name in dict.fromkeys(n for names in named for n in names) if name not in primary]
    metrics = [f"test_{name}{end}" for name in primary for end in ("", "_lower", "_upper")]
    metrics += ["test_n", "val_loss", *(f"validation_{name}" for name in primary), *(f"test_{n}" for n in others[:4])]
    columns = ["attributes.`Created`", "attributes.`Dataset`"]
    columns += [f"metrics.`{name}`" for name in metrics] + [f"params.`{name}`" for name in _PARAMS]
    return {
        "searchFilter": _MODELS,
        "orderByKey": f"metrics.`test_{primary[0]}`" if primary else "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
    }
