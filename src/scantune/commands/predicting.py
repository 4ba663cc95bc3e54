"""``scantune predict``: from source files and a model to a table of predictions; also as DICOM SR and SEG."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scantune.amounts import number_of
from scantune.commands import named_samples
from scantune.commands.predict_results import Results, refuse_idle, writers_of
from scantune.commands.unfinished import Unfinished
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.cohort.unlabelled import Sample

_SHOWN = 20  # reasons on the terminal; all are in the table


def predict(
    model: Annotated[str, typer.Argument(help="a model's folder, or models:/<name>@champion")],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="files, series folders, folders of them, or DICOMweb addresses (https://HOST/…/studies/UID)"
        ),
    ] = None,
    listed: Annotated[
        Path | None,
        typer.Option("--list", help="a text file with a path or an address per line, or a sample id, a tab and that"),
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
    store: Annotated[
        str | None,
        typer.Option(help="address of a DICOMweb service to which the DICOM files of --sr and --seg are sent"),
    ] = None,
    maps: Annotated[Path | None, typer.Option(help="folder for saliency maps")] = None,
    map_method: Annotated[str, typer.Option(help="as evaluate.saliency.method")] = "auto",
    map_layer: Annotated[
        str | None, typer.Option(help="as evaluate.saliency.layer; default chosen automatically")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="run the code that a model contains: plugins, or another format")
    ] = False,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="columns image_mean, … of the prepared image, for scantune drift")
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

    The exit code is 1 where no file could be used, or no result could be stored.
    """
    from scantune.commands.remote_samples import RemoteSamples
    from scantune.dicomweb.address import storage
    from scantune.engine.distributed import device_kind
    from scantune.files import private
    from scantune.registry.opening import open_model
    from scantune.registry.predictor import Reading
    from scantune.tables import refuse_table
    from scantune.tasks.predictions import PredictionTable, write
    from scantune.tracking.parent import adopted

    paths = [*((named_samples.named(path), "") for path in files or []), *named_samples.listed(listed)]
    _refuse(bool(paths), table, root, (sr, seg, maps), store, map_method != "auto" or map_layer is not None)
    if store is not None:
        store = storage(store)
    if table is not None:
        paths, root = [], named_samples.root_of(table, [Path(path) for path in files or []], root, listed)
        if root is not None and not table.exists() and (root / table).exists():  # as `table` of a dataset is named
            table = root / table
    reading = Reading(time_limit=time_limit, workers=workers)
    if isolated is not None:
        reading = replace(reading, isolated=isolated)
    refuse_table(out)
    opened = open_model(model, trust=trust, device=device_kind(device), reading=reading)
    refuse_idle(opened, {"--sr": sr, "--seg": seg, "--maps": maps}, statistics)
    if maps is not None:
        from scantune.pipeline.maps.predicted import check

        check(opened, map_method, map_layer)
    series = opened.facts is None or opened.facts.input.get("modality") == "volume"
    if paths and opened.covariates is not None:
        listing = ", ".join(opened.covariates.names)
        raise ScantuneError(
            f"predict: this model requires {listing} beside the image: --table FILE, with path, {listing}"
        )
    words, known = (None, frozenset[str]()) if opened.facts is None else _read_by(opened.facts)
    remote = RemoteSamples(series, words, known)
    samples, aside = named_samples.below(paths, series, listed, remote)
    if table is not None:
        samples, notes = named_samples.of_table(table, opened, root, remote)
        for note in notes:
            typer.echo(f"{table}: {note}")
    writers = writers_of(sr, seg, maps, map_method, map_layer)
    with adopted(opened.facts.dataset, f"predict {opened.facts.name}") if opened.facts else contextlib.nullcontext():
        folders = {column: folder for column, folder, _ in writers}
        options: dict[str, Any] = {"method": map_method, "layer": map_layer, "statistics": statistics, "store": store}
        options |= {name: str(path) for name, path in folders.items()}
        unfinished = Unfinished(out, opened, options, folders)
        results = Results(opened, writers, remote, store, known)
        with contextlib.closing(remote):
            rows = _rows_of(samples, opened, batch_size, results, unfinished, statistics)
    with private():  # the table names the files
        write(PredictionTable.make(_columns(rows)), out)
    unfinished.finish()
    bad = [row for row in rows if row["reason"] and row.get("answered") != "no"]
    _tell_counts(rows, bad, out, aside)
    usable = [sample for sample in samples if not sample.reason]
    _tell_unlike(rows, usable, opened, results)
    if store is not None:
        typer.echo(f"  stored at {store}: {results.stored} results; not stored: {results.not_stored}")
    for row in bad[:_SHOWN]:
        typer.echo(f"  {row['file'] or table}: {row['reason']}", err=True)
    if len(bad) > _SHOWN:
        typer.echo(f"  … and {len(bad) - _SHOWN} more (all: {out})", err=True)
    if table is not None and usable and not any(sample.address or sample.source.files[0].exists() for sample in usable):
        typer.echo(
            f"  no file is there: paths start from {root or table.parent.absolute()}; another is --root", err=True
        )
    if (bad and len(bad) == len(rows)) or (results.not_stored and not results.stored):
        raise typer.Exit(1)


