"""``scantune drift``: whether new images and answers are distributed as in the training cohort."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scantune.amounts import number_of
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.statistics.drift import Shift
    from scantune.tasks.predictions import PredictionTable

HEADER = ("group", "column", "n_reference", "n", "reference", "now", "psi", "p_value", "p_holm", "shifted", "reason")
_DISTANCE = "distance above 1"


def drift(
    model: Annotated[str, typer.Argument(help="a model's folder, or models:/<name>@champion")],
    tables: Annotated[list[Path], typer.Argument(help="tables of scantune predict, best with --statistics")],
    predictions: Annotated[
        Path | None, typer.Option(help="predictions.csv of the model's evaluation: its answers are a reference too")
    ] = None,
    by: Annotated[str | None, typer.Option(help="a column of the tables, such as scanner or month")] = None,
    out: Annotated[Path, typer.Option(help="file of the comparison")] = Path("drift.csv"),
    strict: Annotated[
        bool, typer.Option("--strict", help="exit code 1 where a column has shifted, or nothing could be compared")
    ] = False,
) -> None:
    """Compare new images and answers with the training cohort: image statistics, grouping columns, distance, answers.

    A column has shifted where p is below 0.05 after Holm's correction and the population stability index is above 0.1.
    Each row counts as one observation.
    """
    from scantune.registry.opening import facts_of
    from scantune.statistics.drift import in_words, judged
    from scantune.tables import refuse_table, write_csv
    from scantune.tasks.predictions_file import read

    refuse_table(out)
    facts = facts_of(model)
    reference = dict(facts.training.get("cohort") or {})
    if not reference:
        raise ScantuneError(f"{model}: a model of an older version, which keeps nothing of its cohort: train it again")
    if predictions is not None:
        reference = _answers_of(read(predictions)) | reference
    read_tables = [read(path) for path in tables]
    columns, unusable = _joined(read_tables)
    if by is not None and by not in columns:
        raise ScantuneError(f"--by {by}: no such column; there are {', '.join(columns)}")
    known = [name for name in reference if name in columns and name != by]
    if not known and "distance" not in columns:
        raise ScantuneError(
            f"{tables[0]}: has none of {', '.join(reference)}. Write the table by scantune predict --statistics"
        )
    shifts = dict(_shifts(columns, {name: reference[name] for name in known}, by))
    rows, moved = [], []
    for key, (p, shifted) in judged(shifts).items():
        one, said = shifts[key], {None: "", True: "yes", False: "no"}[shifted]
        texts = in_words(one.reference, one.kind), in_words(one.now, one.kind)
        numbers = [None if value is None else f"{value:.4g}" for value in (one.psi, one.p_value, p)]
        rows.append([*key, one.n_reference, one.n, *texts, *numbers, said, one.reason])
        if shifted:
            moved.append(f"{' · '.join(part for part in key if part)}: {texts[0]} → {texts[1]}, PSI {one.psi:.2f}")
    write_csv(out, HEADER, rows)
    n = len(next(iter(columns.values())))
    left = f", {unusable} without an answer" if unusable else ""
    typer.echo(
        f"{out}: {number_of(n, 'answer')} of {facts.name}{left}; {len(moved)} of {len(rows)} comparisons show a shift"
    )
    for line in moved:
        typer.echo(f"  {line}")
    for reason in dict.fromkeys(one.reason for one in shifts.values() if one.reason):
        typer.echo(f"  nothing can be said of {sum(one.reason == reason for one in shifts.values())}: {reason}")
    missing = [name for name in reference if name not in columns]
    if missing:
        typer.echo(f"  not in the tables: {', '.join(missing)}")
    partly = [name for table in read_tables for name in table.columns if name not in columns]
    if partly:
        typer.echo(f"  not in all tables, and left out: {', '.join(dict.fromkeys(partly))}")
    if strict and (moved or all(one.p_value is None for one in shifts.values())):
        raise typer.Exit(1)


def _answers_of(table: PredictionTable) -> dict[str, Any]:
    """References of the columns that the model answers, from the test rows of its evaluation that it does answer."""
    from scantune.statistics.drift import described

    table = table.take(table.split == "test")
    if "answered" in table:  # a model that abstains gives no values for the others
        table = table.take(table.text("answered") != "no")
    names = [name for name in table.columns if name.startswith(("p/", "prediction", "volume_prediction"))]
    known = {name: described(list(table.text(name))) for name in names}
    return {name: reference for name, reference in known.items() if reference}


def _joined(tables: Sequence[PredictionTable]) -> tuple[dict[str, list[str]], int]:
    """The columns that all tables have, of the rows with an answer, and how many have none.

    A row that the model would not answer, because it is unlike the training images, counts with its distance.
    """
    names = [name for name in tables[0].columns if all(name in table for table in tables)]
    if not names:
        raise ScantuneError(f"{', '.join(table.name for table in tables)}: no column is in all of them")
    joined: dict[str, list[str]] = {name: [] for name in names}
    unusable = 0
    for table in tables:
        cells, blank = {name: list(table.text(name)) for name in names}, [""] * len(table)
        pairs = zip(cells.get("reason", blank), cells.get("distance", blank), strict=True)
        kept = [row for row, (reason, distance) in enumerate(pairs) if not reason or distance]
        unusable += len(table) - len(kept)
        for name in names:
            joined[name] += [cells[name][row] for row in kept]
    if not any(joined.values()):
        raise ScantuneError(f"{tables[0].name}: no row has an answer")
    return joined, unusable


def _shifts(
    columns: Mapping[str, Sequence[str]], references: Mapping[str, Any], by: str | None
) -> Iterator[tuple[tuple[str, str], Shift]]:
    """Each comparison by level and column; without a level, of all rows."""
    from scantune.statistics.drift import shift

    level_of_row = None if by is None else [cell or "unknown" for cell in columns[by]]
    for level in [""] if level_of_row is None else sorted(set(level_of_row)):
        rows = None if level_of_row is None else [row for row, cell in enumerate(level_of_row) if cell == level]
        of_level = {name: cells if rows is None else [cells[row] for row in rows] for name, cells in columns.items()}
        name_of_level = f"{by} {level}" if by is not None else ""
        if "distance" in of_level:
            yield (name_of_level, _DISTANCE), _distance(of_level["distance"])
        for name, reference in references.items():
            yield (name_of_level, name), shift(reference, of_level[name])


def _distance(cells: Sequence[str]) -> Shift:
    """The share of images unlike the training images; by construction it was 5 % of the validation images."""
    from scantune.statistics.drift import share_above

    try:
        distances = [float(cell) for cell in cells if cell]
    except ValueError as error:
        raise ScantuneError(f"column distance: {error}") from None
    return share_above(distances, 1.0, 0.05)
