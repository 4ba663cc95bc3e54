"""``scantune convert``: data sets in other formats, written as files with a table."""

from __future__ import annotations

import shlex
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from scantune.amounts import number_of
from scantune.commands.options import Command
from scantune.records import ScantuneError

app = typer.Typer(no_args_is_help=True, help="Convert a data set to files with a table: masks, MedMNIST.")


class _Order(StrEnum):
    columns = "columns"
    rows = "rows"


class _Starts(StrEnum):
    absolute = "absolute"
    relative = "relative"


@app.command(cls=Command)
def masks(
    annotations: Annotated[
        list[str], typer.Argument(help="a file, a folder or '*_a.xml'; or train=… validation=… test=…")
    ],
    out: Annotated[Path, typer.Option(help="new folder beside the data: masks/*.png and cohort.csv")],
    images: Annotated[
        str,
        typer.Option(
            help="folder of the images, as seen from that of the annotations; default that folder, of COCO ../images"
        ),
    ] = "",
    labels: Annotated[
        str, typer.Option(help="binary, category (a number each), or names with labels: stenosis=1,catheter=2")
    ] = "binary",
    root: Annotated[
        Path | None,
        typer.Option(help="folder that the paths in the table are relative to; default the nearest shared folder"),
    ] = None,
    order: Annotated[
        _Order | None,
        typer.Option(
            help="of run lengths, where they do not show it: pixels count down the columns "
            "(as without it) or along the rows"
        ),
    ] = None,
    starts: Annotated[
        _Starts | None,
        typer.Option(
            help="of run lengths, where they do not show it: of the whole picture, or of what follows the run before"
        ),
    ] = None,
    first: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1,
            help="number of the first pixel of run lengths; default 1, 0 of relative starts or where a run starts at 0",
        ),
    ] = None,
    category: Annotated[
        str, typer.Option(help="column of a table, or attribute of VIA, that has the categories, if the guess is wrong")
    ] = "",
    rows: Annotated[str, typer.Option(help="COLUMN=VALUE: rows of a table that are drawn, such as one reader's")] = "",
    unlisted_empty: Annotated[
        bool, typer.Option("--unlisted-empty", help="images without an annotation show nothing: empty masks for them")
    ] = False,
) -> None:
    """Convert annotations to masks, with a table of images and masks.

    Read are COCO (ARCADE and others), tables of run lengths, XML of CVAT, Aperio ImageScope and ASAP, labelme and
    VIA.
    """
    from scantune.cohort.annotations.masks import masks_of
    from scantune.cohort.annotations.run_lengths import Counting
    from scantune.cohort.coco import is_coco, masks_of_coco
    from scantune.proposal.headings import subject_of

    sides, chosen = _sides(annotations), _labels(labels)
    if all(is_coco(path) for path in sides.values()):
        options = {"--order": order, "--starts": starts, "--first": first, "--category": category, "--rows": rows}
        unused = [name for name, value in options.items() if value not in (None, "")]
        unused += ["--unlisted-empty"] if unlisted_empty else []
        if unused:
            raise ScantuneError(f"{', '.join(unused)}: not for COCO, which states all of its images: leave it out")
        table = masks_of_coco(sides, out, images=images or "../images", labels=chosen, root=root, say=typer.echo)
    else:
        counting = Counting(order.value if order else None, starts.value if starts else None, first)
        written = masks_of(
            sides, out, images=images, labels=chosen, root=root, counting=counting, category=category, only=rows,
            unlisted=unlisted_empty,
        )  # fmt: skip
        table = written.table
        for note in written.notes:
            typer.echo(note)
    start, table = _from_here(root or _start(table)), _from_here(table)
    keys = {"files": "{file}", "masks": "{mask}", "sample": "{sample_id}"}
    subject = subject_of(table.open(encoding="utf-8").readline().strip().split(","))
    _print_block(table, start, keys | ({"subject": subject} if subject else {}), sides=len(sides) > 1)
    command = ["scantune", "init", str(table), "--root", str(start), "--name", table.parent.name, "--add"]
    typer.echo(f"Or, with what else follows from the table and the files: {shlex.join(command)}")