def _refuse(
    named: bool,
    table: Path | None,
    root: Path | None,
    results: Sequence[Path | None],
    store: str | None,
    map_options: bool,
) -> None:
    """Refuse a command line that names no samples, or an option without the one that it belongs to.

    Args:
        named: whether files or folders are, on the command line or in a list.
        results: folders of --sr, --seg and --maps.
        map_options: whether an option of the maps is stated.
    """
    sr, seg, maps = results
    if not named and table is None:
        raise ScantuneError("predict: name files, folders, --list FILE or --table FILE")
    if root is not None and table is None:
        raise ScantuneError(f"predict: --root {root} is where the paths of --table FILE start from, and none is named")
    if maps is None and map_options:
        raise ScantuneError("predict: --map-method and --map-layer are of --maps FOLDER, and none is named")
    if store is not None and sr is None and seg is None:
        raise ScantuneError("predict: --store sends what --sr FOLDER and --seg FOLDER write, and neither is named")


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The table's columns, why there is no answer and what is to be noted last."""
    last = ["reason", *(["note"] if any("note" in row for row in rows) else [])]
    names = list(dict.fromkeys(name for row in rows for name in row if name not in last))
    return {name: [row.get(name, "") for row in rows] for name in [*names, *last]}


def _tell_counts(
    rows: Sequence[Mapping[str, Any]], bad: Sequence[Mapping[str, Any]], out: Path, aside: Mapping[str, int]
) -> None:
    """How many samples have an answer, could not be used, were not answered, and were set aside."""
    silent = sum(row.get("answered") == "no" for row in rows)
    withheld = f", {silent} not answered" if silent else ""
    answered = number_of(len(rows) - len(bad) - silent, "prediction")
    typer.echo(f"{out}: {answered}, {number_of(len(bad), 'unusable sample')}{withheld}")
    if aside:
        what = ", ".join(f"{count} {reason}" for reason, count in sorted(aside.items()) if count)
        typer.echo(f"  set aside: {what}")


def _tell_unlike(rows: Sequence[Mapping[str, Any]], usable: Sequence[Sample], opened: Any, results: Results) -> None:
    """What is unlike the training cohort: modalities, covariates, images."""
    if results.other_modalities:
        others = ", ".join(f"{count} {name}" for name, count in sorted(results.other_modalities.items()))
        had = ", ".join(sorted(results.modalities))
        typer.echo(f"  of a DICOM modality that the training cohort lacks: {others} (it has {had})")
    cells = [sample.covariates for sample in usable]
    for sentence in opened.covariates.unlike_as_text(cells) if cells and opened.covariates else ():
        typer.echo(f"  {sentence}")
    unlike = [row for row in rows if opened.facts is not None and float(row.get("distance") or 0) > 1]
    if unlike:
        typer.echo(f"  {len(unlike)} are unlike the training images (distance above 1), the farthest first:")
    for row in sorted(unlike, key=lambda row: -row["distance"])[:_SHOWN]:
        typer.echo(f"  {row['file']}: {row['distance']:.2f}")


def _rows_of(
    samples: Sequence[Sample],
    opened: Any,
    batch_size: int,
    results: Results,
    unfinished: Unfinished,
    statistics: bool,
) -> list[dict[str, Any]]:
    """A row of the table for each sample, in order; those that the same command has answered before are taken up."""
    from scantune.progress import with_progress
    from scantune.registry.predictor import Answer

    before = [unfinished.row(sample) for sample in samples]
    to_predict = [s for s, row in zip(samples, before, strict=True) if row is None and not s.reason]
    taken_up = sum(row is not None for row in before)
    if taken_up:
        typer.echo(f"{unfinished.path}: {taken_up} of {len(samples)} samples were answered by the command before")
    cells = [sample.covariates for sample in to_predict] if opened.covariates is not None else None
    has_ids, times = any(s.sample_id for s in samples), Counter(s.sample_id for s in samples)
    rows: list[dict[str, Any]] = []
    remote = results.remote
    answers = opened.answers(remote.sources(to_predict), batch_size, cells)
    try:
        with (
            contextlib.closing(answers),
            contextlib.closing(with_progress(samples, len(samples), "predict")) as counted,
        ):
            for sample, known in zip(counted, before, strict=True):
                if known is not None:
                    rows.append(known)
                    results.take_up(known)
                    continue
                answer = Answer({}, reason=sample.reason) if sample.reason else next(answers)
                named = {"sample_id": sample.sample_id} if has_ids else {}
                reason = remote.reason(sample) or answer.reason
                rows.append({**named, "file": sample.file, **answer.values, "reason": reason})
                if answer.note:
                    rows[-1]["note"] = answer.note
                if statistics and answer.prepared is not None:
                    rows[-1] |= _image_statistics(answer.prepared)
                failed = results.failed
                if not answer.reason:
                    only = sample.sample_id if times[sample.sample_id] == 1 else ""
                    rows[-1] |= results.of(sample, answer, only)
                remote.release(sample)
                if results.failed == failed:  # else the same command tries it again
                    unfinished.keep(sample, rows[-1])
    except BaseException:
        if unfinished.kept:
            kept = f"{unfinished.kept} new answers are in {unfinished.path}"
            typer.echo(f"{kept}; the same command goes on there", err=True)
        raise
    return rows


def _read_by(facts: Any) -> tuple[str | None, frozenset[str]]:
    """Words of the Series Description that a model reads, and the DICOM modalities that it was trained on."""
    from scantune.pipeline.data.training_cohort import modalities

    return facts.input.get("series"), modalities(facts.training.get("cohort") or {})


def _image_statistics(prepared: Any) -> dict[str, Any]:
    """What a model keeps of each image of its cohort."""
    from scantune.pipeline.data.training_cohort import IMAGE, of_header
    from scantune.preprocess.sample import moments

    values = {name: float(f"{value:.6g}") for name, value in zip(IMAGE, moments(prepared.tensor), strict=True)}
    return values | of_header(prepared.facts)
