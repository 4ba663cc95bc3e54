"""Run lengths of masks, as tables have them: starts and lengths of runs of pixels, ``5 3 15 4``.

Kaggle's tables count pixels from 1, down the columns (SIIM-ACR, Severstal, HuBMAP, Data Science Bowl 2018); some count
along the rows (Sartorius, UW-Madison), and SIIM-ACR's starts are relative to the end of the run before, from 0. What a
table does not say follows from its runs where it can: they lie in the picture, do not overlap, and go on from line to
line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from scantune.cohort.annotations.areas import Order, Runs
from scantune.cohort.faults import CohortError, Fault

Starts = Literal["absolute", "relative"]
_NOTHING = {"", "-1", "-1.0", "nan", "none", "null", "na", "n/a", "[]"}
_HEADER = re.compile(
    r"encoded.?pixels|(^|[ _-])rle([ _-]|$)|run.?lengths?|^(annotation|encoding|pixel|segmentation|mask)s?$", re.I
)  # fmt: skip
_LOOKED = 300  # cells
_LONG = 8  # numbers of a cell from which on a column of another name can be run lengths
_COMPARED = 60  # masks that tell the order
_CLEAR = 0.1  # difference of the shares of neighbours from which on the order is known


@dataclass(frozen=True)
class Counting:
    """How runs are counted; None where it is to follow from them.

    Attributes:
        order: down the columns, or along the rows; without a sign of either down the columns.
        starts: of the whole picture, or of what follows the run before.
        first: number of the first pixel.
    """

    order: Order | None = None
    starts: Starts | None = None
    first: int | None = None


@dataclass(frozen=True)
class Cell:
    """Run lengths of a picture.

    Attributes:
        row: of the table.
        numbers: int64 [2 N], starts and lengths.
        shape: H, W of the picture.
    """

    row: int
    numbers: np.ndarray
    shape: tuple[int, int]


def is_nothing(cell: str) -> bool:
    """Whether a cell says that nothing is marked: empty, -1, NaN."""
    return cell.strip().lower() in _NOTHING


def numbers_of(cell: str) -> np.ndarray | None:
    """Starts and lengths, int64 [2 N]; None for a text that is none."""
    text = cell.strip().strip("[]()").replace(",", " ").replace(";", " ")
    parts = text.split()
    if not parts or len(parts) % 2 or not all(part.isdecimal() and len(part) < 16 for part in parts):
        return None
    return np.array(parts, dtype=np.int64)


def column_of(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    """The column of run lengths: by its name and cells, or by its long cells alone; "" where there is none."""
    for column in sorted(columns, key=lambda c: not _HEADER.search(c.strip())):
        cells = [row[column] for row in rows if not is_nothing(row[column])][:_LOOKED]
        read = [numbers_of(cell) for cell in cells]
        known = [len(numbers) for numbers in read if numbers is not None]
        if known and _HEADER.search(column.strip()) and len(known) * 2 >= len(read):
            return column
        if len(known) == len(read) > 0 and max(known) >= _LONG and len(set(known)) > 2:
            return column
    return ""


@dataclass
class Decoded:
    """Run lengths of a table as pixels.

    Attributes:
        runs: of each cell.
        notes: how they were counted, in words.
        faults: what is wrong, by row; without runs.
        evident: what the runs leave no doubt of, None for the rest.
    """

    runs: list[Runs] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    evident: Counting = Counting()


def decoded(cells: Sequence[Cell], counting: Counting) -> Decoded:
    """The runs of each cell.

    Args:
        cells: all of a table.
        counting: what is known.
    """
    first = counting.first
    zero = any((cell.numbers[::2] == 0).any() for cell in cells)
    ways: dict[Starts, int] = {"absolute": (0 if zero else 1) if first is None else first, "relative": first or 0}
    wrong = {way: _wrong(cells, way, start) for way, start in ways.items()}
    way, reason = (counting.starts, "as stated") if counting.starts else _way(cells, wrong)
    if wrong[way]:
        return Decoded(faults=wrong[way])
    placed = [_placed(cell.numbers, way, ways[way]) for cell in cells]
    order, told, clear = _order(cells, placed, counting.order)
    from_one = f"the first pixel is {ways[way]}" if way == "absolute" else "relative to the end of the run before"
    if way == "absolute" and first is None and not zero:
        from_one += ", as most tables count; --first 0 where yours counts from 0"
    evident = Counting(
        order if clear else None,
        way if wrong["relative" if way == "absolute" else "absolute"] else None,
        0 if zero and way == "absolute" else None,
    )
    notes = [f"starts are {way} ({from_one}; {reason})", told]
    return Decoded([Runs(starts, lengths, order) for starts, lengths in placed], notes, evident=evident)


def shared_counting(stated: Counting, evident: Mapping[str, Counting]) -> Counting:
    """How the tables of all partitions are counted: as stated, else as those do that show it.

    Args:
        stated: what is known.
        evident: name of the partition → what its runs show.

    Raises:
        CohortError: two partitions show different ways.
    """
    values: dict[str, Any] = {}
    for key, value in vars(stated).items():
        sides = {getattr(one, key): side for side, one in evident.items() if getattr(one, key) is not None}
        if value is None and len(sides) > 1:
            words = " and ".join(f"{side} shows {way}" for way, side in sides.items())
            raise CohortError("run lengths", [f"{key}: {words}: state --{key}, or convert each partition by itself"])
        values[key] = next(iter(sides), None) if value is None else value
    return Counting(**values)


def _placed(numbers: np.ndarray, way: Starts, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts from 0 and lengths, by start; runs of no length are none."""
    starts, lengths = numbers[::2].copy(), numbers[1::2]
    if way == "relative":
        starts = np.cumsum(starts + lengths) - lengths
    starts, lengths = starts[lengths > 0] - first, lengths[lengths > 0]
    by_start = np.argsort(starts, kind="stable")
    return starts[by_start], lengths[by_start]


