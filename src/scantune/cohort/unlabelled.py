"""A table of samples to be predicted: laid out as the training table was, or with the column ``path``. Labels need not
be in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scantune.cohort import ids
from scantune.cohort.cells import group_of, plain, replaced
from scantune.cohort.faults import CohortError, Fault
from scantune.cohort.layout import FORM, PATH, dataset_of, fields_of, file_columns, row_columns
from scantune.cohort.record import part_of, sample_of
from scantune.cohort.table import Row, Table, read_table
from scantune.cohort.template import fill
from scantune.config.dataset import DatasetConfig
from scantune.files import absolute, shown
from scantune.records import Source
from scantune.statistics.ages import OLDEST, years

_MOST_MEGABYTES = 2000.0


@dataclass(frozen=True)
class Sample:
    """One row.

    Attributes:
        row: its line in the table; 1 is the header.
        source: its files, and which series and volume of them.
        sample_id: as in the outputs of the training; "" where the table has no ids.
        covariates: name to cell.
        reason: why the row cannot be used, or "".
        address: where its files come from, which are not there yet; "" where they lie on this machine.
        instances: what is fetched from there.
    """

    row: int
    source: Source
    sample_id: str = ""
    covariates: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    address: str = ""
    instances: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Its files or its address, as the table of predictions names them."""
        return self.address or "; ".join(map(shown, self.source.files))


def read_samples(
    path: Path, layout: Mapping[str, Any], covariates: Sequence[str] = (), root: Path | None = None
) -> tuple[list[Sample], list[str]]:
    """The rows of a table as samples, in its order: all of them, since filters and targets are of the training.

    A table with the column ``path`` names its files there. Any other has the columns from which the training made the
    paths of files. A covariate is in the column that the training read, or in one of its name.

    Args:
        path: CSV, Excel, SPSS, SAS, Stata or Parquet.
        layout: of :func:`scantune.cohort.layout.read_layout`; {} where none is known.
        covariates: names that the model requires.
        root: folder that relative paths start from; None for that of the table.

    Returns:
        The samples (a row that cannot be used has a reason), and notes for the terminal.

    Raises:
        CohortError: no such table, or one that lacks columns: those that were looked for, and those there are.
    """
    dataset = dataset_of(layout)
    table = _table(path, dataset, covariates)
    files, (dataset, notes) = layout.get("files"), _fitted(dataset, table, covariates)
    named: Callable[[str], str] | None = str if _has_ids(dataset, table) else None
    if named and dataset.pseudonyms:
        named, variable = None, dataset.pseudonyms.key_variable
        try:
            key = ids.secret(variable)
            named = lambda text: ids.keyed_digest(text, key)  # noqa: E731
        except CohortError:
            notes.append(f"samples have no ids: the key of their pseudonyms ({variable}) is not in the environment")
    home = absolute(path.parent if root is None else root)
    samples = [_sample(row, table, dataset, home, named) for row in table.rows]
    if dataset.files == files:  # a folder is one sample, as it was in the training
        samples = [replace(sample, source=replace(sample.source, leaves_out=True)) for sample in samples]
    return samples, notes


def _table(path: Path, dataset: DatasetConfig, covariates: Sequence[str]) -> Table:
    """The table, read as that of the training was; where columns are missing then, by what it shows itself.

    Raises:
        CohortError: see :func:`read_samples`.
    """
    form = {name: getattr(dataset, name) for name in FORM}
    plain = {name: DatasetConfig.model_fields[name].default for name in FORM}
    unreadable: list[CohortError] = []
    lacking: list[CohortError] = []
    for settings in [form] if form == plain else [form, plain]:
        try:
            table = read_table(path, decimal=dataset.decimal, max_megabytes=_MOST_MEGABYTES, **settings)
        except CohortError as error:
            unreadable.append(error)
            continue
        faults = _absent(table, dataset, covariates)
        if not faults:
            return table
        there = f"there are the columns {_listed(table.columns)}"
        lacking.append(CohortError(f"table {path.name}", [*faults, there]))
    raise min(lacking, key=lambda error: len(error.faults)) if lacking else unreadable[0]


