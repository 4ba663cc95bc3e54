"""The whole model into MLflow: logged once by train, so that the test figures that evaluate adds reach it."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scantune.plugins import packages
from scantune.tracking import Run

#: What a clean process needs to open the model; the exact versions are those it was trained with.
REQUIREMENTS = (
    "torch",
    "torchvision",
    "timm",
    "monai",
    "safetensors",
    "numpy",
    "scipy",
    "pandas",
    "pydantic",
    "pyyaml",
    "pydicom",
    "pylibjpeg",
    "pylibjpeg-libjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "python-gdcm",
    "pyjpegls",
    "nibabel",
    "isal",
    "SimpleITK",
    "opencv-python-headless",
    "pillow",
    "joblib",
    "mlflow",
)


def requirements() -> list[str]:
    """``name==version`` of each of :data:`REQUIREMENTS` as installed here, and of packages that bring plugins."""
    own = [f"{name}=={importlib.metadata.version(name).split('+')[0]}" for name in REQUIREMENTS]
    return [*own, *(f"{name}=={version}" for name, version in packages().items())]


@contextlib.contextmanager
def _active(run: Run) -> Iterator[None]:
    """MLflow's fluent calls inside act on ``run``; its status stays what it was."""
    import mlflow

    with mlflow.start_run(run_id=run.run_id):
        yield
    run.service.update_run(run.run_id, status="RUNNING")


def signature(columns: Mapping[str, Any]) -> Any:
    """The pyfunc's signature: ``path`` in, the task's columns and ``reason`` out.

    Args:
        columns: the task's columns with a value each, for their types.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    outputs = [
        ColSpec(DataType.string if isinstance(value, str) else DataType.double, name, required=False)
        for name, value in columns.items()
    ]
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "path")]),
        outputs=Schema([*outputs, ColSpec(DataType.string, "reason")]),
        params=ParamSchema([ParamSpec("batch_size", DataType.long, 8)]),
    )


def log_model(
    run: Run, folder: Path, *, name: str, params: Mapping[str, Any], columns: Mapping[str, Any], example: str
) -> str | None:
    """Log the model in ``folder`` with the code that opens it.

    Args:
        run: the train run.
        folder: as :func:`scantune.registry.model.save_model` wrote it.
        name: of the logged model.
        params: shown beside it on the Models page.
        columns: the task's columns with a value each.
        example: a file's name, for the input example (``scan.nii.gz``).

    Returns:
        The logged model's id, or None where MLflow is off or did not take it (said in the log).
    """
    if not run.on:
        return None
    import mlflow
    import pandas as pd

    package = Path(__file__).parent.parent
    made: list[str] = []

    def send() -> None:
        with _active(run):
            info = mlflow.pyfunc.log_model(
                name=name,
                loader_module="scantune.registry.pyfunc",
                data_path=str(folder),
                code_paths=[str(package)],
                signature=signature(columns),
                input_example=pd.DataFrame({"path": [example]}),
                pip_requirements=requirements(),
                params={key: str(value)[:500] for key, value in params.items()},
            )
        made.append(info.model_id)

    run._try("model", send)
    return made[0] if made else None
