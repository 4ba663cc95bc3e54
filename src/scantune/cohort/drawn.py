"""Masks and tables drawn from annotations: where they may lie, what their paths start from, how they are written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from scantune.cohort.faults import CohortError
from scantune.files import write_text
from scantune.tables import write_csv


def refuse_data_folder(target: Path, *sources: Path) -> None:
    """Refuse to write into a folder of the data.

    Raises:
        CohortError: ``target`` is one of ``sources`` or lies below one.
    """
    for source in sources:
        if target == source or source in target.parents:
            raise CohortError(
                f"output folder {target}", [f"it lies within the data folder {source}: choose a folder beside it"]
            )


def shared_root(root: Path | str | None, *folders: Path) -> Path:
    """The folder that a table's paths start from: as stated, or the nearest that contains all folders.

    Raises:
        CohortError: the stated one does not contain them, so that a dataset could not read them.
    """
    if not root:
        return Path(os.path.commonpath(folders))
    start = Path(root).resolve()
    beyond = [folder for folder in folders if not folder.is_relative_to(start)]
    if beyond:
        raise CohortError(
            f"root {start}", [f"{folder} is not below it: name a folder that has both" for folder in beyond]
        )
    return start


def write_grey(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 [H, W] or [H, W, 3] as PNG."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")


def write_label_names(folder: Path, labels: Mapping[str, int]) -> None:
    """Write the names of labels as ``labels.json``, which `scantune init` takes for those of the task's classes.

    Nothing is written where a category has no name, or that of the background.

    Args:
        folder: that of the masks' table.
        labels: name of a category → label.
    """
    if not labels or any(name.strip().casefold() in ("", "background") for name in labels):
        return
    names: dict[str, list[str]] = {}
    for name, label in sorted(labels.items(), key=lambda pair: pair[1]):
        names.setdefault(str(label), []).append(name)
    content = {"labels": {label: " or ".join(own) for label, own in names.items()}}
    write_text(folder / "labels.json", json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write rows as UTF-8 CSV; the first row's keys are the header."""
    header = list(rows[0])
    write_csv(path, header, [[str(row[column]) for column in header] for row in rows])
    return path
