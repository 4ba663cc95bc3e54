"""Rows whose ids stand in the headers of DICOM files alone: patient, accession number, UIDs."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

from scantune import io
from scantune.proposal.folders import images_of
from scantune.proposal.listing import Listing, are_dicom, first_file
from scantune.proposal.matching import Rows

_FEWEST = 4  # ids that must be in headers
_HEADERS = 20_000  # files whose headers are read


@lru_cache(maxsize=1)
def _with_ids(listing: Listing) -> dict[tuple[str, str], list[str]]:
    """Keyword and id → files that have it; empty where files are not DICOM, or very many."""
    images = images_of(listing)
    if not images or len(images) > _HEADERS:
        return {}
    if not are_dicom(listing.root, images):
        return {}
    with_id: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in images:
        for keyword, text in io.read_ids(first_file(listing.root / name)).items():
            with_id[keyword, text].append(name)
    return dict(with_id)


def by_header(columns: list[str], rows: Rows, listing: Listing) -> tuple[str, str, list[list[str]]]:
    """The column whose cells most headers have, the keyword, and the files of each row; "" where few have.

    Args:
        columns: of the table.
        rows: cells by column.
        listing: the files.
    """
    with_id = _with_ids(listing)
    keywords = sorted({keyword for keyword, _ in with_id})
    tried = [
        (len({row[c] for row in rows if (k, row[c].removesuffix(".0")) in with_id}), -keywords.index(k), c, k)
        for c in columns for k in keywords
    ]  # fmt: skip
    count, _, column, keyword = max(tried, default=(0, 0, "", ""))
    if count < _FEWEST:
        return "", "", []
    return column, keyword, [with_id.get((keyword, row[column].removesuffix(".0")), []) for row in rows]
