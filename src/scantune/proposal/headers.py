"""Rows whose ids stand in the headers of DICOM files alone: patient, accession number, UIDs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
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

    Ids that differ in zeros in front, signs between and case are one (a spreadsheet turns ``001200`` into 1200), where
    that makes no two ids of the headers, or of the column, alike.

    Args:
        columns: of the table.
        rows: cells by column.
        listing: the files.
    """
    with_id = _with_ids(listing)
    keywords = sorted({keyword for keyword, _ in with_id})
    found = {k: _of_forms({text: files for (kind, text), files in with_id.items() if kind == k}) for k in keywords}
    cells = {c: [row[c].removesuffix(".0") for row in rows] for c in columns}
    forms = {c: _forms(own) for c, own in cells.items()}
    tried = [
        (len({cell for cell in own if _of(cell, forms[c], found[k])}), -keywords.index(k), c, k)
        for c, own in cells.items() for k in keywords
    ]  # fmt: skip
    count, _, column, keyword = max(tried, default=(0, 0, "", ""))
    if count < _FEWEST:
        return "", "", []
    return column, keyword, [_of(cell, forms[column], found[keyword]) for cell in cells[column]]


def _of(cell: str, forms: Mapping[str, str], found: Mapping[str, list[str]]) -> list[str]:
    """Files of an id as it is written, else of its plain form."""
    return found.get(cell) or found.get(forms.get(cell, ""), [])


def _of_forms(files: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Ids of headers and their plain forms → files."""
    return {**{form: files[text] for text, form in _forms(files).items()}, **files}


def _forms(texts: Iterable[str]) -> dict[str, str]:
    """Id → its plain form, where no other id has the same."""
    forms = {text: re.sub(r"[^a-z0-9]", "", text.casefold()).lstrip("0") for text in set(texts)}
    alike = Counter(forms.values())
    return {text: form for text, form in forms.items() if form and alike[form] == 1}