def _absent(table: Table, dataset: DatasetConfig, covariates: Sequence[str]) -> list[Fault]:
    """A fault where the table says of no file, and one for each covariate that it lacks."""
    faults, columns = [], file_columns(dataset)
    if PATH not in table.columns and not set(columns) <= set(table.columns):
        words = f"no column {PATH!r} that names a file or folder in each row"
        missing = [column for column in columns if column not in table.columns]
        if columns != [PATH]:
            files = " and ".join(map(repr, dataset.files))
            words += f", nor {_listed(missing)}, of which the training makes the paths of its files: {files}"
        faults.append(Fault(words))
    for name in covariates:
        known = dict.fromkeys([dataset.groups.get(name, name), name])
        if not set(known) & set(table.columns):
            faults.append(Fault(f"no column {' or '.join(map(repr, known))}; the model requires it beside the image"))
    return faults


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _fitted(dataset: DatasetConfig, table: Table, covariates: Sequence[str]) -> tuple[DatasetConfig, list[str]]:
    """The block with what the table has a column for, and notes of what it lacks."""
    there, notes = set(table.columns), []
    files, made = dataset.files, file_columns(dataset)
    if PATH in there and PATH not in made:
        files = [f"{{{PATH}}}"]
        if set(made) <= there:
            also = " and ".join(map(repr, dataset.files))
            notes.append(f"files are those of the column {PATH!r}; without it they would be {also} below the root")
    changed: dict[str, Any] = {"files": files}
    for key in ("sample", "series", "volume"):
        rule = getattr(dataset, key)
        missing = [name for name in fields_of([getattr(rule, "name", rule)] if rule else []) if name not in there]
        if missing:
            changed[key] = None
            if key != "sample":
                notes.append(f"no column {_listed(missing)}: files must hold one {key}, or the model's input chooses")
    known = {name: dataset.groups.get(name, name) for name in covariates}
    changed["groups"] = {name: column if column in there else name for name, column in known.items()}
    changed["recode"] = {column: rule for column, rule in dataset.recode.items() if column in there}
    return dataset.model_copy(update=changed), notes


def _has_ids(dataset: DatasetConfig, table: Table) -> bool:
    """Whether the table has what ids are made of; a path alone, which a user wrote for this command, is none."""
    return bool(dataset.sample) or "sample_id" in table.columns or file_columns(dataset) != [PATH]


def _sample(row: Row, table: Table, dataset: DatasetConfig, root: Path, named: Callable[[str], str] | None) -> Sample:
    read = [*row_columns(dataset), *dataset.groups.values()]
    faults = [Fault(table.unusable[row.line, c], row.line, c) for c in read if (row.line, c) in table.unusable]
    row = _with_slashes(replaced(row, dataset.recode, dataset.decimal), dataset, root)
    blank = [name for name in file_columns(dataset) if not row.cells[name]]
    faults += [Fault("empty, and the path of a file is made of it", row.line, name) for name in blank]
    series, volume = part_of(row, dataset, faults)
    cells = {name: group_of(name, row, column, dataset, faults) for name, column in dataset.groups.items()}
    as_written = {name: plain(row.cells[column], dataset.decimal) for name, column in dataset.groups.items()}
    cells |= {name: text for name, text in as_written.items() if cells[name] == "90+" and years(text) > OLDEST}
    sample_id = "" if named is None or blank else named(sample_of(row, table, dataset, faults))
    names = [] if blank else [fill(template, row.cells) for template in dataset.files]
    address = next((name for name in names if name.lower().startswith(("http://", "https://"))), "")
    if address and len(names) > 1:
        faults.append(Fault("the address of one of several files; a sample from an address is a series", row.line))
    files = () if address else tuple(root / name for name in names)
    return Sample(row.line, Source(files, series, volume), sample_id, cells, "; ".join(map(str, faults)), address)


def _paths(row: Row, dataset: DatasetConfig, root: Path) -> tuple[Path, ...]:
    return tuple(root / fill(template, row.cells) for template in dataset.files)


def _with_slashes(row: Row, dataset: DatasetConfig, root: Path) -> Row:
    """The row with forward slashes in its paths, where a table from Windows has others and so a file is there."""
    odd = [name for name in file_columns(dataset) if "\\" in row.cells[name]]
    if not odd or all(path.exists() for path in _paths(row, dataset, root)):
        return row
    other = Row(row.line, row.cells | {name: row.cells[name].replace("\\", "/") for name in odd})
    return other if all(path.exists() for path in _paths(other, dataset, root)) else row
