"""Whatever a dataset reads is a dependency of DVC's: what that is, and what of it nothing watches."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scantune.amounts import number_of
from scantune.config.dataset import DatasetConfig
from scantune.files import absolute, table_path
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.params import Params

#: Folders that the pipeline writes. DVC refuses a dependency that holds an output of a later stage.
OUTPUTS = (
    *("data/index", "data/cache", "data/splits", "data/targets", "data/evaluations"),
    *("outputs", "external", "ensembles"),
)
#: Keys of what lies below ``root``, which watching the root (or its index) covers.
_BELOW_ROOT = ("files", "masks", "class_folders")


def reads(dataset: DatasetConfig) -> Iterator[tuple[str, str]]:
    """Key and path of all that is read of a dataset: table, folders of files and masks, class folders, index."""
    root = dataset.root
    if dataset.table:
        yield "table", os.path.normpath(table_path(Path(root), dataset.table, Path()))
    if dataset.class_folders:
        yield "class_folders", os.path.normpath(root)
    for key in ("files", "masks"):
        for template in getattr(dataset, key):
            yield key, os.path.normpath(os.path.join(root, fixed_folder(template)))
    if dataset.index:
        yield "index", os.path.normpath(dataset.index)


def indexed_folder(dataset: DatasetConfig) -> str:
    """The folder whose files the stage ``index`` lists: a watched folder below the root, else the root."""
    watch = dataset.watch
    below = watch is not None and not dataset.index and os.path.isdir(watch) and _within(watch, dataset.root)
    return str(watch) if below else dataset.root


def fixed_folder(template: str) -> str:
    """The folders that a template of a path begins with: ``masks`` of ``masks/{id}.png``."""
    first = template.split("{", 1)[0]
    return first if "{" not in template else first.rpartition("/")[0]


def unwatched(dataset: DatasetConfig, watched: Sequence[str]) -> dict[str, str]:
    """Key to path of what is read and neither ``watch`` nor a path of ``watched`` covers.

    An index that is watched covers the files below the root, but not the table: it is written by hand. Where the root
    holds the pipeline's outputs, so that DVC cannot watch it, and the paths of files stand in a column, a folder below
    the root is taken to hold them all; preprocess looks at each (:func:`refuse_unseen`).

    Args:
        dataset: the block; nothing is missing where it has no ``watch`` (DVC itself then asks for it).
        watched: paths of the dataset's blocks in ``watched``.
    """
    if dataset.watch is None:
        return {}
    looked_at = [dataset.watch, *watched]
    by_index = dataset.index is not None and _covered(dataset.index, looked_at)
    paths: dict[str, str] = {}
    for key, path in reads(dataset):
        if not (_covered(path, looked_at) or (key in _BELOW_ROOT and (by_index or _by_column(dataset, path)))):
            paths.setdefault(key, path)
    return paths


def _by_column(dataset: DatasetConfig, path: str) -> bool:
    """Whether the paths of files stand in a column, below a root that cannot be watched as a whole."""
    below = dataset.watch is not None and _within(dataset.watch, dataset.root)
    return below and path == os.path.normpath(dataset.root) and holds_outputs(dataset.root) is not None


def refuse_unseen(name: str, dataset: DatasetConfig, watched: Sequence[str], files: Iterable[Path]) -> None:
    """Refuse files that lie outside of what is watched, of a dataset whose table alone says where they lie.

    Raises:
        ScantuneError: with the first ones and the folder that would hold all.
    """
    if dataset.watch is None or not _by_column(dataset, os.path.normpath(dataset.root)):
        return
    folders = [absolute(Path(one)) for one in (dataset.watch, *watched)]
    outside = [path for path in files if not any(path.is_relative_to(folder) for folder in folders)]
    if outside:
        root = absolute(Path(dataset.root))
        first = ", ".join(path.relative_to(root).as_posix() for path in outside[:3])
        raise ScantuneError(
            f"datasets.{name}.watch: {dataset.watch} is watched, but of the table "
            f"{number_of(len(outside), 'file lies', 'files lie')} elsewhere ({first}): a change of them "
            "would go unnoticed. Move them there, or all into one folder"
        )


def _covered(path: str, watched: Sequence[str]) -> bool:
    return any(_within(path, one) for one in watched)


def _within(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies below it, as it is written or with links followed."""
    return any(Path(place(path)).is_relative_to(place(folder)) for place in (os.path.abspath, os.path.realpath))


def holds_outputs(path: str) -> str | None:
    """The first of the pipeline's own folders that ``path`` is or holds, or None; so too where this is no project."""
    if not in_project():
        return None
    return next((folder for folder in OUTPUTS if _within(folder, path)), None)


def in_project() -> bool:
    """Whether the current folder is a project, so that relative paths in a block start from it."""
    return any(os.path.isfile(name) for name in ("params.yaml", "dvc.yaml"))


def faults(params: Params) -> Iterator[str]:
    """Every dataset's reads that DVC would not see change, with the block to add; watched paths that DVC refuses."""
    for name, block in params.watched.items():
        if name == "root":
            yield "watched.root: the index of the root has this name; choose another"
        yield from _without_outputs(f"watched.{name}.path", block.path)
    for name, dataset in params.datasets.items():
        watched = [block.path for block in params.watched.values() if block.dataset == name]
        if dataset.watch is not None:
            yield from _without_outputs(f"datasets.{name}.watch", dataset.watch)
        for key, path in unwatched(dataset, watched).items():
            yield (
                f"datasets.{name}.{key}: {path} is read, but not watched: a change would go unnoticed. "
                + _remedy(name, dataset, key, path)
            )


def _without_outputs(key: str, path: str) -> Iterator[str]:
    output = holds_outputs(path)
    if output:
        yield (
            f"{key}: {path!r} contains {output}, an output of the pipeline, which DVC refuses; name a folder that "
            "contains data alone, such as data/raw/<name>"
        )


def _remedy(name: str, dataset: DatasetConfig, key: str, path: str) -> str:
    if key in _BELOW_ROOT and not holds_outputs(dataset.root):
        return (
            f"Set watch: {dataset.root} (where it holds very many files: index: and watch: the file that "
            f"'scantune index {name}' writes)"
        )
    block = entry(name, key, path)
    (title, fields), *_ = block.items()
    return f"Add to params.yaml: watched: {{{title}: {{dataset: {fields['dataset']}, path: {fields['path']}}}}}"


def entry(name: str, key: str, path: str) -> Mapping[str, dict[str, str]]:
    """The block in ``watched`` for what a dataset reads under a key."""
    return {f"{name}_{re.sub(r'[^A-Za-z0-9]+', '_', key)}": {"dataset": name, "path": path}}
