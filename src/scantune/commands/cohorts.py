"""``scantune check`` and ``scantune index``: a cohort checked before any training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scantune.amounts import number_of
from scantune.commands import project
from scantune.files import private, write_text
from scantune.pipeline.project import named
from scantune.records import ScantuneError
from scantune.script import quiet_logging

if TYPE_CHECKING:
    from scantune.cohort import Cohort
    from scantune.config.params import Params
    from scantune.preprocess.check.findings import Findings


def check(
    dataset: Annotated[str, typer.Argument(help="a name in datasets")],
    input_name: Annotated[
        str, typer.Option("--input", help="a name in inputs; default the input named like the dataset")
    ] = "",
    cache: Annotated[bool, typer.Option(help="check the prepared samples on disk instead, byte by byte")] = False,
    out: Annotated[Path | None, typer.Option(help="folder of the page; default .scantune/check/<dataset>")] = None,
) -> None:
    """Prepare every file as the pipeline would and report what is unusual: on the terminal, as a page, in MLflow."""
    from scantune.tracking import own_folder

    quiet_logging()
    params = project.settings()
    block, name = named(params, "datasets", dataset), input_name or dataset
    settings = named(params, "inputs", name)
    if settings.dataset != dataset:
        raise ScantuneError(f"--input {name!r} uses the dataset {settings.dataset!r}, not {dataset!r}")
    if cache:
        _check_cache(name)
        return
    from scantune.cohort.split import settled
    from scantune.pipeline.data.targets import read_for_tasks, view_notes
    from scantune.preprocess.check import print_check, write_check
    from scantune.tracking import open_run
    from scantune.tracking.parent import adopted

    folder = out or own_folder() / "check" / dataset
    with _all_faults(folder / "faults.txt"):
        read = read_for_tasks(params, dataset, Path("."))
    read = replace(read, warnings=(*read.warnings, *view_notes(params, dataset, read)))
    tracking = params.tracking
    with (
        adopted(dataset, f"check {dataset}"),
        open_run("check", dataset, dataset=dataset, enabled=tracking.enabled, require=False) as tracked,
    ):
        findings, downloads = _looked_at(params, dataset, name, read)
        folder.mkdir(parents=True, exist_ok=True)
        write_check(folder, dataset, findings)
        tracked.metrics(_counts(read, findings))
        for file in ("check.html", "check.json"):
            tracked.artifact(folder / file)
    print_check(dataset, findings)
    for note in settled(read.records, block.split)[1]:
        typer.echo(f"split: {note}")
    for download in downloads:
        typer.echo(download)
    typer.echo(f"page: {folder / 'check.html'}")
    if findings.faults:
        raise typer.Exit(1)


def _looked_at(params: Params, dataset: str, name: str, read: Cohort) -> tuple[Findings, list[str]]:
    """What is unusual in the prepared files, or what trainings on them would refuse; and what these would download."""
    from scantune.cohort.index import known_files
    from scantune.config.watching import indexed_folder
    from scantune.pipeline.data.targets import mask_classes, needed_targets, separators
    from scantune.pipeline.train.rehearsal import rehearse
    from scantune.preprocess.check import check as look
    from scantune.tracking import own_folder

    block = params.datasets[dataset]
    findings = look(
        read,
        params.inputs[name],
        own_folder() / "store",
        index=known_files(Path(indexed_folder(block)), block.index, dataset),
        mask_classes=mask_classes(params, name),
        needed_targets=needed_targets(params, dataset),
        separators=separators(params, dataset),
    )
    if findings.faults:
        return findings, []
    faults, downloads = rehearse(params, name, read.records, findings.shapes)
    return replace(findings, faults=faults), downloads


def _counts(read: Cohort, findings: Findings) -> dict[str, int]:
    """Samples, and those with something unusual."""
    return {
        "samples": len(read.records) - len(findings.excluded),
        "excluded": len(findings.excluded),
        "duplicates": len(findings.duplicates),
        "odd_intensities": len(findings.odd_intensities),
        "wrong_labels": len(findings.wrong_labels),
    }


@contextlib.contextmanager
def _all_faults(path: Path) -> Iterator[None]:
    """Faults of a table are written to a file too, for its user alone: the terminal shows the first of each kind."""
    from scantune.cohort.faults import CohortError

    try:
        yield
    except CohortError as error:
        if len(error.faults) == 1:
            raise
        with private():
            write_text(path, "".join(f"{fault}\n" for fault in error.faults))
        raise ScantuneError(f"{error}\nall {len(error.faults)}: {path}") from error


def _check_cache(name: str) -> None:
    from scantune.cohort.manifest import read_manifest
    from scantune.pipeline.data.sides import Side

    folder = Path("data/cache") / name
    if not (folder / "manifest.csv").exists():
        raise ScantuneError(f"{folder}: does not exist yet; run: dvc repro preprocess@{name}")
    Side(read_manifest(folder / "manifest.csv"), folder).check_cached()
    typer.echo(f"{folder}: all prepared samples are intact")


def index(
    what: Annotated[str, typer.Argument(help="a name in datasets, or a folder")],
    out: Annotated[Path | None, typer.Option(help="file of the index; required for a folder")] = None,
) -> None:
    """Index a folder of many files: path, size, time and digest. Unchanged files are not read again."""
    from scantune.cohort.index import timed_index, write_index

    if Path(what).is_dir() and out is not None:
        root, path = Path(what), out
    else:
        params = project.settings()
        if what not in params.datasets and Path(what).is_dir():
            raise ScantuneError(f"{what}: an index of a folder needs --out, as in --out index.csv")
        block = named(params, "datasets", what)
        root, path = Path(block.root), out or timed_index(block.index, what)
    path.parent.mkdir(parents=True, exist_ok=True)
    with private():  # it names the files
        indexed = write_index(root, path)
    typer.echo(f"{path}: {number_of(indexed.files, 'file')}, {indexed.hashed} read, {indexed.removed} no longer there")
    for line in indexed.unreadable:
        typer.echo(f"unreadable: {line}", err=True)
    if indexed.unreadable:
        raise typer.Exit(1)
