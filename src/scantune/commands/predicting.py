"""``scantune predict``: from source files and a model to a table of predictions; also as DICOM SR and SEG."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scantune.records import ScantuneError, Source

if TYPE_CHECKING:
    from scantune.cohort.unlabelled import Sample

_SHOWN = 20  # reasons on the terminal; all are in the table


def predict(
    model: Annotated[str, typer.Argument(help="a model's folder, or models:/<name>@champion")],
    files: Annotated[list[Path] | None, typer.Argument(help="files, series folders, or folders of them")] = None,
    listed: Annotated[
        Path | None,
        typer.Option("--list", help="a text file with one path per line, or a sample id, a tab and its path"),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="a table laid out like that of the training (labels need not be in it), or with the column path; and "
            "with the model's covariates"
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="folder that the table's paths start from; default the table's own")
    ] = None,
    out: Annotated[Path, typer.Option(help="file of the predictions table")] = Path("answers.csv"),
    sr: Annotated[Path | None, typer.Option(help="folder for DICOM structured reports")] = None,
    seg: Annotated[
        Path | None, typer.Option(help="folder for masks: DICOM SEG, NIfTI or PNG, according to the source")
    ] = None,
    maps: Annotated[Path | None, typer.Option(help="folder for saliency maps")] = None,
    map_method: Annotated[str, typer.Option(help="as evaluate.saliency.method")] = "auto",
    map_layer: Annotated[
        str | None, typer.Option(help="as evaluate.saliency.layer; default chosen automatically")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="run the code that a model contains: plugins, or another format")
    ] = False,
    batch_size: Annotated[int, typer.Option(help="samples per batch", min=1)] = 8,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto")] = "cpu",
    workers: Annotated[int, typer.Option(min=1, help="number of processes that read files")] = 1,
    time_limit: Annotated[
        float | None,
        typer.Option(min=0.1, help="time limit in seconds for reading one sample; default that of the model"),
    ] = None,
    isolated: Annotated[
        bool | None,
        typer.Option(
            help="read files in a separate process, so that a decoder that crashes or hangs costs one file only"
        ),
    ] = None,
) -> None:
    """Predict from files with a model. An unusable file gets a reason in the table; the others are unaffected.

    The exit code is 1 where no file could be used.
    """
    from scantune.engine.distributed import device_kind
    from scantune.files import private, refuse_unwritable
    from scantune.registry.opening import open_model
    from scantune.registry.predictor import Answer, Reading
    from scantune.tasks.predictions import PredictionTable, write
    from scantune.tracking.parent import adopted

    paths = [*((path, "") for path in files or []), *_listed(listed)]
    if not paths and table is None:
        raise ScantuneError("predict: name files, folders, --list FILE or --table FILE")
    if root is not None and table is None:
        raise ScantuneError(f"predict: --root {root} is where the paths of --table FILE start from, and none is named")
    if table is not None:
        paths, root = [], _root_of(table, files or [], root, listed)
    reading = Reading(time_limit=time_limit, workers=workers)
    if isolated is not None:
        reading = replace(reading, isolated=isolated)
    refuse_unwritable(out)
    opened = open_model(model, trust=trust, device=device_kind(device), reading=reading)
    if maps is not None:
        from scantune.pipeline.maps.predicted import check

        check(opened, map_method, map_layer)
    series = opened.facts is None or opened.facts.input.get("modality") == "volume"
    if paths and opened.covariates is not None:
        listing = ", ".join(opened.covariates.names)
        raise ScantuneError(
            f"predict: this model requires {listing} beside the image: --table FILE, with path, {listing}"
        )
    samples, aside = _below(paths, series, listed)
    if table is not None:
        samples, notes = _of_table(table, opened, root)
        for note in notes:
            typer.echo(f"{table}: {note}")
    rows, writers = [], _writers(sr, seg, maps, map_method, map_layer)
    usable = [sample for sample in samples if not sample.reason]
    cells = None if table is None else [sample.covariates for sample in usable]
    has_ids, times = any(s.sample_id for s in samples), Counter(s.sample_id for s in samples)
    with adopted(opened.facts.dataset, f"predict {opened.facts.name}") if opened.facts else contextlib.nullcontext():
        answers = opened.answers([sample.source for sample in usable], batch_size, cells)
        for sample in samples:
            answer = Answer({}, reason=sample.reason) if sample.reason else next(answers)
            named = {"sample_id": sample.sample_id} if has_ids else {}
            file = "; ".join(map(str, sample.source.files))
            rows.append({**named, "file": file, **answer.values, "reason": answer.reason})
            if not answer.reason:
                only = sample.sample_id if times[sample.sample_id] == 1 else ""
                rows[-1] |= _give_back(opened, sample.source, answer, writers, only)
    names = list(dict.fromkeys(name for row in rows for name in row if name != "reason"))
    columns = {name: [row.get(name, "") for row in rows] for name in [*names, "reason"]}
    with private():  # the table names the files
        write(PredictionTable.make(columns), out)
    silent = [row for row in rows if row.get("answered") == "no"]
    bad = [row for row in rows if row["reason"] and row not in silent]
    unlike = [row for row in rows if float(row.get("distance") or 0) > 1]
    withheld = f", {len(silent)} not answered" if silent else ""
    answered = len(rows) - len(bad) - len(silent)
    typer.echo(f"{out}: {answered} predictions, {len(bad)} unusable samples{withheld}")
    if aside:
        what = ", ".join(f"{count} {reason}" for reason, count in sorted(aside.items()) if count)
        typer.echo(f"  set aside: {what}")
    for sentence in opened.covariates.unknown_as_text(cells) if cells and opened.covariates else ():
        typer.echo(f"  {sentence}")
    if unlike:
        typer.echo(f"  {len(unlike)} are unlike the training images (distance above 1), the farthest first:")
    for row in sorted(unlike, key=lambda row: -row["distance"])[:_SHOWN]:
        typer.echo(f"  {row['file']}: {row['distance']:.2f}")
    for row in bad[:_SHOWN]:
        typer.echo(f"  {row['file'] or table}: {row['reason']}", err=True)
    if len(bad) > _SHOWN:
        typer.echo(f"  … and {len(bad) - _SHOWN} more (all: {out})", err=True)
    if table is not None and usable and not any(sample.source.files[0].exists() for sample in usable):
        typer.echo(
            f"  no file is there: paths start from {root or table.parent.absolute()}; another is --root", err=True
        )
    if bad and len(bad) == len(rows):
        raise typer.Exit(1)


def samples_of(path: Path, series: bool = True) -> tuple[list[Path], Counter[str]]:
    """What a path means: a file, a folder with a DICOM series, or a folder of files or of such folders.

    Every file below a folder is a sample or part of one, be it that it cannot be used: it gets its reason in the table.

    Args:
        path: a file or folder.
        series: a folder with DICOM files is one sample, as in a table of volumes; else each file is one.

    Returns:
        Samples by name, ``path`` itself if nothing lies below it; and the count of entries that are not samples, by
        reason.
    """
    from scantune import io

    aside: Counter[str] = Counter()
    if not path.is_dir():
        return [path], aside
    files: list[Path] = []
    below: list[Path] = []
    for entry in sorted(path.iterdir()):
        if entry.name.startswith("."):
            aside["hidden"] += 1
        elif entry.is_symlink() and entry.is_dir():
            aside["links to folders"] += 1
        elif entry.is_dir():
            inner, left = samples_of(entry, series)
            below += inner
            aside += left
        elif entry.is_file():
            files.append(entry)
        else:
            aside["neither files nor folders"] += 1
    data = io.only_data(files)
    files = [file for file in files if file not in data]
    kinds = {file: io.kind_of(file) for file in files} if series else {}
    if any(kind.startswith("dicom") for kind in kinds.values()):
        foreign = sum(not kind.startswith("dicom") for kind in kinds.values())
        return sorted([path, *below]), aside + Counter({"not DICOM, in the folder of a series": foreign})
    return sorted([*files, *below]) or [path], aside


def _root_of(table: Path, files: list[Path], root: Path | None, listed: Path | None) -> Path | None:
    """The folder that the paths of a table start from: ``--root``, or the one folder beside ``--table``.

    Raises:
        ScantuneError: other files beside a table, two such folders, or one that is none.
    """
    named = [*files, *([root] if root else [])]
    if listed is not None or len(named) > 1 or not all(folder.is_dir() for folder in named):
        raise ScantuneError(
            f"predict: --table {table} names the files; beside it give no others, but the one folder that its paths "
            "start from (--root FOLDER)"
        )
    return named[0] if named else None


def _of_table(path: Path, model: Any, root: Path | None) -> tuple[list[Sample], list[str]]:
    """Samples of a table, and notes of how it was read; see :func:`scantune.cohort.unlabelled.read_samples`."""
    from scantune.cohort.unlabelled import read_samples

    names = () if model.covariates is None else model.covariates.names
    return read_samples(path, model.facts.table if model.facts else {}, names, root)


def _below(paths: Sequence[tuple[Path, str]], series: bool, listed: Path | None) -> tuple[list[Sample], Counter[str]]:
    """The samples of files and folders, each path with its sample's id or "", and the count of what is none.

    Raises:
        ScantuneError: an id whose folder holds several samples.
    """
    from scantune.cohort.unlabelled import Sample

    samples, aside = [], Counter[str]()
    for path, sample_id in paths:
        below, left = samples_of(path, series)
        if sample_id and len(below) > 1:
            raise ScantuneError(f"--list {listed}: {sample_id}: {path} is a folder of {len(below)} samples, not of one")
        samples += [Sample(0, Source((one,), leaves_out=True), sample_id) for one in below]  # and counted
        aside += left
    return samples, aside


def _listed(path: Path | None) -> list[tuple[Path, str]]:
    """Each path of a list with its sample's id, "" without one.

    Raises:
        ScantuneError: there is no such file; an id cannot name a file, or occurs twice.
    """
    from scantune.cohort.delimited import decoded
    from scantune.cohort.ids import is_safe

    if path is None:
        return []
    if not path.is_file():
        raise ScantuneError(f"--list {path}: no such file")
    pairs: list[tuple[Path, str]] = []
    for number, line in enumerate(decoded(path.read_bytes())[0].splitlines(), start=1):
        first, _tab, second = (part.strip() for part in line.strip().partition("\t"))
        if not first:
            continue
        if second and (not is_safe(first) or first in {known for _, known in pairs}):
            fault = "occurs twice" if is_safe(first) else "cannot name a file: use letters, digits and . _ - + = @"
            raise ScantuneError(f"--list {path}, line {number}: the sample id {first!r} {fault}")
        pairs.append((Path(second), first) if second else (Path(first), ""))
    return pairs


def _writers(
    sr: Path | None, seg: Path | None, maps: Path | None, map_method: str, map_layer: str | None
) -> list[tuple[str, Path, Callable[..., Any]]]:
    """Column, folder and function of each requested kind of result."""
    if sr is None and seg is None and maps is None:
        return []
    from scantune.pipeline.maps import predicted as predicted_maps
    from scantune.registry import results

    mapped = functools.partial(predicted_maps.write_map, method=map_method, layer=map_layer)
    known = (("report", sr, results.write_scores), ("mask", seg, results.write_mask), ("map", maps, mapped))
    return [(column, folder, write) for column, folder, write in known if folder is not None]


def _in_words(error: Exception) -> str:
    """An error; of an attribute that a DICOM header lacks, which one (its keywords begin with a capital letter)."""
    if isinstance(error, AttributeError) and error.name and error.name[0].isupper():
        return f"its header has no {error.name}, which the result would have to repeat"
    return f"{type(error).__name__}: {error}"


def _give_back(
    opened: Any,
    source: Source,
    answer: Any,
    writers: Sequence[tuple[str, Path, Callable[..., Any]]],
    sample_id: str = "",
) -> dict[str, str]:
    """Report, mask and map beside the table; one that cannot be written is reported and does not end the command.

    Returns:
        The name of each file by its column of the table (of a sample without an id a report and a mask are named by a
        digest, and the table says whose they are), and as ``<column>_reason`` why there is none.
    """
    names: dict[str, str] = {}
    for column, folder, write in writers if opened.facts is not None else ():
        try:
            written = write(folder, source, answer, opened)
            if sample_id and column != "map":
                ending = ".nii.gz" if written.name.endswith(".nii.gz") else written.suffix
                written = written.replace(folder / f"{sample_id}{ending}")
            names[column] = written.name
            continue
        except ScantuneError as error:
            reason = str(error)
        except Exception as error:  # a header that lacks a required attribute; the prediction is in the table
            reason = f"no result can be written for this source ({_in_words(error)})"
        names[f"{column}_reason"] = reason
        typer.echo(f"  {source.files[0]}: {reason}", err=True)
    return names
