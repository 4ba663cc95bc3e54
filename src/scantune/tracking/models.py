"""A whole model into MLflow, in few files: over HTTP each one is a request."""

from __future__ import annotations

import contextlib
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

#: The logged model's package ``scantune``: unpacks the real one, and stands for it.
_UNPACKING = '''"""scantune as it was when the model was logged: one archive, unpacked while the process lasts."""

import atexit
import pathlib
import shutil
import sys
import tempfile
import zipfile

_folder = pathlib.Path(tempfile.mkdtemp(prefix="scantune-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
with zipfile.ZipFile(pathlib.Path(__file__).with_name("scantune.zip")) as _archive:
    _archive.extractall(_folder)
sys.path.insert(0, str(_folder))
__path__ = [str(_folder / "scantune")]
__file__ = str(_folder / "scantune" / "__init__.py")
'''


#: Tag of a logged model: the digest of the folder that it was logged from.
CONTENT = "scantune.content"


def logged_before(service: Any, run_id: str, content: str) -> str | None:
    """The id of the model that the run logged from the same folder before its process was killed; None for no model.

    What a process was killed in the middle of logging is removed.

    Args:
        service: the tracking client.
        run_id: of the run.
        content: digest of the folder.
    """
    experiment = service.get_run(run_id).info.experiment_id
    complete = None
    for model in service.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'"):
        if model.status != "READY":
            service.delete_logged_model(model.model_id)
        elif model.tags.get(CONTENT) == content:
            complete = str(model.model_id)
    return complete


def log_whole(service: Any, run_id: str, spec: Mapping[str, Any], content: str) -> str:
    """Log a model folder as a pyfunc, with the code that opens it; its id.

    Args:
        service: the tracking client.
        run_id: the run that it belongs to; its status stays what it was.
        spec: ``folder``, ``name``, ``params``, ``columns`` (name to ``double`` or ``string``), ``example`` (a file's
            name), ``requirements``, ``covariates`` (name to a cell of the input example).
        content: digest of the folder, by which :func:`logged_before` finds the model.
    """
    import mlflow
    import pandas as pd

    with _active(service, run_id), tempfile.TemporaryDirectory(prefix="scantune-") as folder:
        info = mlflow.pyfunc.log_model(
            name=spec["name"],
            loader_module="scantune.registry.pyfunc",
            data_path=spec["folder"],
            code_paths=[str(packed(Path(folder)))],
            signature=signature(spec["columns"], list(spec.get("covariates") or {})),
            input_example=pd.DataFrame(
                {"path": [spec["example"]], **{name: [cell] for name, cell in (spec.get("covariates") or {}).items()}}
            ),
            pip_requirements=list(spec["requirements"]),
            params={key: str(value)[:500] for key, value in spec["params"].items()},
            tags={CONTENT: content},
        )
    return str(info.model_id)


def packed(folder: Path) -> Path:
    """The package ``scantune`` in ``folder`` as two files: an archive, and a module that unpacks it."""
    source, target = Path(__file__).parents[1], folder / "scantune"
    target.mkdir()
    (target / "__init__.py").write_text(_UNPACKING, encoding="utf-8")
    # files may be of 1970, as Nix, Bazel and some images install them, which a ZIP cannot say
    with zipfile.ZipFile(target / "scantune.zip", "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                archive.write(path, Path("scantune", path.relative_to(source)).as_posix())
    return target


def signature(columns: Mapping[str, str], covariates: Sequence[str] = ()) -> Any:
    """The pyfunc's signature: ``path`` or ``bytes`` (with ``name``) and covariates in, the task's columns and
    ``reason`` out.

    Columns are of any type: were ``path`` text, MLflow would refuse a whole table whose column pandas takes for
    numbers, such as an empty one or one of blanks alone. None is required: a row that lacks something gets a
    ``reason``.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType

    inputs = dict.fromkeys(["path", "bytes", "name", *covariates])
    outputs = [ColSpec(DataType[kind], name, required=False) for name, kind in columns.items()]
    return ModelSignature(
        inputs=Schema([ColSpec(AnyType(), name, required=False) for name in inputs]),
        outputs=Schema([*outputs, ColSpec(DataType.string, "reason")]),
        params=ParamSchema([ParamSpec("batch_size", DataType.long, 8)]),
    )


@contextlib.contextmanager
def _active(service: Any, run_id: str) -> Iterator[None]:
    """MLflow's fluent calls inside act on the run; its status stays what it was."""
    import mlflow

    status = service.get_run(run_id).info.status
    try:
        with mlflow.start_run(run_id=run_id):
            yield
    finally:
        service.update_run(run_id, status=status)