@app.command(cls=Command, short_help="Write the images of a MedMNIST file as PNG, with a table")
def medmnist(
    source: Annotated[Path, typer.Argument(help="the .npz file")],
    out: Annotated[Path, typer.Option(help="new folder: images/*.png and cohort.csv")],
    names: Annotated[
        str, typer.Option(help="names of the classes in the order of their numbers, separated by commas")
    ] = "",
) -> None:
    """Write the images of a MedMNIST file as PNG, with a table of labels and partitions."""
    from scantune.cohort.medmnist import table_of_medmnist

    table = table_of_medmnist(source, out, names=[n.strip() for n in names.split(",")] if names else None)
    targets = table.open(encoding="utf-8").readline().strip().split(",")[3:]
    _print_block(table, table.parent, {"files": "{file}", "sample": "{sample_id}", "targets": targets}, sides=True)


def _sides(arguments: list[str]) -> dict[str, Path]:
    """``train=a.json`` … to side and file; "" and the one file."""
    if len(arguments) == 1 and arguments[0].partition("=")[0] not in _SIDES:
        return {"": Path(arguments[0])}
    pairs = [one.partition("=") for one in arguments]
    wrong = [one for one, (side, sign, path) in zip(arguments, pairs) if side not in _SIDES or not path]
    if wrong:
        raise ScantuneError(f"{wrong[0]!r}: with several files write split=file, the split one of {', '.join(_SIDES)}")
    twice = [side for side, number in Counter(side for side, _, _ in pairs).items() if number > 1]
    if twice:
        raise ScantuneError(
            f"{twice[0]}= is there more than once: name one file, a folder, or a pattern such as '*_a.xml' of each"
        )
    return {side: Path(path) for side, _, path in pairs}


_SIDES = ("train", "validation", "test")


def _labels(text: str) -> Any:
    if text in {"binary", "category"}:
        return text
    labels = {}
    for part in text.split(","):
        name, sign, number = part.rpartition("=")
        if not sign or not number.strip().isdecimal():
            raise ScantuneError(f"--labels {text!r}: must be binary, category, or names with labels such as stenosis=1")
        labels[name.strip()] = int(number)
    return labels


def _start(table: Path) -> Path:
    """The folder that the table's paths start from, derived from its first row."""
    import csv

    with table.open(newline="", encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    folders = [table.resolve().parent, *table.resolve().parents]
    return next((f for f in folders if (f / first["file"]).is_file() and (f / first["mask"]).is_file()), folders[0])


def _from_here(path: Path) -> Path:
    """``path`` as a project has it, which may be moved: relative to its folder, where it lies in that."""
    from scantune.config.watching import in_project

    here = Path.cwd()
    return path.relative_to(here) if in_project() and path.is_relative_to(here) and path != here else path


def _print_block(table: Path, root: Path, keys: dict[str, Any], *, sides: bool) -> None:
    """Print what was written, and the dataset block that reads it.

    Raises:
        ScantuneError: pictures and table share no folder that DVC can watch.
    """
    import yaml

    from scantune.config.watching import holds_outputs

    count = sum(1 for _ in table.open(encoding="utf-8")) - 1
    split = {"method": "predefined", "columns": "split"} if sides else {"method": "random"}
    output = holds_outputs(str(root))
    if output:
        raise ScantuneError(
            f"{table}: {number_of(count, 'sample was', 'samples were')} written, but no block: {root}, the "
            f"folder shared by images and table, "
            f"contains {output}, an output of the pipeline, so DVC cannot watch it. Choose --out beside the images, "
            "in a folder that contains data alone"
        )
    path = table.resolve().relative_to(root.resolve())
    block = {"root": str(root), "watch": str(root), "table": path.as_posix(), **keys, "split": split}
    typer.echo(f"{table}: {number_of(count, 'sample')}. Block for datasets in params.yaml:\n")
    typer.echo(yaml.safe_dump({table.parent.name: block}, sort_keys=False, default_flow_style=None, width=118))
