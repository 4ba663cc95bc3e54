"""What the arguments of ``scantune predict`` name: files, folders, addresses, lists and tables → samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.dicomweb.address import Address, is_address
from scantune.progress import with_progress
from scantune.records import ScantuneError, Source

if TYPE_CHECKING:
    from scantune.cohort.unlabelled import Sample
    from scantune.commands.remote_samples import RemoteSamples

Named = Path | Address
#: Families of files that are volumes by themselves, also beside a DICOM series.
_VOLUMES = ("nifti", "itk")


def named(text: str | Path) -> Named:
    """A path, or the address of a DICOMweb study, series or instance.

    Raises:
        ScantuneError: an address of another form, or no text: the folder that the command runs in would be meant.
    """
    if not str(text).strip():
        raise ScantuneError("predict: one of the names is empty (a variable that is not set?); the folder here is '.'")
    return Address.of(str(text)) if is_address(str(text)) else Path(text)


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
    from scantune.io.folders import system_folder

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
        elif entry.is_dir() and system_folder(entry.name):
            aside["folders of archives and servers"] += 1
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
    families = {file: io.family_of(file) for file in files} if series else {}
    if "dicom" in families.values():
        volumes = [file for file, family in families.items() if family in _VOLUMES]
        foreign = sum(family not in ("dicom", *_VOLUMES) for family in families.values())
        return sorted([path, *volumes, *below]), aside + Counter({"not DICOM, in the folder of a series": foreign})
    return sorted([*files, *below]) or [path], aside


def root_of(table: Path, files: list[Path], root: Path | None, listed: Path | None) -> Path | None:
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


def of_table(path: Path, model: Any, root: Path | None, remote: RemoteSamples) -> tuple[list[Sample], list[str]]:
    """Samples of a table, and notes of how it was read; see :func:`scantune.cohort.unlabelled.read_samples`."""
    from scantune.cohort.unlabelled import read_samples

    names = () if model.covariates is None else model.covariates.names
    samples, notes = read_samples(path, model.facts.table if model.facts else {}, names, root)
    return [remote.of_row(sample) if sample.address else sample for sample in samples], notes


def below(
    paths: Sequence[tuple[Named, str]], series: bool, listed: Path | None, remote: RemoteSamples
) -> tuple[list[Sample], Counter[str]]:
    """The samples of files, folders and addresses, each with its id or "", and counts of the files that are no samples.

    Raises:
        ScantuneError: an id whose folder holds several samples.
    """
    from scantune.cohort.unlabelled import Sample

    samples, aside = [], Counter[str]()
    remote_too = any(isinstance(path, Address) for path, _ in paths)
    for path, sample_id in with_progress(paths, len(paths), "list series") if remote_too else paths:
        if isinstance(path, Address):
            below, left = remote.below(path)
        else:
            files, left = samples_of(path, series)
            below = [Sample(0, Source((one,), leaves_out=True)) for one in files]  # and counted
        if sample_id and len(below) > 1:
            what = "an address" if isinstance(path, Address) else "a folder"
            raise ScantuneError(f"--list {listed}: {sample_id}: {path} is {what} of {len(below)} samples, not of one")
        samples += [replace(one, sample_id=sample_id) for one in below]
        aside += left
    return samples, aside


def listed(path: Path | None) -> list[tuple[Named, str]]:
    """Each path or address of a list with its sample's id, "" without one.

    Raises:
        ScantuneError: there is no such file; an id cannot name a file, or occurs twice.
    """
    from scantune.cohort.delimited import decoded
    from scantune.cohort.ids import is_safe

    if path is None:
        return []
    if not path.is_file():
        raise ScantuneError(f"--list {path}: no such file")
    pairs: list[tuple[Named, str]] = []
    for number, line in enumerate(decoded(path.read_bytes())[0].splitlines(), start=1):
        first, _tab, second = (part.strip() for part in line.strip().partition("\t"))
        if not first:
            continue
        if second and (not is_safe(first) or first in {known for _, known in pairs}):
            fault = "occurs twice" if is_safe(first) else "cannot name a file: use letters, digits and . _ - + = @"
            raise ScantuneError(f"--list {path}, line {number}: the sample id {first!r} {fault}")
        pairs.append((named(second), first) if second else (named(first), ""))
    return pairs
