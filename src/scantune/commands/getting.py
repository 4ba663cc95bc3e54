"""``scantune get``: a public data set by name, from its makers' address to blocks of params.yaml."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.downloads import Progress
    from scantune.public.entry import PublicData, RemoteFile

ARCHIVES = Path("data/downloads")
"""Folder of the project for what is downloaded; git ignores it."""
RAW = Path("data/raw")
_LINES = 10  # lines that a download prints where there is no terminal


def get(
    name: Annotated[str, typer.Argument(help="the data set; without it all are listed")] = "",
    source: Annotated[
        Path | None, typer.Option("--from", help="folder with the files, unpacked: nothing is downloaded")
    ] = None,
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="the licence is known and accepted")] = False,
    blocks: Annotated[bool, typer.Option(help="write the blocks into params.yaml; --no-blocks prints them")] = True,
) -> None:
    """Get a public data set by name: files into data/raw/NAME, and the blocks that read them into params.yaml.

    Files are downloaded from the makers' address, resumed after a cut and compared with the published digest. Without a
    name all data sets are listed with licence and address.
    """
    from scantune.cohort.provenance import Provenance, write_provenance
    from scantune.commands.inserting import PARAMS
    from scantune.proposal import text
    from scantune.public.blocks import proposed
    from scantune.public.catalogue import find

    if not name:
        _list()
        return
    data = find(name)
    if blocks and not PARAMS.is_file():
        raise ScantuneError("no params.yaml in this folder: run this in the folder of a project, or add --no-blocks")
    _confirm(data, accept_licence)
    out = RAW / name
    with _alone(name):
        folder = _files(data, source, out)
        root, cohorts = data.prepare(folder, out)
        if root.resolve().is_relative_to(out.resolve()):
            write_provenance(out, Provenance(f"{data.title} ({data.page}; licence: {data.licence})"))
        proposal = proposed(data, root, cohorts, out)
    lines = text.written(proposal.blocks, proposal.reasons)
    head = [f"Written by scantune get {name}: {data.title}", data.page, f"Licence: {data.licence}"]
    if not blocks:
        typer.echo(text.joined(head, lines))
        return
    _insert_once(lines, head, proposal.blocks)
    for note in dict.fromkeys(proposal.notes):
        typer.echo(f"Note: {note}")
    first = next(iter(proposal.blocks["experiments"]))
    typer.echo(f"next: scantune check {first}, then: scantune run --experiment {first}")


def _list() -> None:
    """All data sets; those that differ in size alone stand on one line."""
    from scantune.public.catalogue import PUBLIC

    sizes: dict[str, list[str]] = {}
    for name in PUBLIC:
        stem, _, edge = name.rpartition("_")
        sizes.setdefault(stem if edge.isdigit() and stem in PUBLIC else name, []).append(edge)
    for name, edges in sizes.items():
        data = PUBLIC[name]
        larger = f" [{', '.join(f'_{edge}' for edge in edges[1:])}]" if len(edges) > 1 else ""
        how = "" if data.files else "  (--from alone: its makers ask for an account or a form)"
        typer.echo(f"{name}{larger}: {data.title}{how}")
        typer.echo(f"    {data.page}; licence: {data.licence}")
    typer.echo("Get one: scantune get NAME --accept-licence; files that are here: --from FOLDER")


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Two commands do not write the files of one data set at once.

    Raises:
        ScantuneError: another one does.
    """
    from filelock import FileLock, Timeout

    from scantune.tracking import own_folder

    path = own_folder() / "locks" / f"get-{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ScantuneError(f"{name}: another scantune get writes its files; wait until it is done") from None
    try:
        yield
    finally:
        lock.release()


def _confirm(data: PublicData, accepted: bool) -> None:
    """Show the licence.

    Raises:
        ScantuneError: it is not accepted.
    """
    typer.echo(f"{data.name}: {data.title}\npage: {data.page}\nlicence: {data.licence}")
    if not accepted:
        raise ScantuneError("the licence is not accepted yet: read it on the page, then add --accept-licence")


def _files(data: PublicData, source: Path | None, out: Path) -> Path:
    """The folder of the files: that of the user, or what was downloaded and unpacked.

    Raises:
        ScantuneError: no such folder, or see :func:`scantune.public.obtain.obtain`.
    """
    from scantune.public.obtain import obtain

    if source is None:
        return obtain(data, ARCHIVES / data.name, out, _printed)
    if not source.is_dir():
        why = "a file: unpack it, or name the folder that it lies in" if source.is_file() else "no such folder"
        raise ScantuneError(f"--from {source}: {why}")
    return source


def _insert_once(lines: dict[str, list[str]], notes: list[str], blocks: dict[str, dict[str, object]]) -> None:
    """Insert the blocks; where all of them are in params.yaml already, nothing is written.

    Raises:
        ScantuneError: some of them are.
    """
    from scantune.commands.inserting import PARAMS, insert, named_already

    before = PARAMS.read_text(encoding="utf-8") if PARAMS.is_file() else ""
    if len(named_already(before, blocks)) == sum(map(len, blocks.values())):
        typer.echo("params.yaml has the blocks already and is unchanged")
        return
    insert(lines, notes, blocks)


def _printed(file: RemoteFile) -> Progress:
    """Print how much of a file has arrived: on one line of a terminal, else on a few lines."""
    terminal = sys.stderr.isatty()
    step = 0

    def progress(received: int, total: int | None) -> None:
        nonlocal step
        share = received / total if total else 0.0
        line = f"{file.name}: {received / 1e6:,.0f} MB" + (f" of {total / 1e6:,.0f} MB ({share:.0%})" if total else "")
        if terminal:
            typer.echo(f"\r{line}", err=True, nl=received == total)
        elif total and int(share * _LINES) > step:
            step = int(share * _LINES)
            typer.echo(line, err=True)

    return progress
