"""``scantune init``: blocks of params.yaml for a user's table or folder, from its columns and all its files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scantune.amounts import number_of
from scantune.commands.inserting import insert
from scantune.records import ScantuneError


def init(
    table: Annotated[
        Path,
        typer.Argument(help="CSV, Excel, Parquet or COCO file; or a folder with tables, class folders or masks"),
    ],
    root: Annotated[Path | None, typer.Option(help="folder of the files; default that of the table")] = None,
    name: Annotated[str, typer.Option(help="name of the blocks; default that of the table")] = "",
    target: Annotated[
        str, typer.Option(help="the column to predict, if the guess is wrong; masks for those beside the images")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="file to write the blocks to; default the terminal")] = None,
    add: Annotated[
        bool, typer.Option("--add", help="insert the blocks into params.yaml, which else is unchanged")
    ] = False,
    series: Annotated[
        str,
        typer.Option(
            help="words in the description of the DICOM series to use, or in names of BIDS, if the guess is wrong"
        ),
    ] = "",
) -> None:
    """Propose blocks for a table or folder: dataset, input, experiment, and what else must be watched.

    Each value has a comment with its reason. Where no template of columns leads to the files, or a folder has images
    and masks but no table, a table is written to data/tables/.
    """
    from scantune.config.watching import in_project
    from scantune.proposal import text
    from scantune.proposal.blocks import propose

    if not table.exists():
        raise ScantuneError(f"{table}: no such file or folder")
    if out is not None and add:
        raise ScantuneError(f"--out {out} is a file of its own, --add inserts into params.yaml: name one of them")
    if out is not None and out.exists():
        raise ScantuneError(f"{out} exists; choose another --out")
    if not in_project():  # the blocks are for a project elsewhere
        table, root = table.absolute(), None if root is None else root.absolute()
    proposed = propose(table, root, name, target, series)
    lines = text.written(proposed.blocks, proposed.reasons)
    notes = [f"Proposed by scantune init for {table}: review it.", *(f"Note: {note}" for note in proposed.notes)]
    for path, source in proposed.tables.items():
        _write_table(path, source.written())
    if add:
        insert(lines, notes[:1], proposed.blocks)
    elif out is None:
        typer.echo(text.joined([*notes, "Insert it by --add, or move each block into its group."], lines))
        return
    else:
        out.write_text(text.joined(notes, lines), encoding="utf-8")
        typer.echo(f"{out}: {number_of(sum(map(len, proposed.blocks.values())), 'block')}")
    for note in notes[1:]:
        typer.echo(note)
    experiments = list(proposed.blocks.get("experiments", {}))
    for key in proposed.blocks["datasets"] if add else ():
        run = f", then: scantune run --experiment {key}" if key in experiments else ""
        typer.echo(f"next: scantune check {key}{run}")


def _write_table(path: Path, content: str) -> None:
    """Write a table, never over another one.

    Raises:
        ScantuneError: another table has its name.
    """
    from scantune.files import write_text

    if path.exists() and path.read_text(encoding="utf-8") != content:
        raise ScantuneError(f"{path} exists and differs from the table for these files: remove it, or choose a --name")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, content)
    typer.echo(f"{path}: the table of the samples", err=True)
