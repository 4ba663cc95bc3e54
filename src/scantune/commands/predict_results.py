"""Which results beside the table ``scantune predict`` can write for a model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scantune.records import ScantuneError


def refuse_idle(opened: Any, folders: Mapping[str, Path | None], statistics: bool) -> None:
    """Refuse options that would write nothing, before anything is predicted.

    Args:
        opened: the model.
        folders: option to the folder that it names, or None.
        statistics: whether the image's statistics are to be columns.

    Raises:
        ScantuneError: masks of a model without any, results of another tool's model, or a folder that is a file.
    """
    from scantune.tasks.catalogue import settings_of

    named = {option: folder for option, folder in folders.items() if folder is not None}
    if opened.facts is None:
        options = [*named, *(["--statistics"] if statistics else [])]
        if options:
            raise ScantuneError(f"predict: {', '.join(options)}: of scantune's own models, and this is another tool's")
        return
    if "--seg" in named and not settings_of(opened.facts.task).mask_classes:
        name = opened.facts.task["name"]
        raise ScantuneError(f"predict: --seg: this model predicts no masks (task: {name}); leave the option out")
    for option, folder in named.items():
        if folder.exists() and not folder.is_dir():
            raise ScantuneError(f"predict: {option} {folder}: is a file; name a folder")


def whole(write: Callable[..., Path], folder: Path, of: Sequence[Any], sample_id: str) -> Path:
    """Write a report or mask under its name, or not at all: a disk that is full, or a kill, leaves no half file there.

    Args:
        write: of :mod:`scantune.registry.results`: writes into the folder that is its first argument.
        folder: for the file; it is created.
        of: the writer's other arguments.
        sample_id: the file's name; "" for the one that the writer gives it.

    Returns:
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as half:
        path = write(Path(half), *of)
        ending = ".nii.gz" if path.name.endswith(".nii.gz") else path.suffix
        return path.replace(folder / (f"{sample_id}{ending}" if sample_id else path.name))
