"""Table or class folders → records. All faults of a table are reported at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from scantune.cohort import ids, values
from scantune.cohort.cells import group_of, order_of, plain, recoded, side_of
from scantune.cohort.doubts import one_form, words_for_empty
from scantune.cohort.faults import CohortError, Fault, nearest
from scantune.cohort.folders import load_folders
from scantune.cohort.provenance import Provenance, read_provenance
from scantune.cohort.table import Row, Table, read_table
from scantune.cohort.template import below, fields, fill
from scantune.config.dataset import TEXT_KEYS, DatasetConfig, PartOf, Range, TargetColumn, Unless
from scantune.digests import text_digest
from scantune.records import Record


@dataclass(frozen=True)
class Cohort:
    """The records of a table.

    Attributes:
        records: the rows that stay, in the table's order.
        rows: how many rows the table has.
        left_out: reason to count of the rows that filters and missing targets excluded.
        subjects_known: whether a column or file names say the subject; where not, each sample is taken for a subject of
            its own.
        notes: what was noticed while reading, for the terminal.
        provenance: what the cohort's ``scantune_cohort.json`` says, or None.
        pseudonymous: whether ids are keyed digests, which no line shows beside a path or a file's name.
        warnings: ids in two forms, words read as empty cells, percent cells.
    """

    records: list[Record]
    rows: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    subjects_known: bool = False
    notes: tuple[str, ...] = ()
    provenance: Provenance | None = None
    warnings: tuple[str, ...] = ()
    pseudonymous: bool = False


def load(dataset: DatasetConfig, base: Path) -> list[Record]:
    """The records of a dataset: see :func:`read`."""
    return read(dataset, base).records


def read(
    dataset: DatasetConfig, base: Path, *, targets: Mapping[str, TargetColumn] | None = None, needed_by: str = ""
) -> Cohort:
    """Records of a dataset's table or class folders, and what was left out.

    Args:
        dataset: the block of ``params.yaml``.
        base: folder that a relative ``root`` starts from (the project's).
        targets: stricter rules for targets than the dataset's own, for example those of a task.
        needed_by: the experiments that make them stricter, for the message.

    Raises:
        CohortError: everything that is wrong with the table, by row and column.
    """
    root = Path(dataset.root).expanduser()
    root = root if root.is_absolute() else (base / root).absolute()
    if not root.is_dir():
        raise CohortError(f"no folder {root}", ["'root' must be the folder of the cohort's files"])
    if dataset.class_folders:
        name = next(iter(dataset.targets), "label")
        records = load_folders(root, target=name, follow_links=dataset.follow_links, subject_from=dataset.subject_from)
        cohort = Cohort(records, len(records), subjects_known=dataset.subjects_known)
    else:
        table = read_table(
            root / str(dataset.table),
            separator=dataset.separator,
            sheet=dataset.sheet,
            header=dataset.header,
            max_megabytes=dataset.max_table_megabytes,
            decimal=dataset.decimal,
        )
        title = f"table {dataset.table}" + (f" (its targets as {needed_by} need them)" if needed_by else "")
        cohort = _from_table(table, dataset, {**dataset.targets, **(targets or {})}, root, title)
    return _pseudonymised(replace(cohort, provenance=read_provenance(root)), dataset)


def _from_table(
    table: Table, dataset: DatasetConfig, targets: Mapping[str, TargetColumn], root: Path, title: str
) -> Cohort:
    missing = _missing_columns(table, dataset, targets)
    if missing:
        raise CohortError(title, missing)
    used = dict.fromkeys(column for column, _ in _named_columns(dataset, targets) if column)
    faults = [Fault(what, line, column) for (line, column), what in table.unusable.items() if column in used]
    if faults:
        raise CohortError(title, faults)
    rows, left_out = _filtered(table, dataset, faults)
    rows = _with_targets(rows, dataset, targets, faults, left_out)
    records = [_record(row, table, dataset, targets, root, faults) for row in rows]
    faults += _repeated(records)
    if not records and not faults:
        faults.append(Fault(f"no row is left of {len(table.rows)}: {dict(left_out)}"))
    if faults:
        raise CohortError(title, faults)
    warnings = [f"column {column!r}: {remark}" for column, remark in table.remarks.items() if column in used]
    warnings += words_for_empty(table.rows, targets, dataset)
    forms: list[str] = []
    if dataset.subject is not None:
        records, forms = one_form(records, join=dataset.join_ids, with_ids=dataset.pseudonyms is None)
    return Cohort(records, len(table.rows), left_out, dataset.subjects_known, table.notes, warnings=(*warnings, *forms))


def _named_columns(dataset: DatasetConfig, targets: Mapping[str, TargetColumn]) -> list[tuple[str | None, str]]:
    """Columns that ``params.yaml`` names, each with the key that does."""
    columns = dataset.split.columns
    return [
        *((name, "files") for template in dataset.files for name in fields(template)),
        *((name, "masks") for template in dataset.masks for name in fields(template)),
        *((name, "region") for name in fields(dataset.region or "")),
        *(
            (name, f"rater_masks.{reader}")
            for reader, templates in dataset.rater_masks.items()
            for template in templates
            for name in fields(template)
        ),
        *((name, "sample") for name in fields(dataset.sample or "")),
        *((name, "series") for name in fields(dataset.series.name if dataset.series else "")),
        *((name, "volume") for name in fields(dataset.volume.name if dataset.volume else "")),
        *((target.column, f"targets.{name}") for name, target in targets.items()),
        *((column, f"groups.{name}") for name, column in dataset.groups.items()),
        *((column, f"raters.{name}") for name, column in dataset.raters.items()),
        *((column, "where") for column in dataset.where),
        *((column, "subject") for column in [_subject_column(dataset)] if column),
        *((column, "order") for column in [dataset.order] if column),
        *((column, "split.columns") for column in (columns.values() if isinstance(columns, dict) else [columns])),
    ]


def _missing_columns(table: Table, dataset: DatasetConfig, targets: Mapping[str, TargetColumn]) -> list[Fault]:
    """A fault for each column that ``params.yaml`` names and the table lacks."""
    required = _named_columns(dataset, targets)
    missing = dict.fromkeys((column, key) for column, key in required if column and column not in table.columns)
    lower = {text: row.line for row in reversed(table.rows[:10]) for text in row.cells.values()}
    return [
        Fault(
            f"no such column, named by {key!r}: "
            + (f"it stands in row {lower[c]}: set 'header: {lower[c]}'" if c in lower else nearest(c, table.columns)),
            dataset.header,
            c,
        )
        for c, key in missing
    ]


def _filtered(table: Table, dataset: DatasetConfig, faults: list[Fault]) -> tuple[list[Row], dict[str, int]]:
    """Rows that pass every filter of ``where``; a row is counted under the first filter it fails."""
    selected: list[Row] = []
    left_out: dict[str, int] = {}
    for row in table.rows:
        for column, rule in dataset.where.items():
            try:
                holds = _holds(row.cells[column], rule, dataset.decimal)
            except ValueError as error:
                faults.append(Fault(f"{error}, needed for the range in 'where'", row.line, column))
                holds = True
            if not holds:
                reason = f"filtered by {column}"
                left_out[reason] = left_out.get(reason, 0) + 1
                break
        else:
            selected.append(row)
    return selected, left_out


def _holds(text: str, rule: object, decimal: str) -> bool:
    if isinstance(rule, Range):
        return values.in_range(text, rule.min, rule.max, decimal)
    if isinstance(rule, Unless):
        return not any(values.same(text, value, decimal) for value in rule.exclude)
    return any(values.same(text, value, decimal) for value in (rule if isinstance(rule, list) else [rule]))


def _with_targets(
    rows: list[Row],
    dataset: DatasetConfig,
    targets: Mapping[str, TargetColumn],
    faults: list[Fault],
    left_out: dict[str, int],
) -> list[Row]:
    """Rows whose targets are right; wrong values become faults, rows with ``missing: exclude`` are counted."""
    complete = []
    for row in rows:
        stays = True
        for name, rule in targets.items():
            text = recoded(row.cells[rule.column], rule, dataset.decimal)
            if values.is_empty(text, rule.values or ()):
                if rule.missing == "error":
                    faults.append(Fault(f"no value for the target {name!r}", row.line, rule.column))
                elif rule.missing == "exclude" and stays:
                    left_out[f"no {name}"] = left_out.get(f"no {name}", 0) + 1
                    stays = False
                continue
            wrong = values.wrong_target(
                text, low=rule.min, high=rule.max, numeric=rule.number, values=rule.values, decimal=dataset.decimal
            )
            if wrong:
                faults.append(Fault(wrong, row.line, rule.column))
        if stays:
            complete.append(row)
    return complete


def _record(
    row: Row,
    table: Table,
    dataset: DatasetConfig,
    targets: Mapping[str, TargetColumn],
    root: Path,
    faults: list[Fault],
) -> Record:
    sample = _sample_id(row, table, dataset, faults)
    subject = _subject_id(row, dataset, sample, faults)
    series, volume = _series(row, dataset, faults), _volume(row, dataset, faults)
    named = [part[1] for part in (series, volume) if part]
    if named and not (dataset.sample or "sample_id" in table.columns):
        sample = f"{sample}_{text_digest(chr(10).join(named), 8)}"  # still one subject
    words = [value for rule in targets.values() for value in rule.values or ()]  # readers use the targets' words
    return Record(
        sample_id=ids.safe(sample),
        subject_id=subject,
        files=_paths(dataset.files, row, root, dataset.follow_links, faults),
        masks=_paths(dataset.masks, row, root, dataset.follow_links, faults),
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


def _subject_column(dataset: DatasetConfig) -> str | None:
    return dataset.subject.column if isinstance(dataset.subject, PartOf) else dataset.subject


def _subject_id(row: Row, dataset: DatasetConfig, sample: str, faults: list[Fault]) -> str:
    """The subject's column, the part of one that the pattern finds, or the sample's own id."""
    column = _subject_column(dataset)
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
    if not text:
        faults.append(Fault("the subject's id is blank", row.line, column))
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


def _paths(templates: list[str], row: Row, root: Path, follow_links: bool, faults: list[Fault]) -> tuple[Path, ...]:
    paths = []
    for template in templates:
        name = fill(template, row.cells)
        try:
            paths.append(below(root, name, follow_links=follow_links))
        except ValueError as error:
            faults.append(Fault(f"the file {name!r} {error}", row.line, ", ".join(fields(template)) or None))
    return tuple(paths)


def _drawn(templates: list[str], row: Row, root: Path, dataset: DatasetConfig, faults: list[Fault]) -> tuple[Path, ...]:
    """As :func:`_paths`; none where a column of a template is empty."""
    if any(values.is_empty(row.cells[name]) for template in templates for name in fields(template)):
        return ()
    return _paths(templates, row, root, dataset.follow_links, faults)


def _repeated(records: list[Record]) -> list[Fault]:
    """Sample ids that stand in two rows: with the same files a duplicate row, else an id that isn't one."""
    first: dict[str, Record] = {}
    faults = []
    for record in records:
        # Windows and macOS take names that differ in case for one file.
        other = first.setdefault(record.sample_id.casefold(), record)
        if other is record:
            continue
        twice = (other.files, other.series, other.volume) == (record.files, record.series, record.volume)
        what = "a second row for the same file" if twice else "the same sample id"
        remedy = "remove one" if twice else "make it unique by 'sample: \"{column}_{column}\"'"
        faults.append(Fault(f"{what} as row {other.row} ({record.sample_id!r}): {remedy}", record.row))
    return faults


def _pseudonymised(cohort: Cohort, dataset: DatasetConfig) -> Cohort:
    if dataset.pseudonyms is None:
        return cohort
    key = ids.secret(dataset.pseudonyms.key_variable)
    records = [
        replace(r, sample_id=ids.keyed_digest(r.sample_id, key), subject_id=ids.keyed_digest(r.subject_id, key))
        for r in cohort.records
    ]
    return replace(cohort, records=records, pseudonymous=True)
