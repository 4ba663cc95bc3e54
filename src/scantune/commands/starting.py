"""``scantune init``: blocks of params.yaml for a user's table, from its columns and the format of the first file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from scantune.records import ScantuneError
from scantune.tasks.suggestion import FEW, LabelTable, Suggestion

_SUBJECT = re.compile(r"(subject|patient|participant|case|person)(_?id)?$|^(mrn|pid|.*subject_id|.*patient_id)$", re.I)
_GROUP = re.compile(r"^(sex|gender|age|site|centre|center|hospital|scanner|vendor|manufacturer)\b", re.I)
_READER = re.compile(r"^(reader|rater|observer|annotator)[ _-]?\w+$", re.I)
_MASK = re.compile(r"(mask|segmentation)", re.I)
_TARGET = re.compile(r"(score|label|target|class|grade|quality|diagnosis|outcome|severity)", re.I)
_ENDINGS = ("", ".nii.gz", ".nii", ".dcm", ".png", ".jpg", ".jpeg", ".avi", ".mp4")
_LOOKED = 50  # files that a template is tried on


def init(
    table: Annotated[Path, typer.Argument(help="CSV or Excel file, one row per sample; or a folder of class folders")],
    root: Annotated[Path | None, typer.Option(help="folder of the files; default that of the table")] = None,
    name: Annotated[str, typer.Option(help="name of the blocks; default that of the table")] = "",
    target: Annotated[str, typer.Option(help="the column to predict, if the guess is wrong")] = "",
    out: Annotated[Path | None, typer.Option(help="file to write the blocks to; default the terminal")] = None,
) -> None:
    """Write blocks for a table or class folders: dataset, input, experiment, and files to be watched beside them."""
    import yaml

    if table.is_dir():
        held, source = folder_blocks(table, name or _name(table)), "class folders"
    else:
        held, source = blocks(table, root or table.parent, name or _name(table), target), "table's columns"
    words = f"# Written by scantune init from the {source}; review it, then move each block into its group.\n"
    text = words + yaml.safe_dump(held, sort_keys=False, width=118, default_flow_style=None)
    if out is None:
        typer.echo(text)
        return
    if out.exists():
        raise ScantuneError(f"{out} exists; choose another --out")
    out.write_text(text, encoding="utf-8")
    typer.echo(f"{out}: {sum(map(len, held.values()))} blocks")


def blocks(table: Path, root: Path, name: str, target: str = "") -> dict[str, Any]:
    """The blocks, checked as params.yaml is.

    Raises:
        ScantuneError: no column leads to files, none can be a target, or the files lie where DVC cannot watch them.
    """
    from scantune.cohort.table import read_table

    read = read_table(table)
    rows = [row.cells for row in read.rows]
    template, first = files_of(read.columns, rows, root)
    subject = next((c for c in read.columns if _SUBJECT.search(c)), None)
    groups = [c for c in read.columns if _GROUP.match(c)]
    readers = [c for c in read.columns if _READER.match(c)]
    used = {*re.findall(r"\{(.+?)\}", template), subject, *groups, *readers}
    goal = _goal(read.columns, rows, root, used, target)
    groups = [c for c in groups if _answer(c, rows, goal) is None]
    below = table.resolve().is_relative_to(root.resolve())
    dataset = {
        "root": str(root),
        "watch": _watch(root, _common_folder(template, rows, root)),
        "table": str(table.resolve().relative_to(root.resolve()) if below else table.resolve()),
        "files": template,
        **({"subject": subject} if subject else {}),
        **goal.dataset,
        **({"groups": groups} if groups else {}),
        **({"raters": readers} if readers and goal.stratify else {}),
        "split": {
            **({"method": "stratified", "on": goal.stratify} if goal.stratify else {"method": "random"}),
            "fractions": [0.7, 0.15, 0.15],
            "seed": 42,
        },
    }
    return _made(name, dataset, goal.task, goal.model, first)


def folder_blocks(root: Path, name: str) -> dict[str, Any]:
    """The blocks for class folders, checked as params.yaml is.

    Raises:
        CohortError: no class folders, or none that hold files.
        ScantuneError: they lie where DVC cannot watch them.
    """
    from scantune.cohort.folders import load_folders

    records = load_folders(root.absolute())
    given = any(record.split for record in records)
    dataset = {
        "root": str(root),
        "watch": _watch(root, root),
        "class_folders": True,
        "split": {"method": "predefined"} if given else {"method": "stratified", "on": "label"},
    }
    return _made(name, dataset, {"name": "classification", "target": "label"}, {}, records[0].files[0])


def _made(
    name: str, dataset: dict[str, Any], task: Mapping[str, Any], model: Mapping[str, Any], first: Path
) -> dict[str, Any]:
    """All blocks of a dataset, for files as the first one."""
    from scantune.config.load import parse

    modality, settings, usual = _kind(first)
    made = {
        "datasets": {name: dataset},
        **_watched(name, dataset),
        "inputs": {name: {"dataset": name, "modality": modality, **settings}},
        "experiments": {
            name: {
                "dataset": name,
                "input": name,
                "task": dict(task),
                "model": dict(model) or usual,
                "train": {"epochs": 30, "batch_size": 8, "learning_rate": 3e-4, "scheduler": "onecycle"},
                "evaluate": {},
                "register": {},
            }
        },
    }
    parse(made, "the blocks")
    return made


def _common_folder(template: str, rows: Sequence[dict[str, str]], root: Path) -> Path:
    """The deepest folder that holds the files of all rows."""
    found = [path.relative_to(root).parent for path in _existing(template, rows, root)]
    return root / os.path.commonpath(found)


def _watch(root: Path, folder: Path) -> str:
    """The root, or, where it holds the project's own outputs, the folder in it that holds all files.

    Raises:
        ScantuneError: that holds them too: DVC cannot watch what it writes to.
    """
    from scantune.config.watching import holds_outputs

    if not holds_outputs(str(root)):
        return str(root)
    held = holds_outputs(str(folder))
    if held:
        raise ScantuneError(
            f"{folder}: the files lie beside {held}, an output of the pipeline, so DVC cannot watch them; move "
            "them to a separate folder such as data/raw/<name>, or set --root to such a folder"
        )
    return str(folder)


def _watched(name: str, dataset: dict[str, Any]) -> dict[str, Any]:
    """The group ``watched`` for what the dataset reads outside of its ``watch``; empty where that is nothing."""
    from scantune.config.dataset import DatasetConfig
    from scantune.config.watching import entry, unwatched

    missing = unwatched(DatasetConfig.model_validate(dataset), [])
    made = {key: block for read, path in missing.items() for key, block in entry(name, read, path).items()}
    return {"watched": made} if made else {}


def _answer(column: str, rows: Sequence[dict[str, str]], goal: Suggestion) -> str | None:
    """Why a grouping column would be the answer: it is, or determines, a target; None where it does not."""
    import numpy as np

    from scantune.tasks.baselining import answers
    from scantune.tasks.predictions import PredictionTable

    targets = goal.dataset.get("targets") or {}
    names = list(targets.values()) if isinstance(targets, dict) else list(targets)
    table = PredictionTable.make({f"target/{c}": [row[c] for row in rows] for c in names})
    return answers(table, {column: np.array([row[column] for row in rows], dtype=object)}).get(column)


def _goal(
    columns: Sequence[str], rows: Sequence[dict[str, str]], root: Path, used: set[str | None], target: str
) -> Suggestion:
    """What the task that knows the table best suggests for it.

    Raises:
        ScantuneError: the column named is not there, or none can be a target.
    """
    from scantune.tasks.catalogue import names, part

    if target and target not in columns:
        raise ScantuneError(f"--target {target!r}: no such column; there are {', '.join(columns)}")
    masks = [f"{{{c}}}" for c in columns if _MASK.search(c) and c not in used]
    drawn = next((m for m in masks if len(_existing(m, rows[:_LOOKED], root)) * 2 >= len(rows[:_LOOKED])), "")
    cells = {c: [row[c] for row in rows] for c in columns}
    table = LabelTable(cells, target or _target(columns, rows, used), bool(target), drawn)
    found = [s for name in names() if (s := part(name, "settings").Settings.suggest(table)) is not None]
    if found:
        return max(found, key=lambda suggestion: suggestion.strength)
    if not table.target:
        raise ScantuneError(f"no column looks like a target: name it by --target; there are {', '.join(columns)}")
    raise ScantuneError(f"column {table.target!r} has {len(table.values(table.target))} values; a target needs two")


def files_of(columns: Sequence[str], rows: Sequence[dict[str, str]], root: Path) -> tuple[str, Path]:
    """A template of columns that leads to files below ``root``, and the first file.

    Raises:
        ScantuneError: none does for most rows.
    """
    looked = rows[:_LOOKED]
    candidates = [f"{{{column}}}{ending}" for column in columns for ending in _ENDINGS]
    candidates += _from_names(columns, looked, root)
    best = max(candidates, key=lambda template: len(_existing(template, looked, root)), default="")
    found = _existing(best, looked, root) if best else []
    if len(found) * 2 < len(looked):
        raise ScantuneError(
            f"no column of the table matches files below {root}: set --root to the folder that the paths are "
            "relative to, or write `files:` by hand, as in '{subject}_{session}.nii.gz'"
        )
    return best, found[0]


def _existing(template: str, rows: Sequence[dict[str, str]], root: Path) -> list[Path]:
    from scantune.cohort.template import fill

    return [
        root / text
        for row in rows
        if (text := fill(template, row)) and not text.startswith(".") and (root / text).exists()
    ]


def _from_names(columns: Sequence[str], rows: Sequence[dict[str, str]], root: Path) -> list[str]:
    """Templates that the names of files suggest: where cells of the first rows stand in them."""
    names = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*"))[:20000]]
    found = []
    for row in rows[:3]:
        cells = sorted(((v, c) for c, v in row.items() if len(v) >= 2), key=lambda pair: -len(pair[0]))
        for name in names:
            if not any(value in name for value, _ in cells):
                continue
            template = name
            for value, column in cells:
                bare = re.split(r"(\{.*?\})", template)
                template = "".join(p if p.startswith("{") else p.replace(value, f"{{{column}}}", 1) for p in bare)
            found.append(template)
    return list(dict.fromkeys(found))[:200]


def _target(columns: Sequence[str], rows: Sequence[dict[str, str]], used: set[str | None]) -> str:
    """The column that looks most like a target; "" where none does."""
    free = [c for c in columns if c not in used and len({row[c] for row in rows}) > 1]
    named = [c for c in free if _TARGET.search(c)]
    rest = [c for c in free if len({row[c] for row in rows}) <= max(FEW, len(rows) // 2)]
    return next(iter(named or rest), "")


def _kind(path: Path) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Modality, settings of the input and a model for files as the first one."""
    from scantune import io

    read = io.read(path)
    if isinstance(read, io.Volume):
        spacing = [max(1.0, round(s, 1)) for s in read.spacing]
        shape = [
            max(16, 16 * round(n * own / s / 16)) for n, own, s in zip(read.array.shape[::-1], read.spacing, spacing)
        ]
        return "volume", {"spacing": spacing, "shape": shape, "intensity": "zscore"}, {"backbone": "resnet10_3d"}
    if isinstance(read, io.Image):
        return "image", {"shape": [224, 224]}, {"backbone": "resnet18"}
    return "video", {"shape": [112, 112], "frames": 16}, {"backbone": "r2plus1d_18"}


def _name(table: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_\-]+", "_", table.stem).strip("_-") or "mine"
