"""Real-world value maps (PS3.3 C.7.6.16.2.11): values of pixels that have neither a rescale nor a modality LUT.

Beside a rescale a map gives a second meaning (a quantity in its own unit); the rescale is what is read then, and a map
that says something else is noted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.tag import Tag

from scantune.io.dicom_numbers import NotANumberError, in_sign, numbers
from scantune.io.dicom_tables import Table
from scantune.records import ReadError

SEQUENCE = "RealWorldValueMappingSequence"
_FIRST, _LAST, _SLOPE, _INTERCEPT, _DATA = 0x00409216, 0x00409211, 0x00409225, 0x00409224, 0x00409212
_FLOAT_FIRST, _FLOAT_LAST, _UNITS = 0x00409214, 0x00409213, 0x004008EA
_NAMES = {
    _FIRST: "RealWorldValueFirstValueMapped",
    _LAST: "RealWorldValueLastValueMapped",
    _SLOPE: "RealWorldValueSlope",
    _INTERCEPT: "RealWorldValueIntercept",
    _DATA: "RealWorldValueLUTData",
    _FLOAT_FIRST: "DoubleFloatRealWorldValueFirstValueMapped",
    _FLOAT_LAST: "DoubleFloatRealWorldValueLastValueMapped",
}


@dataclass(frozen=True)
class RealWorld:
    """A map.

    Attributes:
        low: lowest stored value that it covers.
        high: highest one.
        slope: of a linear map.
        intercept: of a linear map.
        entries: value of each stored value from ``low`` to ``high``, in place of a linear map.
        unit: its code, upper case.
    """

    low: float
    high: float
    slope: float
    intercept: float
    entries: tuple[float, ...] | None
    unit: str

    @property
    def table(self) -> Table | None:
        """The entries as a table."""
        if self.entries is None:
            return None
        return Table(int(self.low), np.array(self.entries), 64)


def real_world(items: Iterable[Dataset], signed: bool, allocated: int) -> RealWorld:
    """The one map that items of the sequence state.

    Args:
        items: of the sequence.
        signed: whether stored values are.
        allocated: bits of a stored value.

    Raises:
        ReadError: none, several that differ, one that cannot be read or contradicts itself.
    """
    maps = list(dict.fromkeys(_map(item, signed, allocated) for item in items))
    if not maps:
        raise ReadError(f"{SEQUENCE} is empty")
    if len(maps) > 1:
        units = ", ".join(sorted({one.unit for one in maps if one.unit.isascii() and len(one.unit) <= 16}))
        raise ReadError(
            f"{len(maps)} real-world value maps ({units or 'no units'}) and no rescale: which of them gives the "
            "values cannot be told; convert it to NIfTI by the one that is meant"
        )
    return maps[0]


def beside_rescale(items: Iterable[Dataset], signed: bool, allocated: int, rescale: tuple[float, float]) -> str | None:
    """A note where maps say something else than the rescale (slope and intercept) that is read."""
    try:
        maps = {_map(item, signed, allocated) for item in items}
    except ReadError:
        return f"{SEQUENCE} cannot be read; the rescale is applied"
    other = [one for one in maps if one.entries is not None or not np.allclose((one.slope, one.intercept), rescale)]
    return "a real-world value map differs from the rescale, which is applied" if other else None


def _map(item: Dataset, signed: bool, allocated: int) -> RealWorld:
    data = _numbers(item, _DATA)
    exact = _one(item, _FLOAT_FIRST), _one(item, _FLOAT_LAST)
    low, high = exact if None not in exact else (_one(item, _FIRST), _one(item, _LAST))
    if low is None or high is None:
        missing = _FIRST if low is None else _LAST
        raise ReadError(f"{_NAMES[missing]} is missing")
    if exact == (None, None):
        low, high = (in_sign(value, signed, allocated) for value in (low, high))
    if high < low:
        raise ReadError(f"a real-world value map runs from {low:g} to {high:g}")
    unit = _unit(item)
    if data:
        if len(data) != high - low + 1:
            raise ReadError(f"{_NAMES[_DATA]} has {len(data)} entries for stored values from {low:g} to {high:g}")
        return RealWorld(low, high, 1.0, 0.0, tuple(data), unit)
    slope, intercept = _one(item, _SLOPE), _one(item, _INTERCEPT)
    if slope is None or intercept is None:
        raise ReadError(f"{_NAMES[_SLOPE if slope is None else _INTERCEPT]} is missing")
    if slope == 0:
        raise ReadError(f"{_NAMES[_SLOPE]} is 0")
    return RealWorld(low, high, slope, intercept, None, unit)


def _unit(item: Dataset) -> str:
    sequence: Any = item.get(Tag(_UNITS))
    return str(sequence.value[0].get("CodeValue", "") or "").upper() if sequence is not None and sequence.value else ""


def _one(item: Dataset, tag: int) -> float | None:
    values = _numbers(item, tag)
    if len(values) > 1 or not np.isfinite(values).all():
        raise ReadError(f"{_NAMES[tag]} has {len(values)} values where one finite one belongs")
    return values[0] if values else None


def _numbers(item: Dataset, tag: int) -> list[float]:
    try:
        return numbers(item.get_item(Tag(tag)) if Tag(tag) in item else None, tag)
    except NotANumberError as error:
        raise ReadError(f"{_NAMES[tag]} is not a number: {error}") from error
