"""The MLflow store: address, client, and the message for an unreachable server.

MLflow is imported when a client is created. All calls use ``MlflowClient``, because the fluent interface adds the user
name and the path of the script as tags.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from scantune import files, records
from scantune.records import ScantuneError
from scantune.tracking import creation, moved

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)
Found = TypeVar("Found")

OFF = {"off", "0", "false", "no"}
#: What MLflow's stores answer where they have no such run, model or alias.
_MISSING = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class TrackingError(ScantuneError):
    """The tracking server cannot be reached, or refuses a request."""


def project_home(start: Path | None = None) -> Path:
    """Folder of the project, also from the copy in ``.dvc/tmp`` of ``dvc exp run --temp``."""
    here = (start or Path.cwd()).resolve()
    for parent in (here, *here.parents):
        if parent.name == ".dvc" and here.is_relative_to(parent / "tmp"):
            return parent.parent
    return next((p for p in (here, *here.parents) if (p / "dvc.yaml").exists()), here)


def in_copy() -> bool:
    """Whether this is the copy of a project in its ``.dvc/tmp``, in which other settings are tried."""
    return Path.cwd().resolve().is_relative_to(project_home() / ".dvc" / "tmp")


def own_folder() -> Path:
    """``.scantune`` of the project, which holds names of files: other users cannot look into it."""
    path = project_home() / ".scantune"
    with contextlib.suppress(OSError):  # another user's, or a project that cannot be written
        if (path.parent / "dvc.yaml").exists():
            path.mkdir(mode=0o700, exist_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
    return path


def tracking_uri() -> str:
    """``MLFLOW_TRACKING_URI`` where it is set, else the SQLite store beside ``dvc.yaml``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _own_store()


def _own_store() -> str:
    return f"sqlite:///{project_home() / 'mlflow.db'}"


def refuse_unaddressable() -> None:
    """Raise where the project's folder has a name that MLflow reads as another: it would open another file.

    Raises:
        TrackingError: its path has ``%20`` or the like, which is read as a space, or a ``?``, where options begin.
    """
    uri = tracking_uri()
    if uri == _own_store() and (unquote(uri) != uri or "?" in uri):
        raise TrackingError(
            f"{project_home()}: MLflow cannot open a store where a path has '?' or an escape such as '%20': "
            "rename the folder, set MLFLOW_TRACKING_URI to a store elsewhere, or run without "
            "MLflow by SCANTUNE_MLFLOW=off"
        )


def is_own_store() -> bool:
    """Whether runs are kept in the project's own SQLite file."""
    kind, _, path = tracking_uri().partition(":///")
    return kind == "sqlite" and Path(path).resolve() == project_home() / "mlflow.db"


def switched_off(enabled: bool = True) -> bool:
    """Whether MLflow is disabled: by ``tracking.enabled``, by ``SCANTUNE_MLFLOW=off``, or in ranks above 0."""
    if int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) or 0) != 0:
        return True
    return not enabled or os.environ.get("SCANTUNE_MLFLOW", "on").lower() in OFF


def take_parent_run() -> str | None:
    """Run id of ``mlflow run``, removed from the environment.

    Otherwise every run of a stage would resume that run, and their parameters would conflict.
    """
    run_id = os.environ.pop("MLFLOW_RUN_ID", None)
    if run_id:
        os.environ["SCANTUNE_PARENT_RUN_ID"] = run_id
    return os.environ.get("SCANTUNE_PARENT_RUN_ID")


