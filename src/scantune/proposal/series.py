"""Which series of a study is the sample where patients have several: T1, T2, FLAIR, a localizer; in DICOM and BIDS."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from scantune import io
from scantune.amounts import number_of
from scantune.proposal.listing import are_dicom, first_file, spread
from scantune.proposal.source import Source
from scantune.records import ScantuneError

_MOST = 20_000  # files or folders whose headers are read
_STUDIES = 40  # folders that are looked into for several series
_HEADERS = 120  # of the files in such a folder
_MIXED = 0.2  # share of these folders that must have several series
_LOOKED = 40  # samples that show whether they are volumes
_SHARE = 0.6  # of the studies that must have exactly one such series
_THREADS = 4
_LISTED = 8  # descriptions in a note
_BIDS = re.compile(r"(?P<study>(.*/)?sub-[^/_]+(/ses-[^/_]+)?)/(.*/)?sub-[^/_]+_(ses-[^_/]+_)?(?P<name>[^/.]+)\.[^/]*$")
_FIRST = ("t1w", "flair", "t2w")  # kinds of which the first is taken, where as many subjects have them


@dataclass(frozen=True)
class _Series:
    """One series of a study.

    Attributes:
        label: of one of its files.
        files: number of its files, of large folders of those looked at; of BIDS how far its kind goes before others.
        sample: place of the sample that it is, or is in.
    """

    label: io.SeriesLabel
    files: int
    sample: int

    @property
    def description(self) -> str:
        """In lower case."""
        return self.label.description


@dataclass(frozen=True)
class Choice:
    """One series for each study.

    Attributes:
        source: samples of that series alone.
        words: for the input's ``series`` where folders have several series; "" where they have one.
        reason: what the words follow from.
    """

    source: Source
    words: str = ""
    reason: str = ""


def chosen(source: Source, words: str) -> Choice:
    """The samples of one series of each study where studies of DICOM or BIDS have several; all others as they are.

    The series is the one with ``words`` in its description; without them with the words that exactly one series of
    the most studies has, of these the one with the most slices. Localizers, and what has no image, are left out.

    Args:
        source: rows with files.
        words: part of the descriptions, in any case; "" for the choice by the files.

    Raises:
        ScantuneError: no series has these words, or the files state no series.
    """
    named = _in_names(source)
    if named:
        return _apart(source, named, words)
    if len(source.files) > _MOST or not are_dicom(source.root, source.files):
        return _apart(source, [], words)
    folders = [i for i, file in enumerate(source.files) if (source.root / file).is_dir()]
    inside = {i: _in_folder(source, i) for i in map(int, spread(list(map(str, folders)), _STUDIES))}
    mixed = sum(len(_scans(own)) > 1 for own in inside.values())
    if mixed and mixed >= _MIXED * len(inside):
        return _within(source, [s for own in inside.values() for s in own], words)
    return _apart(source, _volumes(source), words)


def _in_names(source: Source) -> list[_Series]:
    """Series by names such as ``sub-01/anat/sub-01_T1w.nii.gz``; none where not all files are named so."""
    found = [_BIDS.fullmatch(file) for file in source.files]
    names = [match["name"].lower() for match in found if match]
    if len(names) < len(found) or source.channels:
        return []
    ranks = [next((3 - k for k, kind in enumerate(_FIRST) if name.endswith(kind)), 0) for name in names]
    labels = [
        io.SeriesLabel("", match["study"], file, name, False, True, False, False)
        for match, file, name in zip(found, source.files, names, strict=True)
        if match
    ]
    return [_Series(label, rank, i) for i, (label, rank) in enumerate(zip(labels, ranks, strict=True))]


def _in_folder(source: Source, sample: int) -> list[_Series]:
    """The series that lie in the folder of a sample."""
    folder = source.root / source.files[sample]
    names = spread(sorted(str(path) for path in folder.rglob("*") if path.is_file()), _HEADERS)
    with ThreadPoolExecutor(_THREADS) as pool:
        labels = [label for label in pool.map(io.read_series_label, names) if label]
    counts = Counter(label.series for label in labels)
    return [_Series(label, counts[series], sample) for series, label in {x.series: x for x in labels}.items()]


def _scans(series: Sequence[_Series]) -> list[_Series]:
    """Without localizers, where there is anything else, and what has no image."""
    images = [s for s in series if s.label.image]
    return [s for s in images if not s.label.localizer] or images


def _within(source: Source, series: Sequence[_Series], words: str) -> Choice:
    """The words for folders of several series."""
    scans = _scans(series)
    if words:
        _matching(scans, words)
        return Choice(source, words.lower(), f"of {_listed(scans)}")
    best, share = _words(scans)
    if share < _SHARE:
        source.notes.append(
            f"folders have several series, and no words are in the description of exactly one of most: "
            f"{_listed(scans)} (--series WORDS names one, which becomes the input's `series`)"
        )
        return Choice(source)
    source.notes.append(
        f"folders have several series: {best!r} is taken of {_listed(scans)}; --series WORDS takes another"
    )
    return Choice(source, best, f"{share:.0%} of the studies looked at have one; series are {_listed(scans)}")


def _volumes(source: Source) -> list[_Series]:
    """Samples that are DICOM series in a folder or file of their own, and as localizers the single images of the same
    studies; none where most studies have pictures or loops alone."""
    some = [source.root / file for file in spread(source.files, _LOOKED)]
    if not any(path.is_dir() or ((label := _label(path)) and label.stack) for path in some):
        return []
    with ThreadPoolExecutor(_THREADS) as pool:
        labels = list(pool.map(lambda file: _label(source.root / file), source.files))
    volumes, single = [], []
    for i, (file, label) in enumerate(zip(source.files, labels, strict=True)):
        path = source.root / file
        if label and (label.stack or not label.image or path.is_dir()):
            volumes.append(_Series(label, _count(path), i))
        elif label:
            single.append(_Series(label._replace(localizer=True), 1, i))
    studies = {_study(s) for s in volumes if s.label.image and s.label.study}  # those without an id may be any
    beside = [s for s in single if _study(s) in studies]  # scouts of one or two slices, screens that were captured
    if 2 * len(studies) >= len({_study(s) for s in (*volumes, *single)}) > 0:
        return [*volumes, *beside]
    return volumes if 2 * len(volumes) >= len(source.files) else []


def _apart(source: Source, volumes: Sequence[_Series], words: str) -> Choice:
    """The samples of one series of each study, each of which is a folder or file of its own."""
    if words and not volumes:
        raise ScantuneError(f"--series {words!r}: the files are neither DICOM series nor named as BIDS names them")
    scans = _scans(volumes)
    several = Counter(_study(s) for s in scans)
    kept, what = scans, ""
    if words:
        kept, what = _matching(scans, words), repr(words.lower())
    elif several and max(several.values()) > 1:
        best, share = _words(scans)
        if share >= _SHARE:
            kept, what = _once(scans, best), repr(best)
        else:
            source.notes.append(
                f"studies have several series, and each is a sample: {_listed(scans)}; --series WORDS takes one of them"
            )
    return Choice(_only(source, volumes, scans, kept, what))


def _only(
    source: Source, volumes: Sequence[_Series], scans: Sequence[_Series], kept: Sequence[_Series], what: str
) -> Source:
    """The source without the samples of other series, with notes of what is left out."""
    left = {s.sample for s in volumes} - {s.sample for s in kept}
    if not left:
        return source
    notes = []
    aside = len(volumes) - len(scans)
    if aside:
        notes.append(
            f"{aside} series or files are localizers, single images beside series of slices, or have no image, and are "
            "left out"
        )
    if what:
        without = len({_study(s) for s in scans} - {_study(s) for s in kept})
        notes.append(
            f"studies have several series: {what} is taken of {_listed(scans)}; --series WORDS takes another"
            + (
                f"; {number_of(without, 'study', 'studies')} without exactly one such series left out"
                if without
                else ""
            )
        )
    written = source.with_files()
    if source.class_folders:
        written = replace(written, class_folders=False)
    result = written.some([i for i in range(len(source.files)) if i not in left])
    return replace(result, table=None, header=1, notes=[*source.notes, *notes])


def _label(path: Path) -> io.SeriesLabel | None:
    return io.read_series_label(first_file(path))


def _count(path: Path) -> int:
    return len(os.listdir(path)) if path.is_dir() else 1


def _study(series: _Series) -> tuple[str, str]:
    return series.label.patient, series.label.study


def _matching(series: Sequence[_Series], words: str) -> list[_Series]:
    """The series with the words.

    Raises:
        ScantuneError: none has them.
    """
    found = [s for s in series if " ".join(words.split()).casefold() in s.description]
    if not found:
        raise ScantuneError(
            f"--series {words!r}: no series has these words in its description; there are {_listed(series)}"
        )
    return found


def _once(series: Sequence[_Series], words: str) -> list[_Series]:
    """The series with the words, of studies with exactly one such."""
    found = [s for s in series if words in s.description]
    times = Counter(map(_study, found))
    return [s for s in found if times[_study(s)] == 1]


def _words(series: Sequence[_Series]) -> tuple[str, float]:
    """Words that exactly one series of the most studies has in its description, and the share of these studies."""
    studies = len(set(map(_study, series)))
    whole = {s.description for s in series} - {""}
    single = {word for text in whole for word in re.findall(r"[^\W_]+", text) if re.search(r"[^\W\d_]{2}", word)}
    ranked = []
    for words in sorted(whole | single):
        found = _once(series, words)
        ranked.append((len(found), sum(s.files for s in found), words in whole, len(words), words))
    count, _, _, _, words = max(ranked, default=(0, 0, False, 0, ""))
    return words, count / max(1, studies)


def _listed(series: Sequence[_Series]) -> str:
    """Descriptions and in how many studies they are, the most frequent first."""
    studies: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for s in series:
        studies[s.description or "(no description)"].add(_study(s))
    ranked = sorted(studies, key=lambda text: (-len(studies[text]), text))
    more = f" and {len(ranked) - _LISTED} others" if len(ranked) > _LISTED else ""
    return ", ".join(f"{text!r} {len(studies[text])}" for text in ranked[:_LISTED]) + more
