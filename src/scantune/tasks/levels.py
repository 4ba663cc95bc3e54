"""The level of a grouping column that a cell stands for: its text, the band of an age, or unknown."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from scantune.statistics.ages import is_age, years

UNKNOWN = "unknown"


def age_band(text: str, bands: Sequence[float]) -> str:
    """The band of an age: ``<2``, ``2–<12`` … ``≥80``; ``unknown`` where it is none."""
    age = years(text)
    if age != age:
        return UNKNOWN
    place = bisect_right(bands, age)
    if place == 0:
        return f"<{bands[0]:g}"
    return f"≥{bands[-1]:g}" if place == len(bands) else f"{bands[place - 1]:g}–<{bands[place]:g}"


def level(column: str, text: str, bands: Sequence[float]) -> str:
    """The level of a cell of a column; of an age its band where there are any; what is a band already
    (``18–40``, ``60-69``) stays."""
    if not (is_age(column) and bands):
        return text or UNKNOWN
    band = age_band(text, bands)
    return text if band == UNKNOWN and any(letter.isdigit() for letter in text) else band


def unlike(column: str, present: set[str], stated: set[str]) -> str | None:
    """What is wrong with levels that are stated of a column in a case mix; None where they are those of the rows."""
    missing, extra = stated - present, present - stated
    if not (missing or extra):
        return None
    named = ", ".join(sorted(map(str, missing or extra)))
    what = "is no level of the tested rows" if missing else "has no share"
    return f"case mix of {column}: {named} {what}; the levels are {', '.join(sorted(present))}"
