"""``scantune find``: from the id of a sample or subject to its files, its row and what became of it."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scantune.commands import project
from scantune.pipeline.project import named
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.params import Params
    from scantune.records import Record


def find(
    dataset: Annotated[str, typer.Argument(help="a name in datasets")],
    names: Annotated[list[str], typer.Argument(help="ids of samples or subjects, as outputs have them")],
    show: Annotated[bool, typer.Option("--open", help="open the files, where there is a screen")] = False,
) -> None:
    """Find the files of samples by their ids: path, row, partition, why one was excluded, and errors of models.

    An id of a subject finds all its samples. Paths are printed here and nowhere written. Ids that are not there are
    named after those that are.
    """
    from scantune.cohort import read

    params = project.settings()
    block = named(params, "datasets", dataset)
    selected = read(block, Path()).records
    everything = read(block.model_copy(update={"where": {}}), Path()).records if block.where else selected
    kept = {record.sample_id for record in selected}
    partitions, excluded = _partitions(dataset), dict(_excluded(params, dataset))
    found = {name: [r for r in everything if name in (r.sample_id, r.subject_id)] for name in names}
    errors = _errors(params, dataset)
    records = [record for own in found.values() for record in own]
    for record in records:
        typer.echo(f"{record.sample_id}  {', '.join(map(str, record.files))}")
        for line in _facts(record, block, partitions, excluded, left_out=record.sample_id not in kept):
            typer.echo(f"    {line}")
        for line in errors.get(record.sample_id, ()):
            typer.echo(f"    {line}")
    if show:
        _open([path for record in records for path in record.files])
    if unknown := [_nearest(name, everything) for name, own in found.items() if not own]:
        raise ScantuneError("\n".join(unknown))


def _nearest(name: str, records: Sequence[Record]) -> str:
    """That no sample or subject has an id, with those that are most like it."""
    ids = {i.lower(): i for record in records for i in (record.sample_id, record.subject_id)}
    near = ", ".join(ids[match] for match in get_close_matches(name.lower(), ids, 3))
    near = near or f"such as {', '.join(sorted(ids.values())[:3])}"
    return f"no sample or subject {name!r} among {len(records)} rows; ids here: {near}"


def _facts(
    record: Record, block: Any, partitions: Mapping[str, str], excluded: Mapping[str, str], *, left_out: bool
) -> Iterator[str]:
    """What is known of a sample, a line each."""
    if record.row is not None:
        yield f"{block.table}, row {record.row}; subject {record.subject_id}"
    else:
        yield f"subject {record.subject_id}"
    if record.masks:
        yield f"masks: {', '.join(map(str, record.masks))}"
    cells = {**record.targets, **{f"group {name}": value for name, value in record.groups.items()}}
    if cells:
        yield "; ".join(f"{name}: {value or '(empty)'}" for name, value in cells.items())
    missing = [path for path in (*record.files, *record.masks) if not path.exists()]
    if missing:
        yield f"not there: {', '.join(map(str, missing))}"
    if left_out:
        yield "left out by the key `where` of the dataset"
    elif record.sample_id in excluded:
        yield f"excluded {excluded[record.sample_id]}"
    elif record.sample_id in partitions:
        yield f"partition: {partitions[record.sample_id]}"


def _partitions(dataset: str) -> dict[str, str]:
    """Sample id to partition and fold; empty before the split."""
    from scantune.cohort.splits_table import read_splits

    path = Path("data/splits") / dataset / "splits.csv"
    rows = read_splits(path) if path.is_file() else []
    return {row.sample_id: row.split + ("" if row.fold is None else f", fold {row.fold}") for row in rows}


def _excluded(params: Params, dataset: str) -> Iterator[tuple[str, str]]:
    """Sample id to the reason, of every input that was prepared from the dataset, or that ``check`` looked at."""
    from scantune.tables import unguarded
    from scantune.tracking import own_folder

    inputs = [name for name, block in params.inputs.items() if block.dataset == dataset]
    tables = {f"by check {dataset}": own_folder() / "check" / dataset / "excluded.csv"}
    tables |= {f"by preprocess@{name}": Path("data/cache") / name / "excluded.csv" for name in inputs}
    for who, path in tables.items():
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    yield unguarded(row["sample_id"]), f"{who}: {row['reason']}"


def _errors(params: Params, dataset: str) -> dict[str, list[str]]:
    """Sample id to what models of the dataset have wrong of it in their evaluation."""
    from scantune.tables import unguarded

    errors: dict[str, list[str]] = {}
    for name, block in params.experiments.items():
        path = Path("outputs") / name / "evaluate" / "errors.csv"
        if block.dataset != dataset or not path.is_file():
            continue
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                doubt = "; its label is worth checking" if row.get("check_label") else ""
                said = f"{row['kind']}, {unguarded(row['target'])} predicted as {unguarded(row['prediction'])}"
                errors.setdefault(unguarded(row["sample_id"]), []).append(f"{name}: {said}{doubt}")
    return errors


def _open(paths: Sequence[Path]) -> None:
    """Open files with the programs that the system has for them; without a screen say so."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        typer.echo("--open: there is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)", err=True)
        return
    for path in paths:
        typer.launch(str(path))
