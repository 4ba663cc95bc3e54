"""Images of several subjects that are one image: left out by a filter, or of the table that is written."""

from __future__ import annotations

from dataclasses import replace

from scantune.amounts import number_of
from scantune.proposal.columns import Roles
from scantune.proposal.repeated import contradicted, repeated
from scantune.proposal.source import Source
from scantune.records import ScantuneError


def without_copies(source: Source, known: Roles) -> Source:
    """The source without files of other subjects that are there already: by a filter, or in the table to be written.

    Raises:
        ScantuneError: no other file is left.
    """
    subjects = [row[known.subject] for row in source.rows] if known.subject else None
    again = repeated(source.root, source.files, subjects)
    if not again:
        return source
    pairs = [f"{source.files[i]} = {source.files[first]}" for i, first in again.items()]
    note = f"{number_of(len(again), 'file is a copy', 'files are copies')} of others ({', '.join(pairs[:3])})"
    column = next((c for c in source.columns if len({row[c] for row in source.rows}) == len(source.rows)), "")
    if source.class_folders or (source.table is not None and not column):
        source.notes.append(f"{note}: remove them, or the split stops where two partitions have the same image")
        return source
    source.notes.append(f"{note}: left out")
    unsure = contradicted(again, [tuple(row[c] for c in known.target_columns()) for row in source.rows])
    if unsure:
        some = ", ".join(source.files[i] for i in sorted(unsure)[:2])
        source.notes.append(f"{len(unsure)} files that are the same have different targets ({some}): all are left out")
    out = sorted({*again, *unsure})
    if len(out) == len(source.files) and source.table is None:
        raise ScantuneError(f"{note}, with different targets: no image is left")
    for key in {"subject", "targets"} & known.reasons.keys():
        known.reasons[key] += "; counted with the copies"
    if source.table is not None:
        filters = known.dataset.setdefault("where", {})
        assert isinstance(filters, dict)
        filters[column] = {"exclude": [source.rows[i][column] for i in out]}
        more = f"; {known.reasons['where']}" if "where" in known.reasons else ""
        known.reasons["where"] = f"copies of other files{more}"
        return source
    kept = [i for i in range(len(source.rows)) if i not in set(out)]
    return replace(source, rows=[source.rows[i] for i in kept], files=[source.files[i] for i in kept])
