"""What is wrong with a cohort's table, all of it at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scantune.records import ScantuneError

SHOWN = 50
ROWS = 10  # of one fault


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        message: what is wrong, with the value and what would be right.
        row: line of the table, 1 is the header; None where it is no single row's.
        column: name of the column, or None.
    """

    message: str
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        place = [f"row {self.row}"] if self.row is not None else []
        place += [f"column {self.column!r}"] if self.column is not None else []
        return f"{', '.join(place)}: {self.message}" if place else self.message


class CohortError(ScantuneError):
    """A table, folder or split that cannot be used: every fault of it, not the first alone.

    Attributes:
        faults: what is wrong, in the order of the rows.
    """

    def __init__(self, title: str, faults: Iterable[Fault | str]) -> None:
        self.faults = [fault if isinstance(fault, Fault) else Fault(fault) for fault in faults]
        self.faults.sort(key=lambda fault: fault.row or 0)
        grouped = _grouped(self.faults)
        lines = [f"  {line}" for line in grouped[:SHOWN]]
        if len(grouped) > SHOWN:
            lines.append(f"  … and {len(grouped) - SHOWN} more (scantune check writes all to a file)")
        super().__init__("\n".join([f"{title}:", *lines]))


def _grouped(faults: Iterable[Fault]) -> list[str]:
    """Faults in words; those of one column that differ in the row alone in one line, with the first rows."""
    rows: dict[tuple[str, str | None], list[int | None]] = {}
    for fault in faults:
        rows.setdefault((fault.message, fault.column), []).append(fault.row)
    lines = []
    for (message, column), of in rows.items():
        line = str(Fault(message, of[0], column))
        if len(of) > 1 and of[0] is not None:
            some = ", ".join(map(str, of[:ROWS])) + (" …" if len(of) > ROWS else "")
            line = line.replace(f"row {of[0]}", f"{len(of)} rows ({some})", 1)
        lines.append(line)
    return lines


def nearest(name: str, names: Sequence[str]) -> str:
    """`` Did you mean 'x'?`` or what there is, to end a message about an unknown name."""
    folded = {known.casefold(): known for known in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    if close:
        return f"did you mean {folded[close[0]]!r}? There are {list(names)}"
    return f"there are {list(names)}"
