"""The model as an MLflow pyfunc: a table of paths in, a table of answers out.

MLflow calls :func:`_load_pyfunc` on the model's folder (``loader_module``): nothing is unpickled. What a served model
may be asked is said by whoever serves it, in the environment, not by the client: ``SCANTUNE_SERVED_FOLDERS``,
``SCANTUNE_SERVED_BYTES``, ``SCANTUNE_SERVED_SECONDS`` (a sample), ``SCANTUNE_ISOLATION``. A model whose task or
backbone is a plugin's brings that code; whoever serves it trusts it by its digest: ``SCANTUNE_TRUSTED_PLUGINS``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.registry.predictor import Answer

MAX_BYTES = 2 * 2**30
MAX_BATCH = 1024
_TRUSTED = "SCANTUNE_TRUSTED_PLUGINS"


class Model:
    """What ``mlflow.pyfunc.load_model`` gives."""

    def __init__(self, folder: Path) -> None:
        from scantune.registry.predictor import Predictor, Reading

        seconds = os.environ.get("SCANTUNE_SERVED_SECONDS")
        reading = Reading(time_limit=float(seconds) if seconds else None)
        self.predictor = Predictor.load(folder, reading=reading, **_trusted(folder))

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """One row a sample.

        Args:
            model_input: a table (pandas) with the column ``path``: a file or a folder each.
            params: ``batch_size`` (8).

        Returns:
            A table with the task's columns, and ``reason`` for a sample that could not be used.

        Raises:
            ScantuneError: no column ``path``, or a batch size that is none.
        """
        import pandas as pd

        from scantune.registry.predictor import Answer

        if "path" not in getattr(model_input, "columns", ()):
            raise ScantuneError("the input needs a column 'path', one file or folder per row")
        batch_size = (params or {}).get("batch_size", 8)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or not 1 <= batch_size <= MAX_BATCH:
            raise ScantuneError(f"batch_size is {batch_size!r}; a whole number from 1 to {MAX_BATCH} is needed")
        checked = [_checked(path) for path in model_input["path"]]
        answers = self.predictor.answers([path for path in checked if not isinstance(path, Answer)], batch_size)
        rows = [path if isinstance(path, Answer) else next(answers) for path in checked]
        return pd.DataFrame(
            [{**row.values, "reason": row.reason} for row in rows], columns=None if rows else ["reason"]
        )


def _trusted(folder: Path) -> dict[str, Any]:
    """Whether the environment names the digest of the model's plugins, and how it would."""
    from scantune.registry.model import read_facts

    digest = str(read_facts(folder).plugins.get("digest", ""))
    named = os.environ.get(_TRUSTED, "").replace(",", " ").split()
    return {"trust": bool(digest) and digest in named, "remedy": f"{_TRUSTED}={digest}"}


def _checked(path: object) -> str | Path | Answer:
    """The path of a row; where it may or can not be read, the row's answer with the reason.

    Where the model is served, only what lies below the served folders is read.
    """
    from scantune.registry.predictor import Answer, allowed

    if not isinstance(path, (str, Path)) or not str(path).strip():
        return Answer({}, reason="no path in this row")
    folders = os.environ.get("SCANTUNE_SERVED_FOLDERS", "")
    served = "__pyfunc_model_path__" in os.environ or bool(folders)  # the first is set by `mlflow models serve`
    if not served:
        return path
    roots = [Path(folder) for folder in folders.split(os.pathsep) if folder]
    try:
        return allowed(path, roots, int(os.environ.get("SCANTUNE_SERVED_BYTES", MAX_BYTES)))
    except ScantuneError as error:
        return Answer({}, reason=str(error))
    except (OSError, ValueError, RuntimeError) as error:  # a looping link, a null byte, a name that is too long
        return Answer({}, reason=f"the path cannot be looked up ({type(error).__name__})")


def _load_pyfunc(path: str) -> Model:
    return Model(Path(path))
