"""What registries and people write where a value is missing: words, and numbers that lie apart from all others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

#: Words and signs, in lower case; those of an empty cell (:data:`scantune.class_names.EMPTY`) are not among them.
WORDS = frozenset(
    {
        ".", "..", "-", "--", "?", "missing", "unknown", "unk", "not available", "not applicable", "not recorded",
        "nd", "n.d.", "n.a.", "k.a.", "k. a.", "tbd", "fehlt", "unbekannt",
        '"', "''", "〃", "ditto", "dto.", "idem",
    }
)  # fmt: skip
#: Numbers of registries.
CODES = (-9, -99, -999, -9999, -99999, 99, 999, 9999, 99999)

_MINUS = ("-", "--")
_PLUS = re.compile(r"\d?\s*\++")


def words(texts: Iterable[str], known: frozenset[str] = WORDS) -> list[str]:
    """Those of a column's different texts that are among ``known``; beside ``+`` (or ``2+``), ``-`` is negative."""
    texts = [*dict.fromkeys(texts)]
    values = _MINUS if any(_PLUS.fullmatch(text.strip()) for text in texts) else ()
    return [text for text in texts if (word := text.strip().casefold()) in known and word not in values]


def codes(numbers: Sequence[str]) -> list[str]:
    """Those of a column's numbers that registries write for missing ones, where they lie apart from all others."""
    distinct = {text: float(text) for text in set(numbers)}
    found: list[str] = []
    for text, value in sorted(distinct.items(), key=lambda pair: -abs(pair[1])):
        if value not in CODES:
            continue
        others = [v for t, v in distinct.items() if t not in found and t != text]
        if len(others) < 2:
            continue
        low, high = min(others), max(others)
        if value < 0 <= low or value > high + max(2 * (high - low), 0.5 * abs(high), 5):
            found.append(text)
    return found
