"""``table.json``: how a row of a dataset's table becomes a sample, for a model to keep."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scantune.cohort.template import fields
from scantune.config.base import first_fault
from scantune.config.dataset import DatasetConfig
from scantune.files import absolute, write_json
from scantune.records import ScantuneError

#: In ``data/splits/<dataset>``: the keys of the dataset that say how a row becomes a sample.
LAYOUT = "table.json"
PATH = "path"
#: Keys of a dataset that say how its table is read, and those of the table's form.
_KEYS = ("files", "sample", "series", "volume", "recode", "groups", "pseudonyms", "decimal")
FORM = ("header", "sheet", "separator")


def write_layout(folder: Path, dataset: DatasetConfig) -> None:
    """Write ``table.json``: what reads a table of the dataset's layout, without places; {} of class folders.

    Files are named from the root on, also where the block names them by absolute paths: a model keeps them, and a path
    of the machine that it was trained on is of no use elsewhere, and nobody's business.
    """
    keys: set[str] = set() if dataset.class_folders else {*_KEYS, *FORM}
    layout = dataset.model_dump(mode="json", include=keys)
    if "files" in layout:
        layout["files"] = [_from_root(template, dataset) for template in dataset.files]
    write_json(folder / LAYOUT, layout, sort_keys=True)


def _from_root(template: str, dataset: DatasetConfig) -> str:
    """A template of files from the dataset's root on; by its name alone where an absolute one is not below it."""
    path, root = Path(os.path.normpath(template)), Path(os.path.normpath(absolute(Path(dataset.root))))
    if not path.is_absolute():
        return template
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def read_layout(folder: Path, covariates: Sequence[str]) -> dict[str, Any]:
    """What a model keeps of ``table.json``: groups that are its covariates, and no more of ``recode`` than it reads.

    Args:
        folder: of the split; one without the file gives {}.
        covariates: names of groups.
    """
    path = folder / LAYOUT
    layout: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if layout:
        layout["groups"] = {name: column for name, column in layout.get("groups", {}).items() if name in covariates}
        read = {*row_columns(dataset_of(layout)), *layout["groups"].values()}
        layout["recode"] = {column: rule for column, rule in layout.get("recode", {}).items() if column in read}
    return {key: value for key, value in layout.items() if value}


def dataset_of(layout: Mapping[str, Any]) -> DatasetConfig:
    """A layout as a block; an empty one is that of the column ``path``.

    Raises:
        ScantuneError: keys or values that this version does not have.
    """
    try:
        return DatasetConfig.model_validate({"root": ".", "table": "table", "files": f"{{{PATH}}}", **layout})
    except ValidationError as error:
        raise ScantuneError(f"the model's table: {first_fault(error)}: of another version; train it again") from error


def file_columns(dataset: DatasetConfig) -> list[str]:
    """Columns that the paths of files are made of."""
    return fields_of(dataset.files)


def row_columns(dataset: DatasetConfig) -> list[str]:
    """Columns that files, ids, series and volumes are named by."""
    named = (dataset.sample, dataset.series and dataset.series.name, dataset.volume and dataset.volume.name)
    return fields_of([*dataset.files, *(template for template in named if template)])


def fields_of(templates: Iterable[str]) -> list[str]:
    """Columns in braces of several templates, each once."""
    return list(dict.fromkeys(name for template in templates for name in fields(template)))
