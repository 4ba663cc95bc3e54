"""The complete model in MLflow: logged once by train, so that the test metrics of evaluate are linked to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scantune.packaged import version_of
from scantune.plugins import packages
from scantune.preprocess import brain
from scantune.tracking import Run

#: Packages that a clean process needs to open the model, in the versions that it was trained with.
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
    "av",
    "pillow",
    "joblib",
    "mlflow",
)


def requirements(inputs: Mapping[str, Any]) -> list[str]:
    """``name==version`` of each of :data:`REQUIREMENTS` that is installed, and of packages that bring plugins.

    A decoder that has no build for this Python is not (see pyproject.toml): others read the same files.

    Args:
        inputs: the model's input block: packages that its preparation needs are among the requirements.
    """
    names = (*REQUIREMENTS, *(brain.PACKAGES if inputs.get("brain") else ()))
    installed = {name: version for name in names if (version := version_of(name))}
    return [f"{name}=={version.split('+')[0]}" for name, version in (installed | packages()).items()]


def kinds(columns: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a model's predictions, each with its type in MLflow.

    Args:
        columns: the task's columns with one value each, for their types.
    """
    return {name: "string" if isinstance(value, str) else "double" for name, value in columns.items()}


def log_model(
    run: Run,
    folder: Path,
    *,
    name: str,
    params: Mapping[str, Any],
    columns: Mapping[str, Any],
    example: str,
    inputs: Mapping[str, Any],
    covariates: Sequence[Mapping[str, Any]] = (),
) -> str | None:
    """Log the model in ``folder`` with the code that opens it.

    Args:
        run: the train run.
        folder: as :func:`scantune.registry.model.save_model` wrote it.
        name: of the logged model.
        params: shown beside it on the Models page.
        columns: the task's columns with a value each.
        example: a file's name, for the input example (``scan.nii.gz``).
        inputs: the model's input block.
        covariates: columns of the table beside ``path``, as in :class:`scantune.registry.model.ModelFacts`.

    Returns:
        The logged model's id, or None if MLflow is off or did not accept it: then the next run of any stage sends it.
    """
    if not run.on:
        return None
    return run.model(
        {
            "folder": str(folder.absolute()),
            "name": name,
            "params": {key: str(value)[:500] for key, value in params.items()},
            "columns": kinds(columns),
            "example": example,
            "requirements": requirements(inputs),
            "covariates": {str(c["name"]): (c.get("levels") or [50])[0] for c in covariates},
        }
    )
