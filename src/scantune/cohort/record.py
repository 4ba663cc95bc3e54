"""A row of a cohort's table → its record: ids, files, targets, groups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from scantune.cohort import ids, values
from scantune.cohort.cells import group_of, order_of, plain, recoded, side_of
from scantune.cohort.faults import Fault
from scantune.cohort.table import Row, Table
from scantune.cohort.template import below, fields, fill, matching
from scantune.config.dataset import TEXT_KEYS, DatasetConfig, PartOf, TargetColumn
from scantune.digests import text_digest
from scantune.records import Record


def record_of(
    row: Row,
    table: Table,
    dataset: DatasetConfig,
    targets: Mapping[str, TargetColumn],
    root: Path,
    faults: list[Fault],
    listed: dict[str, list[str]],
) -> Record:
    """The record of a row; what is wrong with it is added to ``faults``, and folders that are read to ``listed``."""
    own, series, volume = _sample_id(row, table, dataset, faults), *part_of(row, dataset, faults)
    subject = _subject_id(row, dataset, own, faults)  # several series and volumes are still of one
    sample = _told_apart(own, table, dataset, series, volume)
    words = [value for rule in targets.values() for value in rule.values or ()]  # readers use the targets' words
    return Record(
        sample_id=ids.safe(sample),
        subject_id=subject,
        files=_paths(dataset.files, row, root, dataset.follow_links, faults),
        masks=_paths(dataset.masks, row, root, dataset.follow_links, faults, listed),
        region=next(iter(_drawn([dataset.region] if dataset.region else [], row, root, dataset, faults)), None),
        rater_masks={
            reader: _drawn(templates, row, root, dataset, faults) for reader, templates in dataset.rater_masks.items()
        },
        targets={
            name: plain(recoded(row.cells[rule.column], rule, dataset.decimal), dataset.decimal, rule.values or ())
            for name, rule in targets.items()
        },
        groups={name: group_of(name, row, column, dataset, faults) for name, column in dataset.groups.items()},
        raters={name: plain(row.cells[column], dataset.decimal, words) for name, column in dataset.raters.items()},
        split=side_of(row, dataset, faults),
        series=series,
        volume=volume,
        order=order_of(row, dataset, faults),
        row=row.line,
    )


def part_of(
    row: Row, dataset: DatasetConfig, faults: list[Fault]
) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    """What names the row's series and its volume, or None; what is wrong with them is added to ``faults``."""
    return _series(row, dataset, faults), _volume(row, dataset, faults)


def sample_of(row: Row, table: Table, dataset: DatasetConfig, faults: list[Fault]) -> str:
    """The sample id of a row, as :func:`record_of` gives it."""
    own = _sample_id(row, table, dataset, faults)
    return ids.safe(_told_apart(own, table, dataset, *part_of(row, dataset, [])))


def _told_apart(
    sample: str,
    table: Table,
    dataset: DatasetConfig,
    series: tuple[str, str] | None,
    volume: tuple[str, str] | None,
) -> str:
    """An id made from the names of files, with a digest of the series and volume where the row names them."""
    named = [part[1] for part in (series, volume) if part]
    if named and not (dataset.sample or "sample_id" in table.columns):
        return f"{sample}_{text_digest(chr(10).join(named), 8)}"
    return sample


def subject_column(dataset: DatasetConfig) -> str | None:
    """The column with the subjects' ids, where there is one."""
    return dataset.subject.column if isinstance(dataset.subject, PartOf) else dataset.subject


def _subject_id(row: Row, dataset: DatasetConfig, sample: str, faults: list[Fault]) -> str:
    """The subject's column, the part of one that the pattern finds, or the sample's own id."""
    column = subject_column(dataset)
    if column is None:
        return sample
    text = row.cells[column]
    if isinstance(dataset.subject, PartOf):
        match = re.search(dataset.subject.match, text)
        if match is None:
            pattern = dataset.subject.match
            faults.append(Fault(f"{text!r} has no subject's id: nothing matches {pattern!r}", row.line, column))
            return text
        text = match.group(1 if match.re.groups else 0) or ""
    if values.is_empty(text):  # NA of R, nan of pandas: not one subject of all rows without an id
        word = f" ({text!r} counts as an empty cell; where it is an id, 'recode' it)" if text else ""
        faults.append(Fault(f"the subject's id is blank{word}", row.line, column))
    return text


