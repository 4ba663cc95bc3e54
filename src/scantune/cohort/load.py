"""Table or class folders → records. All faults of a table are reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from scantune.cohort import ids, values
from scantune.cohort.cells import recoded, replaced
from scantune.cohort.doubts import (
    dates_of_excel,
    ids_of_excel,
    impossible_ages,
    one_form,
    spellings,
    values_for_missing,
    values_without_rows,
    words_for_empty,
)
from scantune.cohort.faults import CohortError, Fault, nearest
from scantune.cohort.folders import load_folders
from scantune.cohort.provenance import Provenance, read_provenance
from scantune.cohort.record import record_of, subject_column
from scantune.cohort.table import Row, Table, read_table
from scantune.cohort.template import fields
from scantune.config.dataset import DatasetConfig, Range, TargetColumn, Unless
from scantune.files import absolute, table_path
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
    root = absolute(base / root)
    if not root.is_dir():
        raise CohortError(f"no folder {root}", ["'root' must be the folder of the cohort's files"])
    if dataset.class_folders:
        cohort = _from_folders(dataset, root)
    else:
        table = read_table(
            table_path(root, str(dataset.table), base),
            separator=dataset.separator,
            sheet=dataset.sheet,
            header=dataset.header,
            max_megabytes=dataset.max_table_megabytes,
            decimal=dataset.decimal,
        )
        title = f"table {dataset.table}" + (f" (its targets as {needed_by} need them)" if needed_by else "")
        cohort = _from_table(table, dataset, {**dataset.targets, **(targets or {})}, root, title)
    return _pseudonymised(replace(cohort, provenance=read_provenance(root)), dataset)


def _from_folders(dataset: DatasetConfig, root: Path) -> Cohort:
    name, forms = next(iter(dataset.targets), "label"), list[str]()
    records = load_folders(root, target=name, follow_links=dataset.follow_links, subject_from=dataset.subject_from)
    if dataset.subject_from is not None:
        records, forms = one_form(records, join=dataset.join_ids, with_ids=False)
    records = [replace(record, subject_id=ids.digest_id(record.subject_id)) for record in records]
    return Cohort(records, len(records), subjects_known=dataset.subjects_known, warnings=(*forms, *spellings(records)))


def _from_table(
    table: Table, dataset: DatasetConfig, targets: Mapping[str, TargetColumn], root: Path, title: str
) -> Cohort:
    missing = _missing_columns(table, dataset, targets)
    if missing:
        raise CohortError(title, missing)
    if dataset.recode:
        table = replace(table, rows=[replaced(row, dataset.recode, dataset.decimal) for row in table.rows])
    used = dict.fromkeys(column for column, _ in _named_columns(dataset, targets) if column)
    faults = [Fault(what, line, column) for (line, column), what in table.unusable.items() if column in used]
    if faults:
        raise CohortError(title, faults)
    rows, left_out = _filtered(table, dataset, faults)
    rows = _with_targets(rows, dataset, targets, faults, left_out)
    listed: dict[str, list[str]] = {}
    records = [record_of(row, table, dataset, targets, root, faults, listed) for row in rows]
    faults += _repeated(records, own_ids=bool(dataset.sample) or "sample_id" in table.columns)
    if not records and not faults:
        faults.append(Fault(f"no row is left of {len(table.rows)}: {dict(left_out)}"))
    if faults:
        raise CohortError(title, faults)
    warnings = [f"column {column!r}: {remark}" for column, remark in table.remarks.items() if column in used]
    warnings += [*words_for_empty(table.rows, targets, dataset), *values_without_rows(table.rows, dataset)]
    warnings += impossible_ages(rows, dataset)
    warnings += [*spellings(records), *dates_of_excel(records)]
    warnings += values_for_missing(records, targets, dataset)
    forms: list[str] = []
    if dataset.subject is not None:
        forms = ids_of_excel(records, with_ids=dataset.pseudonyms is None)
        records, others = one_form(records, join=dataset.join_ids, with_ids=dataset.pseudonyms is None)
        forms += others
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
        *((column, "recode") for column in dataset.recode),
        *((column, "subject") for column in [subject_column(dataset)] if column),
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


def _repeated(records: list[Record], own_ids: bool) -> list[Fault]:
    """Sample ids that stand in two rows: with the same files a duplicate row, else an id that isn't one.

    Without ``own_ids`` files may not stand in two rows, however their paths are written (a.png, ./a.png).
    """
    first: dict[str, Record] = {}
    places: dict[object, Record] = {}
    faults = []
    for record in records:
        # Windows and macOS take names that differ in case for one file.
        other, content = first.setdefault(record.sample_id.casefold(), record), _content(record)
        if other is record and not own_ids:
            other = places.setdefault(content, record)
        if other is record:
            continue
        twice = _content(other) == content
        what = "a second row for the same file" if twice else "the same sample id"
        remedy = "remove one" if twice else "make it unique by 'sample: \"{column}_{column}\"'"
        faults.append(Fault(f"{what} as row {other.row} ({record.sample_id!r}): {remedy}", record.row))
    return faults


def _content(record: Record) -> object:
    return record.files, record.series, record.volume


def _pseudonymised(cohort: Cohort, dataset: DatasetConfig) -> Cohort:
    if dataset.pseudonyms is None:
        return cohort
    key = ids.secret(dataset.pseudonyms.key_variable)
    records = [
        replace(r, sample_id=ids.keyed_digest(r.sample_id, key), subject_id=ids.keyed_digest(r.subject_id, key))
        for r in cohort.records
    ]
    return replace(cohort, records=records, pseudonymous=True)
