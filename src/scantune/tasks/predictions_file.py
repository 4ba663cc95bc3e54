"""A predictions file read. Apart from the table that it becomes: a training knows the table, and reads no such file, so
that it does not depend on the readers of all forms of tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scantune.amounts import number_of
from scantune.cohort.faults import CohortError, Fault
from scantune.cohort.table import read_table
from scantune.tables import unguarded
from scantune.tasks.predictions import PredictionsError, PredictionTable
from scantune.tasks.subgroups import is_own

_MEGABYTES = 2000.0  # of a file, unpacked: more is not meant, and fills the memory

#: A predictions file, or the table that was read from it.
File = Path | str | PredictionTable


def read(path: File) -> PredictionTable:
    """Reads a predictions file, in any form of table that labels are read from (CSV, Excel, Parquet, SPSS …); what was
    read comes back as it is.

    A cell without a reliable value, such as an error of Excel, is empty in columns that belong to no task, with a note.

    Raises:
        PredictionsError: what :func:`scantune.cohort.table.read_table` refuses; cells without a reliable value in a
            column of a task.
    """
    if isinstance(path, PredictionTable):
        return path
    path = Path(path)
    if not path.is_file():
        raise PredictionsError(f"{path}: no such file")
    try:
        table = read_table(path, max_megabytes=_MEGABYTES)
        faults = [Fault(what, *at) for at, what in table.unusable.items() if is_own(at[1])]
        if faults:
            raise CohortError(f"table {path.name}", faults)
    except CohortError as error:
        above = (
            "\n  the header of predictions is their first row: remove what stands above it"
            if "'header" in str(error)
            else ""
        )
        raise PredictionsError(f"{error}{above}") from None
    except OSError as error:
        raise PredictionsError(f"{path}: cannot be read ({error.strerror})") from None
    cells = {name: [unguarded(row.cells[name]) for row in table.rows] for name in table.columns}
    lines = np.array([row.line for row in table.rows])
    at = {line: i for i, line in enumerate(lines.tolist())}
    first: dict[str, str] = {}
    for (line, name), what in table.unusable.items():
        cells[name][at[line]] = ""
        first.setdefault(name, f"row {line}: {what}")
    notes = [note for note in table.notes if not note.startswith(("separator ", "encoding utf"))]
    notes += [f"column {name}: {remark}" for name, remark in table.remarks.items()]
    for name, what in first.items():
        count = sum(column == name for _, column in table.unusable)
        notes.append(f"column {name}: {number_of(count, 'cell')} without a reliable value read as empty; {what}")
    columns = {name: np.array(column, dtype=object) for name, column in cells.items()}
    return PredictionTable(columns, path.name, notes=tuple(notes), lines=lines)