def _sample_id(row: Row, table: Table, dataset: DatasetConfig, faults: list[Fault]) -> str:
    """By ``sample``, the column ``sample_id``, or the columns that ``files`` is made of; a path is never an id."""
    if dataset.sample or "sample_id" in table.columns:
        text = fill(dataset.sample or "{sample_id}", row.cells)
        if not text.strip():
            faults.append(Fault("the sample's id is blank", row.line, dataset.sample or "sample_id"))
        return text
    columns = list(dict.fromkeys(name for template in dataset.files for name in fields(template)))
    parts = [row.cells[name] for name in columns]
    blank = [name for name, part in zip(columns, parts, strict=True) if not part]
    if blank:
        faults.append(Fault("blank, but part of the file name", row.line, blank[0]))
    if any(ids.looks_like_path(part) for part in parts):
        return ids.digest_id("\n".join(parts))
    return "_".join(parts)


def _series(row: Row, dataset: DatasetConfig, faults: list[Fault]) -> tuple[str, str] | None:
    """What names the row's series, or None where the cell is empty."""
    if dataset.series is None:
        return None
    text = fill(dataset.series.name, row.cells).strip()
    if values.is_empty(text):
        return None
    if dataset.series.by == "number":
        try:
            number = values.number(text, dataset.decimal)
        except ValueError:
            number = 0.5
        if number.is_integer():
            return "number", f"{int(number)}"
        wrong = f"{text!r} is not a series number: write a whole number, or set 'series.by' to uid or description"
        faults.append(Fault(wrong, row.line, ", ".join(fields(dataset.series.name))))
    return dataset.series.by, text


def _volume(row: Row, dataset: DatasetConfig, faults: list[Fault]) -> tuple[str, str] | None:
    """What names the row's volume, or None where the cell is empty."""
    if dataset.volume is None:
        return None
    text = fill(dataset.volume.name, row.cells).strip()
    if values.is_empty(text):
        return None
    column, by = ", ".join(fields(dataset.volume.name)), dataset.volume.by
    try:
        number = values.number(text, dataset.decimal)
    except ValueError:
        if by not in TEXT_KEYS:
            faults.append(Fault(f"{text!r} is no {by}: a number, or name another key by 'volume.by'", row.line, column))
        return by, text
    if by == "index" and not (number.is_integer() and number >= 0):
        faults.append(Fault(f"{text!r} is not an index: write a whole number from 0", row.line, column))
    return by, f"{number:g}"


def _paths(
    templates: list[str],
    row: Row,
    root: Path,
    follow_links: bool,
    faults: list[Fault],
    listed: dict[str, list[str]] | None = None,
) -> tuple[Path, ...]:
    """The paths of templates; with ``listed``, ``*`` in one stands for anything."""
    paths: list[Path] = []
    for template in templates:
        name = fill(template, row.cells)
        try:
            several = listed is not None and "*" in template
            names = matching(template, row.cells, listed, root) if listed is not None and several else [name]
            paths += [below(root, one, follow_links=follow_links) for one in names]
        except ValueError as error:
            faults.append(Fault(f"the file {name!r} {error}", row.line, ", ".join(fields(template)) or None))
    return tuple(paths)


def _drawn(templates: list[str], row: Row, root: Path, dataset: DatasetConfig, faults: list[Fault]) -> tuple[Path, ...]:
    """As :func:`_paths`; none where a column of a template is empty."""
    if any(values.is_empty(row.cells[name]) for template in templates for name in fields(template)):
        return ()
    return _paths(templates, row, root, dataset.follow_links, faults)
