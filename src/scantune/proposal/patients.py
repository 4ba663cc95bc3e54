"""Whose DICOM files are: the patients' ids in their headers, as digests, where nothing else says the subject."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from scantune import io
from scantune.proposal import headings
from scantune.proposal.folders import SUBJECT
from scantune.proposal.listing import are_dicom, first_file
from scantune.proposal.source import CONTENT, FILE, Source

_MOST = 20_000  # files whose headers are read
_THREADS = 4


def with_patients(source: Source) -> Source:
    """The source with a column of digests where several DICOM files are of one patient and no column says of which."""
    named = None if source.class_folders else headings.subject_of(source.columns, source.rows)
    if named or source.subject_from:
        return source
    if len(source.files) > _MOST or not are_dicom(source.root, source.files):
        return source
    with ThreadPoolExecutor(_THREADS) as pool:
        owners = list(pool.map(lambda file: io.read_owner(first_file(source.root / file))[0], source.files))
    if not all(owners) or not 1 < len(set(owners)) < len(owners):
        return source
    if source.class_folders:
        kept = [c for c in source.columns if c != SUBJECT and any(row[c] for row in source.rows)]
        source = replace(source, class_folders=False, columns=kept)
    written = replace(source.rewritten({FILE: source.files, CONTENT: owners}), template=f"{{{FILE}}}")
    written.notes.append(
        f"the DICOM files state their patients: {len(set(owners))} of {len(owners)} files, by digests of their ids in "
        f"the column {CONTENT!r}"
    )
    return written
