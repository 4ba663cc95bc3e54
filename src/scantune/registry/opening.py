"""A model by folder or MLflow address, opened by our own code; other code runs only where the caller trusts it."""

from __future__ import annotations

import atexit
import itertools
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scantune.config.reading import ConfigError, read_text
from scantune.plugins import UntrustedCode
from scantune.records import ScantuneError, Source
from scantune.registry.model import MODEL, ModelFacts, read_facts
from scantune.registry.predictor import Answer, Files, Predictor, Reading, each_alone

_LOADER = "scantune.registry.pyfunc"
_LISTED = 5  # versions in a message


def open_model(source: str, *, trust: bool = False, device: str = "cpu", reading: Reading | None = None) -> Any:
    """A model that answers ``predict(samples, batch_size) -> list[Answer]``, and ``answers``, which yields them one by
    one.

    A scantune model is weights and JSON: no code of the model runs, whatever its source, unless it needs plugins that
    are
    not those of this project. Any other MLflow model contains code or pickles.

    Args:
        source: a folder, or an address that MLflow knows: ``models:/<name>@<alias>``, ``runs:/…``.
        trust: open a model of another format too, or one that needs its own plugins, and so run its code.
        device: where it computes.
        reading: how files are read; a model of another format reads as it likes.

    Raises:
        UntrustedCode: another format or other plugins, and ``trust`` is not set.
        ScantuneError: there is no model.
    """
    folder = _here(source)
    model_folder = _scantune_folder(folder)
    if model_folder is not None:
        return Predictor.load(model_folder, device, reading=reading, trust=trust, remedy="--trust")
    if not (folder / "MLmodel").is_file():
        raise ScantuneError(f"{source}: neither a scantune model ({MODEL}) nor an MLflow model (MLmodel)")
    if not trust:
        raise UntrustedCode(
            f"{source}: not of scantune's own format; to open it is to run the code that it brings. If you know who "
            "made it and trust them: --trust"
        )
    return Foreign(folder)


def facts_of(source: str) -> ModelFacts:
    """What a scantune model says of itself; arguments as of :func:`open_model`.

    Raises:
        ScantuneError: there is no model, or it is another tool's.
    """
    folder = _scantune_folder(_here(source))
    if folder is None:
        raise ScantuneError(f"{source}: not a scantune model ({MODEL})")
    return read_facts(folder)


def _here(source: str) -> Path:
    folder = _fetched(source) if ":/" in source else Path(source)
    if not folder.is_dir():
        raise ScantuneError(f"{source}: no such folder; a model is a folder, or an address such as models:/name@alias")
    return folder


def _fetched(source: str) -> Path:
    """The model's files on this machine, while the process lasts.

    Raises:
        ScantuneError: MLflow does not know it; with the store that was asked.
    """
    from scantune.tracking import client, project_home, tracking_uri
    from scantune.tracking.store import first_line, is_own_store, without_password

    remedy = "Run the command in the project's folder, or set MLFLOW_TRACKING_URI to its server"
    if is_own_store() and not (project_home() / "mlflow.db").exists():  # MLflow would create an empty one
        raise ScantuneError(f"{source}: there is no MLflow store in {project_home()}. {remedy}")
    client()  # sets the address of the server
    import mlflow

    folder = tempfile.TemporaryDirectory(prefix="scantune-")
    atexit.register(folder.cleanup)  # another tool's model may read its files later
    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=folder.name))
    except Exception as error:
        remedy = _other_versions(source) or remedy
        raise ScantuneError(
            f"{source}: the MLflow store {without_password(tracking_uri())} cannot load this model "
            f"({first_line(error)}). {remedy}"
        ) from error


def _other_versions(source: str) -> str:
    """What the registry has under the name in ``models:/<name>…``, and "" where it has nothing."""
    from mlflow.exceptions import MlflowException

    from scantune.tracking import client

    name = re.split("[@/]", source.removeprefix("models:/"), maxsplit=1)[0]
    if not source.startswith("models:/") or not name or "'" in name:
        return ""
    try:
        versions = client().search_model_versions(f"name='{name}'")
    except MlflowException:  # the first fault is the one to tell
        return ""
    if not versions:
        return ""
    listed = sorted((int(version.version) for version in versions), reverse=True)
    more = f" … ({len(listed)} versions)" if len(listed) > _LISTED else ""
    names = ", ".join(f"models:/{name}/{number}" for number in listed[:_LISTED])
    return f"It has {names}{more}; 'scantune promote {name} {listed[0]}' would give a version the alias 'champion'"


def _scantune_folder(folder: Path) -> Path | None:
    """The folder with our files, where the model is of our own format."""
    if (folder / MODEL).is_file():
        return folder
    described = folder / "MLmodel"
    if not described.is_file():
        return None
    try:
        content = read_text(described.read_text(encoding="utf-8"), described.name)
        flavour = (content.get("flavors") or {}).get("python_function") or {}
        ours = flavour.get("loader_module") == _LOADER and isinstance(flavour.get("data"), str)
    except (ConfigError, ValueError, AttributeError) as error:
        raise ScantuneError(f"{described}: damaged, not the description of a model ({type(error).__name__})") from error
    if not ours:
        return None
    inner = (folder / flavour["data"]).resolve()
    return inner if inner.is_relative_to(folder.resolve()) and (inner / MODEL).is_file() else None


class Foreign:
    """Another tool's MLflow model that accepts a table with the column ``path``."""

    facts = None
    covariates = None

    def __init__(self, folder: Path) -> None:
        import os

        import mlflow

        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"  # allowed by --trust, in this process alone
        self.name = "another model"
        self._model = mlflow.pyfunc.load_model(str(folder))

    def predict(self, samples: Iterable[Files], batch_size: int = 8, covariates: object = None) -> list[Answer]:
        """One answer per sample; see :meth:`Predictor.predict`."""
        return list(self.answers(samples, batch_size))

    def answers(self, samples: Iterable[Files], batch_size: int = 8, covariates: object = None) -> Iterator[Answer]:
        """One answer per sample, one by one; see :meth:`Predictor.answers`."""
        samples = iter(samples)
        while batch := list(itertools.islice(samples, batch_size)):
            yield from each_alone(self._predicted, batch)

    def _predicted(self, samples: list[Files]) -> list[Answer]:
        import pandas as pd

        paths = [str(Source.of(sample).files[0]) for sample in samples]
        rows = pd.DataFrame(self._model.predict(pd.DataFrame({"path": paths}))).to_dict("records")
        if len(rows) != len(paths):
            raise ScantuneError(f"the model returned {len(rows)} predictions for {len(paths)} samples")
        return [
            Answer({str(k): v for k, v in row.items() if k != "reason"}, str(row.get("reason") or "")) for row in rows
        ]
