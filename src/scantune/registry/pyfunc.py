"""The model as an MLflow pyfunc: a table of paths, or of the files' content, in; a table of predictions out.

MLflow calls :func:`_load_pyfunc` on the model's folder (``loader_module``): nothing is unpickled. What a served model
may be asked is said by whoever serves it, in the environment, not by the client: ``SCANTUNE_SERVED_FOLDERS``,
``SCANTUNE_SERVED_BYTES``, ``SCANTUNE_SERVED_FILES``, ``SCANTUNE_SERVED_SECONDS`` (each of one sample),
``SCANTUNE_ISOLATION``. A model whose task or backbone is a plugin's brings that code; whoever serves it trusts it by
its digest: ``SCANTUNE_TRUSTED_PLUGINS``.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.records import ScantuneError, Sent

if TYPE_CHECKING:
    from scantune.preprocess.within import Within

MAX_BATCH = 1024
MAX_ROWS = 10_000
#: Columns that say what a row is about; ``scantune.tracking.models.signature`` has them too.
INPUTS = ("path", "bytes", "name")
_ABSENT = object()
_TRUSTED = "SCANTUNE_TRUSTED_PLUGINS"
#: Set by ``mlflow models serve`` in the process that serves.
_SERVED = "__pyfunc_model_path__"

log = logging.getLogger(__name__)


class Model:
    """The model that ``mlflow.pyfunc.load_model`` returns."""

    def __init__(self, folder: Path) -> None:
        from scantune.registry.predictor import Predictor, Reading

        self.served = _SERVED in os.environ
        if self.served:
            _without_traces()
            _text_of_any_type()
        reading = Reading(time_limit=_number("SCANTUNE_SERVED_SECONDS", float), within=_within())
        self.predictor = Predictor.load(folder, reading=reading, **_trusted(folder))

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """One row a sample.

        Args:
            model_input: a table (pandas) with the column ``path``, a file or a folder each, or ``bytes``, the content
                of a file or of a ZIP of one DICOM series in base64 (here also as bytes), or both, of which each row has
                one; beside the latter may be ``name``, the file's name. And a column for each covariate of the model,
                whose cells may be empty.
            params: ``batch_size`` (8).

        Returns:
            A table with the task's columns, and ``reason`` for a sample that could not be used; with a column ``note``
            where there is something to know of one, see :class:`scantune.registry.predictor.Answer`.

        Raises:
            MlflowException: no column ``path`` or ``bytes``, too many rows, an invalid batch size, or a fault of the
                server itself. Its text has no path of the server and no trace.
        """
        from mlflow.exceptions import MlflowException

        try:
            return self._predict(model_input, params or {})
        except ScantuneError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        except Exception as error:
            log.exception("a request could not be answered")
            raise MlflowException(f"the server failed ({type(error).__name__}); see its log for the cause") from None

    def _predict(self, table: Any, params: dict[str, Any]) -> Any:
        import pandas as pd

        from scantune.registry.predictor import Answer

        if not {"path", "bytes"} & set(getattr(table, "columns", ())):
            raise ScantuneError(
                "the input needs a column 'path', one file or folder per row, or 'bytes', a file's content in base64; "
                f"it has neither. As JSON: {_AS_JSON}"
            )
        if len(table) > MAX_ROWS:
            raise ScantuneError(f"{len(table):,} rows; at most {MAX_ROWS:,} are answered at once")
        batch_size = params.get("batch_size", 8)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or not 1 <= batch_size <= MAX_BATCH:
            raise ScantuneError(f"batch_size is {batch_size!r}; a whole number from 1 to {MAX_BATCH} is needed")
        named = [_sample(*row) for row in zip(*self._inputs(table))]
        cells = [row for row, sample in zip(self._cells(table), named) if not isinstance(sample, _Refused)]
        samples = [sample for sample in named if not isinstance(sample, _Refused)]
        answers = self.predictor.answers(samples, batch_size, cells)
        rows = [Answer({}, reason=s.reason) if isinstance(s, _Refused) else next(answers) for s in named]
        noted = ["note"] if any(row.note for row in rows) else []
        columns = [*dict.fromkeys(name for row in rows for name in row.values), "reason", *noted]
        table = pd.DataFrame([{**row.values, "reason": row.reason, "note": row.note} for row in rows], columns=columns)
        for sentence in self.predictor.covariates.unlike_as_text(cells) if self.predictor.covariates else ():
            log.warning("%s", sentence)
        return table.astype(object).where(table.notna(), None) if self.served else table  # JSON knows no NaN

    def _inputs(self, table: Any) -> list[Any]:
        """The columns :data:`INPUTS`, with nothing in those that the table lacks or that are covariates."""
        covariates = () if self.predictor.covariates is None else self.predictor.covariates.names
        there = [name for name in INPUTS if name in table and (name == "path" or name not in covariates)]
        return [table[name] if name in there else [_ABSENT] * len(table) for name in INPUTS]

    def _cells(self, table: Any) -> list[dict[str, Any]]:
        """Covariates of each row, of the columns that the table has."""
        covariates = self.predictor.covariates
        names = [] if covariates is None else [name for name in covariates.names if name in table.columns]
        columns = [table[name].astype(object).where(table[name].notna(), None) for name in names]
        return [dict(zip(names, row)) for row in zip(*columns)] if names else [{}] * len(table)


_AS_JSON = '{"dataframe_records": [{"path": "a.dcm"}, {"path": "b.dcm"}]}'


@dataclass(frozen=True)
class _Refused:
    """A row that names nothing to be read."""

    reason: str


def _sample(path: object, content: object, name: object) -> str | Path | Sent | _Refused:
    """What a row names, by its cells of :data:`INPUTS`."""
    if not _is_blank(content):
        if not _is_blank(path):
            return _Refused("this row has both a path and bytes; which is meant is not said")
        if not isinstance(content, (str, bytes)):
            return _Refused("the bytes of this row are not base64")
        return Sent(content, name if isinstance(name, str) else "")
    if _is_blank(path):
        return _Refused(f"{'no path' if content is _ABSENT else 'neither a path nor bytes'} in this row")
    if not isinstance(path, (str, Path)):
        what = "a list" if hasattr(path, "__len__") and not isinstance(path, dict) else str(path)[:40]
        return _Refused(f"the path of this row is {what}; a row names one file or folder, as in {_AS_JSON}")
    if "://" in str(path):
        return _Refused("addresses are not fetched; name a file below the served folders, or send its bytes")
    return path


def _is_blank(cell: object) -> bool:
    """Whether a cell is empty: None, NaN, NaT, pandas' NA, or text of spaces alone."""
    import pandas as pd

    if isinstance(cell, str):
        return not cell or cell.isspace()
    return cell is None or cell is _ABSENT or (pd.api.types.is_scalar(cell) and bool(pd.isna(cell)))


