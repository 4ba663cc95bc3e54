"""What a run sends beside its points, each kind by one function, so that what was refused can be sent by a later run.

Arguments are JSON-able. A file is sent later only if it is still the one that was to be sent.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.digests import file_digest, text_digest
from scantune.tracking.names import metric_name

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

#: Tag of a train run: the id of the model that it logged.
MODEL_ID = "scantune.model_id"


class Gone(Exception):
    """What was to be sent is not there any more, or is another by now."""


def content_digest(path: Path) -> str:
    """Of a file, or of the names and contents of a folder's files; "" where there is neither."""
    if path.is_file():
        return file_digest(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = [f"{file.relative_to(path).as_posix()} {file_digest(file)}" for file in files]
    return text_digest("\n".join(lines)) if lines else ""


def _params(service: MlflowClient, run_id: str, values: Mapping[str, str]) -> None:
    """Parameters by MLflow's names; one that is there already with another value becomes a tag ``param.<name>``."""
    from mlflow.entities import Param

    data = service.get_run(run_id).data
    logged = data.params
    fresh = [Param(name, value) for name, value in values.items() if name not in logged]
    for start in range(0, len(fresh), 100):
        service.log_batch(run_id, params=fresh[start : start + 100])
    for name, value in values.items():
        changed = metric_name(f"param.{name}")
        if data.tags.get(changed, logged.get(name, value)) != value:
            service.set_tag(run_id, changed, value)


def _tags(service: MlflowClient, run_id: str, values: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    service.log_batch(run_id, tags=[RunTag(name, value) for name, value in values.items()])


def _artifact(service: MlflowClient, run_id: str, path: str, folder: str | None, digest: str = "") -> None:
    source = Path(path)
    if digest and content_digest(source) != digest:
        raise Gone(source.name)
    send = service.log_artifacts if source.is_dir() else service.log_artifact
    send(run_id, path, folder)


def _text(service: MlflowClient, run_id: str, text: str, name: str) -> None:
    service.log_text(run_id, text, name)


def _dataset(service: MlflowClient, run_id: str, name: str, digest: str, context: str, rows: int) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=name,
        digest=digest[:36],
        source_type="code",
        source=json.dumps({"tags": {"dataset": name}}),
        profile=json.dumps({"num_rows": rows}),
    )
    service.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])


def _model(service: MlflowClient, run_id: str, spec: Mapping[str, Any], digest: str = "") -> None:
    from scantune.tracking.models import log_whole, logged_before

    content = content_digest(Path(spec["folder"]))
    if digest and content != digest:
        raise Gone(f"model {spec['name']}")
    model_id = logged_before(service, run_id, content)
    if model_id is None:
        model_id = log_whole(service, run_id, spec, content)
        logged_before(service, run_id, content)  # removes one that was begun twice, the first answer being lost
    service.set_tag(run_id, MODEL_ID, model_id)


def _status(service: MlflowClient, run_id: str, status: str) -> None:
    service.set_terminated(run_id, status)


SENDERS: dict[str, Callable[..., None]] = {
    "params": _params,
    "tags": _tags,
    "artifact": _artifact,
    "text": _text,
    "dataset": _dataset,
    "model": _model,
    "status": _status,
}


def send(service: MlflowClient, run_id: str, item: Mapping[str, Any]) -> None:
    """Send one item, or raise what the server raises.

    Args:
        service: the tracking client.
        run_id: of the run that it belongs to.
        item: ``kind``, a name of :data:`SENDERS`, and the arguments.

    Raises:
        Gone: the file is not there any more.
    """
    SENDERS[item["kind"]](service, run_id, **{name: value for name, value in item.items() if name != "kind"})
