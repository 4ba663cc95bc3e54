"""A predictions file read. Apart from the table that it becomes: a training knows the table, and reads no such file, so
that it does not depend on the readers of all forms of tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scantune.cohort.faults import CohortError, Fault
from scantune.cohort.table import read_table
from scantune.tables import unguarded
from scantune.tasks.predictions import PredictionsError, PredictionTable


def read(path: Path | str) -> PredictionTable:
    """Reads a predictions file, in any form of table that labels are read from (CSV, Excel, Parquet, SPSS …).

    Raises:
        PredictionsError: what :func:`scantune.cohort.table.read_table` refuses; cells without a reliable value.
    """
    path = Path(path)
    if not path.is_file():
        raise PredictionsError(f"{path}: no such file")
    try:
        table = read_table(path, max_megabytes=float("inf"))
        if table.unusable:
            raise CohortError(f"table {path.name}", [Fault(what, *at) for at, what in table.unusable.items()])
    except CohortError as error:
        raise PredictionsError(str(error)) from None
    except OSError as error:
        raise PredictionsError(f"{path}: cannot be read ({error.strerror})") from None
    cells = {name: [unguarded(row.cells[name]) for row in table.rows] for name in table.columns}
    notes = [note for note in table.notes if not note.startswith(("separator ", "encoding utf"))]
    notes += [f"column {name}: {remark}" for name, remark in table.remarks.items()]
    columns = {name: np.array(column, dtype=object) for name, column in cells.items()}
    return PredictionTable(columns, path.name, notes=tuple(notes))