def _trusted(folder: Path) -> dict[str, Any]:
    """Whether the environment names the digest of the model's plugins, and how it would."""
    from scantune.registry.model import read_facts

    digest = str(read_facts(folder).plugins.get("digest", ""))
    named = os.environ.get(_TRUSTED, "").replace(",", " ").split()
    return {"trust": bool(digest) and digest in named, "remedy": f"{_TRUSTED}={digest}"}


def _within() -> Within | None:
    """What may be read, where the model is served or folders are named; else anything."""
    from scantune.preprocess.within import Within

    folders = os.environ.get("SCANTUNE_SERVED_FOLDERS", "")
    if _SERVED not in os.environ and not folders:
        return None
    limits = {
        "max_bytes": _number("SCANTUNE_SERVED_BYTES", int),
        "max_files": _number("SCANTUNE_SERVED_FILES", int),
    }
    named = tuple(os.path.abspath(folder) for folder in folders.split(os.pathsep) if folder)
    return Within(named, **{name: limit for name, limit in limits.items() if limit is not None})


def _number(variable: str, kind: type[Any]) -> Any:
    """A limit of the environment; None where it is not set.

    Raises:
        ScantuneError: it is no number above 0.
    """
    text = os.environ.get(variable, "")
    if not text:
        return None
    try:
        value = kind(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise ScantuneError(f"{variable} is {text!r}; a number above 0 is needed")
    return value


def _without_traces() -> None:
    """MLflow's server sends the trace of what went wrong to the client, with paths of this machine: leave it out."""
    from mlflow.exceptions import MlflowException

    serialize = MlflowException.serialize_as_json

    def serialize_as_json(self: Any) -> str:
        self.json_kwargs.pop("stack_trace", None)
        return serialize(self)

    MlflowException.serialize_as_json = serialize_as_json  # type: ignore[method-assign]


def _text_of_any_type() -> None:
    """MLflow's server reads text/csv by the types of the signature and refuses columns of any type: read them as
    text."""
    from mlflow.types import DataType, Schema

    types = Schema.pandas_types

    def pandas_types(self: Any) -> list[Any]:
        if self.is_tensor_spec():
            return types(self)
        return [spec.type.to_pandas() if isinstance(spec.type, DataType) else object for spec in self.inputs]

    Schema.pandas_types = pandas_types  # type: ignore[method-assign]


def _load_pyfunc(path: str) -> Model:
    return Model(Path(path))
