"""What is wrong with a cohort's table, all of it at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scantune.records import ScantuneError

SHOWN = 50


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
        lines = [f"  {fault}" for fault in self.faults[:SHOWN]]
        if len(self.faults) > SHOWN:
            lines.append(f"  … and {len(self.faults) - SHOWN} more (scantune check writes all to a file)")
        super().__init__("\n".join([f"{title}:", *lines]))


def nearest(name: str, names: Sequence[str]) -> str:
    """`` Did you mean 'x'?`` or what there is, to end a message about an unknown name."""
    folded = {known.casefold(): known for known in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    if close:
        return f"did you mean {folded[close[0]]!r}? There are {list(names)}"
    return f"there are {list(names)}"