def prepare_environment() -> None:
    """Set the environment for the import of MLflow: short time-outs for an unreachable server, no pickles."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    os.environ.setdefault("MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("DO_NOT_TRACK", "true")


def client() -> Any:
    """An ``MlflowClient`` of :func:`tracking_uri`, which also becomes the store of the process.

    Raises:
        TrackingError: MLflow cannot be opened at this address.
    """
    refuse_unaddressable()
    prepare_environment()
    import mlflow

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it prints a traceback of what it raises
    logging.getLogger("mlflow.tracking.fluent").setLevel(logging.ERROR)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # a line for each repetition
    uri = tracking_uri()
    if is_own_store():
        message = moved.follow(project_home())
        if message:
            log.warning("%s", message)
    mlflow.set_tracking_uri(uri)
    try:
        creation.create(uri)
        return mlflow.MlflowClient(uri)
    except Exception as error:
        raise TrackingError(unreachable_message(error)) from error


def found(look_up: Callable[..., Found], *arguments: str) -> Found | None:
    """What a call of the MLflow client looks up; None where the store says that it has no such thing.

    Raises:
        TrackingError: any other error. A server that does not answer has not said that there is none.
    """
    from mlflow.exceptions import MlflowException

    try:
        return look_up(*arguments)
    except MlflowException as error:
        if error.error_code in _MISSING:
            return None
        raise TrackingError(unreachable_message(error)) from error


def words_of(error: BaseException) -> str | None:
    """What a person reads where a store failed in the middle of a command; None for other errors.

    Python's own traces would show the server's address with the password in it.
    """
    return unreachable_message(error) if re.search(r"API request to|\(sqlite3\.Operational", str(error)) else None


def unreachable_message(error: BaseException) -> str:
    """What a person reads when the server does not answer: where it should be, why, and what to do."""
    of_system = files.words_of(error)
    if of_system is not None:  # a file of the project, not the server
        return of_system
    if re.search(r"\b(401|403)\b|unauthori[sz]ed|permission denied", str(error), re.IGNORECASE):
        return (
            f"MLflow at {without_password(tracking_uri())} refuses this user name or password: {first_line(error)}. "
            "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    refused = re.search(
        r"database or disk is full|disk I/O error|attempt to write a readonly database|read-only file system",
        str(error),
    )
    if refused:
        return (
            f"MLflow's store {without_password(tracking_uri())} cannot be written: {refused[0]}. Free space, or "
            "make it writable, and run again; or run without MLflow by SCANTUNE_MLFLOW=off"
        )
    if "database is locked" in str(error):
        return (
            f"MLflow's store {without_password(tracking_uri())} is locked by another process, which writes to it or "
            "has it open in a tool: end that, and run again"
        )
    if "out-of-date database schema" in str(error):
        return (
            f"MLflow's store {without_password(tracking_uri())} was written by another MLflow version. Back it up, "
            f"then run: mlflow db upgrade {without_password(tracking_uri())}. If that fails, it is of a newer MLflow: "
            "install that one, or move the store away and run: scantune restore"
        )
    if re.search(r"(table|index) \S+ already exists|no such (table|column)|duplicate column name", str(error)):
        return (
            f"MLflow's store {without_password(tracking_uri())} lacks some of its tables ({first_line(error)}): it was "
            "stopped while it was created. Move the file away and run again (scantune restore logs existing outputs)"
        )
    if re.search(r"file is not a database|database disk image is malformed", str(error)):
        return (
            f"MLflow's store {without_password(tracking_uri())} is damaged ({first_line(error)}): bring its backup, or "
            "move the file away and log the outputs again: scantune restore"
        )
    if "filesystem tracking backend" in str(error):
        return (
            f"MLFLOW_TRACKING_URI is {without_password(tracking_uri())}, a folder, in which MLflow no longer keeps "
            "runs: unset it, or set it to a server or to sqlite:///FILE (earlier runs: mlflow migrate-filestore)"
        )
    return (
        f"MLflow cannot be reached at {without_password(tracking_uri())}: {first_line(error)}. Start the server, set "
        "MLFLOW_TRACKING_URI to another, or run without MLflow by SCANTUNE_MLFLOW=off "
        "(or tracking.require: false in params.yaml)"
    )


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without passwords; its type where it has no message."""
    return without_password(records.first_line(error))


def without_password(text: str) -> str:
    """``text`` without passwords in addresses."""
    return re.sub(r"//[^/\s]+@", "//…@", text)


def experiment_id(service: MlflowClient, name: str, description: str = "") -> str:
    """The id of the MLflow experiment ``name``, created where it does not exist (one per dataset)."""
    experiment = service.get_experiment_by_name(name)
    if experiment is None:
        location = None
        if tracking_uri().startswith("sqlite:"):
            location = (project_home() / moved.ARTIFACTS).as_uri()
        try:
            service.create_experiment(name, artifact_location=location)
        except Exception:  # two stages may make it at once: the second finds it
            if service.get_experiment_by_name(name) is None:
                raise
        experiment = service.get_experiment_by_name(name)
        assert experiment is not None
    elif experiment.lifecycle_stage == "deleted":
        service.restore_experiment(experiment.experiment_id)
    if description and experiment.tags.get("mlflow.note.content") != description:
        service.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", description)
    if experiment.tags.get("mlflow.experimentKind") != "custom_model_development":
        service.set_experiment_tag(experiment.experiment_id, "mlflow.experimentKind", "custom_model_development")
    return experiment.experiment_id