def _wrong(cells: Sequence[Cell], way: Starts, first: int) -> list[Fault]:
    """Cells whose runs leave the picture or overlap."""
    faults = []
    for cell in cells:
        starts, lengths = _placed(cell.numbers, way, first)
        height, width = cell.shape
        if not starts.size:
            continue
        end = int((starts + lengths).max())
        if starts[0] < 0:
            faults.append(Fault(f"a run starts at 0, and the first pixel is {first}: state --first 0", cell.row))
        elif end > height * width:
            words = f"runs end at pixel {end}, and the picture of {width}×{height} has {height * width}"
            faults.append(Fault(f"{words}: is it a copy of another size?", cell.row))
        elif (starts[1:] < (starts + lengths)[:-1]).any():
            faults.append(Fault("runs overlap", cell.row))
    return faults


def _way(cells: Sequence[Cell], wrong: Mapping[Starts, Sequence[Fault]]) -> tuple[Starts, str]:
    """Whether starts are absolute, and why: relative ones fit every picture where most are wrong as absolute ones."""
    several = sum(len(cell.numbers) > 2 for cell in cells)
    if not wrong["absolute"]:
        if several and not wrong["relative"]:
            return "absolute", "relative ones would fit too: --starts relative reads them so"
        return "absolute", "so they fit the pictures"
    if len(wrong["absolute"]) * 2 > several and len(wrong["relative"]) < len(wrong["absolute"]):
        return "relative", f"as absolute ones {len(wrong['absolute'])} of {len(cells)} masks would be wrong"
    return "absolute", "most fit so"


def _order(
    cells: Sequence[Cell], placed: Sequence[tuple[np.ndarray, np.ndarray]], stated: Order | None
) -> tuple[Order, str, bool]:
    """The order of pixels, why, and whether it is clear: by how often marked pixels go on in the next line."""
    shares: dict[Order, float] = {"columns": 0.0, "rows": 0.0}
    some = [(cell, runs) for cell, runs in zip(cells, placed, strict=True) if len(runs[0]) > 2]
    some = [pair for pair in some if abs(pair[0].shape[0] - pair[0].shape[1]) > 1][:_COMPARED]
    for cell, (starts, lengths) in some:
        height, width = cell.shape
        line = Runs(starts, lengths, "rows").pixels((1, height * width))[0]
        steps: dict[Order, int] = {"columns": height, "rows": width}
        for order, step in steps.items():
            shares[order] += float((line[step:] & line[:-step]).sum() / line.sum() / len(some))
    likely: Order = "columns" if shares["columns"] >= shares["rows"] else "rows"
    names: dict[Order, str] = {"columns": "down the columns", "rows": "along the rows"}
    clear = abs(shares["columns"] - shares["rows"]) > _CLEAR
    if stated is not None:
        unlike = clear and likely != stated
        more = f", although they join from line to line better {names[likely]} (--order {likely})" if unlike else ""
        return stated, f"pixels are counted {names[stated]}, as stated{more}", False
    if clear:
        other = shares["rows" if likely == "columns" else "columns"]
        percent = f"{shares[likely]:.0%} of the marked pixels go on in the next line, the other way {other:.0%}"
        return likely, f"pixels are counted {names[likely]}: {percent}", True
    unknown = (
        "pixels are counted down the columns, as most such tables have them; square pictures and few runs do not show "
        "it: look at the masks in scantune check, and if they are turned about the diagonal, --order rows turns them"
    )
    return "columns", unknown, False
