"""``scantune predict``: files as they come, a model, a table of answers; also as DICOM SR and SEG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scantune.records import ScantuneError


def predict(
    model: Annotated[str, typer.Argument(help="a model's folder, or models:/<name>@champion")],
    files: Annotated[list[Path] | None, typer.Argument(help="files, series folders, or folders of them")] = None,
    listed: Annotated[Path | None, typer.Option("--list", help="a text file with a sample's path a line")] = None,
    out: Annotated[Path, typer.Option(help="the table of answers")] = Path("answers.csv"),
    sr: Annotated[Path | None, typer.Option(help="folder for DICOM structured reports")] = None,
    seg: Annotated[Path | None, typer.Option(help="folder for masks: DICOM SEG, NIfTI or PNG, as the source")] = None,
    maps: Annotated[Path | None, typer.Option(help="folder for maps of where the model looked")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="open a model of another format, and run its code")] = False,
    batch_size: Annotated[int, typer.Option(help="samples at once")] = 8,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
) -> None:
    """Ask a model about files. One that cannot be used gets a reason in the table, and ends nothing."""
    from scantune.registry.opening import open_model
    from scantune.tasks.predictions import PredictionTable, write

    paths = [*(files or []), *_listed(listed)]
    if not paths:
        raise ScantuneError("predict: give files, folders or --list FILE")
    opened = open_model(model, trust=trust, device=device)
    if maps is not None:
        from scantune.assembly.predicted_maps import check

        check(opened)
    series = opened.facts is None or opened.facts.input.get("modality") == "volume"
    samples = [sample for path in paths for sample in samples_of(path, series)]
    rows = []
    for start in range(0, len(samples), batch_size):
        batch = samples[start : start + batch_size]
        for path, answer in zip(batch, _asked(opened, batch), strict=True):
            rows.append({"file": str(path), **answer.values, "reason": answer.reason})
            if not answer.reason:
                _give_back(opened, path, answer, sr, seg, maps)
    names = list(dict.fromkeys(name for row in rows for name in row if name != "reason"))
    columns = {name: [row.get(name, "") for row in rows] for name in [*names, "reason"]}
    out.parent.mkdir(parents=True, exist_ok=True)
    write(PredictionTable.make(columns), out)
    bad = [row for row in rows if row["reason"]]
    typer.echo(f"{out}: {len(rows) - len(bad)} answers, {len(bad)} samples that could not be used")
    for row in bad[:20]:
        typer.echo(f"  {row['file']}: {row['reason']}", err=True)


def samples_of(path: Path, series: bool = True) -> list[Path]:
    """What a path means: a file, a folder with a DICOM series, or a folder of files or of such folders.

    Args:
        path: a file or folder.
        series: a folder in which DICOM files lie is one sample, as in a table of volumes; else each file is one.

    Returns:
        Samples by name; ``path`` itself where nothing below it can be read, to be refused with its reason.
    """
    from scantune import io

    if not path.is_dir():
        return [path]
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    kinds = {entry: io.kind_of(entry) for entry in entries if entry.is_file()}
    if series and any(kind.startswith("dicom") for kind in kinds.values()):
        return [path]
    found = [entry for entry, kind in kinds.items() if kind != "unknown"]
    for folder in (entry for entry in entries if entry.is_dir()):
        below = samples_of(folder, series)
        found += below if below != [folder] or (series and _holds_dicom(folder)) else []
    return sorted(found) or [path]


def _holds_dicom(folder: Path) -> bool:
    from scantune import io

    return any(io.kind_of(entry).startswith("dicom") for entry in folder.iterdir() if entry.is_file())


def _listed(path: Path | None) -> list[Path]:
    if path is None:
        return []
    if not path.is_file():
        raise ScantuneError(f"--list {path}: there is no such file")
    return [Path(line.strip()) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _asked(opened: Any, samples: list[Path]) -> list[Any]:
    """Answers of a batch; where the batch fails as a whole each sample is asked alone."""
    from scantune.registry.predictor import Answer

    try:
        return opened.predict(samples, batch_size=len(samples))
    except Exception as error:
        if len(samples) == 1:
            return [Answer({}, reason=f"the model could not be asked ({type(error).__name__})")]
    return [answer for sample in samples for answer in _asked(opened, [sample])]


def _give_back(
    opened: Any, path: Path, answer: Any, sr: Path | None, seg: Path | None, maps: Path | None = None
) -> None:
    """Report, mask and map beside the table; one that cannot be written is said and ends nothing."""
    if (sr is None and seg is None and maps is None) or opened.facts is None:
        return
    from scantune.assembly import predicted_maps
    from scantune.registry import results

    wanted = ((sr, results.write_scores), (seg, results.write_mask), (maps, predicted_maps.write_map))
    for folder, write in wanted:
        if folder is None:
            continue
        try:
            write(folder, path, answer, opened)
        except ScantuneError as error:
            typer.echo(f"  {path}: {error}", err=True)
        except Exception as error:  # a header that lacks what the standard demands; the answer stands in the table
            typer.echo(
                f"  {path}: no result could be written for this source ({type(error).__name__}: {error})", err=True
            )
