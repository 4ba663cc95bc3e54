"""What in a table and in headers looks like names, dates, addresses or record numbers: counts, never the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from scantune import io
from scantune.preprocess.sources import parts
from scantune.records import ReadError, Record

#: Cells that look like what identifies: dates, DICOM names, mail addresses, long numbers.
_IDENTIFYING = {
    "dates": re.compile(r"\b(19|20)\d\d[-/.]?[01]\d[-/.]?[0-3]\d\b|\b[0-3]?\d[-/.][01]?\d[-/.](19|20)?\d\d\b"),
    "names": re.compile(r"[A-Za-z]{2,}\^[A-Za-z]{2,}|\b[A-Z][a-z]{2,}[ ,_]+[A-Z][a-z]{2,}\b"),
    "addresses": re.compile(r"[^\s@]+@[^\s@]+\.[a-z]{2,}"),
    "long numbers": re.compile(r"\d{8,}"),
}
#: Ids that are digests of ours: of a path, and keyed.
_DIGEST = re.compile(r"s[0-9a-f]{12}|[0-9a-f]{16}")
#: The digest at the end of an id that had to be made unique.
_TAIL = re.compile(r"_([0-9a-f]{6}|[0-9a-f]{8})$")


def in_table(records: Sequence[Record]) -> dict[str, dict[str, int]]:
    """Ids and group values that look like names, dates, addresses or record numbers."""
    columns: dict[str, list[str]] = {
        "sample ids": [r.sample_id for r in records],
        "subject ids": sorted({r.subject_id for r in records}),
    }
    for group in records[0].groups if records else ():
        columns[f"group {group}"] = [r.groups[group] for r in records]
    by_column: dict[str, dict[str, int]] = {}
    for name, texts in columns.items():
        hits = {kind: sum(bool(rule.search(t)) for t in without_digests(texts)) for kind, rule in _IDENTIFYING.items()}
        if any(hits.values()):
            by_column[name] = {kind: count for kind, count in hits.items() if count}
    return by_column


def in_headers(records: Sequence[Record], headers: Callable[[Path], list[str]] | None) -> dict[str, dict[str, int]]:
    """Identifying header items by name (never by value), of each record's first file."""
    look = headers or io.identifying_in
    counts: Counter[str] = Counter()
    for record in records:
        try:
            files = parts(record.files[0])
            counts.update(look(files[0]) if files else [])
        except (ReadError, OSError):
            continue  # already reported as a reason for exclusion
    return {"header": dict(counts.most_common())} if counts else {}


def without_digests(texts: Sequence[str]) -> list[str]:
    """Texts of a column without the digests that scantune itself made of paths and ids: they identify nobody.

    What has the form of a digest counts as one where most of the column's have letters; digits alone may be numbers.
    """
    whole = [text.removeprefix("s") for text in texts if _DIGEST.fullmatch(text)]
    tails = [match[1] for text in texts if (match := _TAIL.search(text))]
    bare = [_TAIL.sub("", text) for text in texts] if _with_letters(tails) else list(texts)
    return [text for text in bare if not _DIGEST.fullmatch(text)] if _with_letters(whole) else bare


def _with_letters(digests: Sequence[str]) -> bool:
    return 2 * sum(bool(re.search("[a-f]", digest)) for digest in digests) > len(digests)
