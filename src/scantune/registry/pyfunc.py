"""The model as an MLflow pyfunc: a table of paths in, a table of answers out.

MLflow calls :func:`_load_pyfunc` on the model's folder (``loader_module``): nothing is unpickled. What a served model
may be asked is said by whoever serves it, in the environment, not by the client: ``SCANTUNE_SERVED_FOLDERS``,
``SCANTUNE_SERVED_BYTES``, ``SCANTUNE_SERVED_SECONDS`` (a sample), ``SCANTUNE_ISOLATION``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from scantune.records import ScantuneError

MAX_BYTES = 2 * 2**30


class Model:
    """What ``mlflow.pyfunc.load_model`` gives."""

    def __init__(self, folder: Path) -> None:
        from scantune.registry.predictor import Predictor, Reading

        seconds = os.environ.get("SCANTUNE_SERVED_SECONDS")
        self.predictor = Predictor.load(folder, reading=Reading(time_limit=float(seconds) if seconds else None))

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """One row a sample.

        Args:
            model_input: a table (pandas) with the column ``path``: a file or a folder each.
            params: ``batch_size`` (8).

        Returns:
            A table with the task's columns, and ``reason`` for a sample that could not be used.

        Raises:
            ScantuneError: no column ``path``; or, where the model is served, a path that may not be read.
        """
        import pandas as pd

        if "path" not in getattr(model_input, "columns", ()):
            raise ScantuneError("the input needs a column 'path': a file or folder a row")
        paths = [_checked(path) for path in model_input["path"]]
        answers = self.predictor.answers(paths, batch_size=int((params or {}).get("batch_size", 8)))
        return pd.DataFrame([{**answer.values, "reason": answer.reason} for answer in answers])


def _checked(path: str) -> str | Path:
    """Where the model is served, only what lies below the served folders is read."""
    folders = os.environ.get("SCANTUNE_SERVED_FOLDERS", "")
    served = "__pyfunc_model_path__" in os.environ or bool(folders)  # the first is set by `mlflow models serve`
    if not served:
        return path
    from scantune.registry.predictor import allowed

    held = [Path(folder) for folder in folders.split(os.pathsep) if folder]
    return allowed(path, held, int(os.environ.get("SCANTUNE_SERVED_BYTES", MAX_BYTES)))


def _load_pyfunc(path: str) -> Model:
    return Model(Path(path))
