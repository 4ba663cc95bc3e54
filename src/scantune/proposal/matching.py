"""Rows of a table to files below a folder: by a template of columns, or row by row by the names of files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from scantune.cohort.template import fill
from scantune.proposal.listing import Listing, mask_rank, stem

_ENDINGS = ("", ".nii.gz", ".nii", ".dcm", ".png", ".jpg", ".jpeg", ".avi", ".mp4")
_PICTURE = re.compile(r"im(g|age)|film|photo|scan", re.I)
_EXAMPLES = 3  # rows whose cells are searched for in the names of files
_NAMES = 20_000  # files that are searched
_TRIED = 200  # templates that are tried on all rows

Rows = Sequence[Mapping[str, str]]


def by_template(columns: Sequence[str], rows: Rows, listing: Listing, table: str) -> tuple[str, list[str]]:
    """The template that leads to the most different files, and the file of each row ("" where there is none).

    Args:
        columns: of the table.
        rows: cells by column.
        listing: the files.
        table: name of the table, which decides between folders that match equally.
    """
    candidates = [f"{{{column}}}{ending}" for column in columns for ending in _ENDINGS]
    candidates = [c for c in candidates if any(files_of(c, rows[:50], listing))]
    candidates += _from_names(columns, rows[:_EXAMPLES], listing)[:_TRIED]
    scored = [(files_of(template, rows, listing), template) for template in dict.fromkeys(candidates)]
    if not scored:
        return "", [""] * len(rows)

    def score(item: tuple[list[str], str]) -> tuple[int, bool, int, bool]:
        files, template = item
        folder, _, base = template.lower().rpartition("/")
        named = bool(folder) and folder in table.lower()
        return (
            len({f for f in files if f}),
            named,
            -mask_rank(base),
            _PICTURE.search(re.sub(r"\{.*?\}", "", base)) is not None,
        )

    files, template = max(scored, key=score)
    return template, files


def files_of(template: str, rows: Rows, listing: Listing) -> list[str]:
    """The file that a template leads to for each row, "" where there is none."""
    texts = (fill(template, row).removeprefix("./") for row in rows)
    root = listing.root.absolute().as_posix() + "/"
    return [text if (text := one.removeprefix(root)) and text in listing.known else "" for one in texts]


def by_stem(columns: Sequence[str], rows: Rows, listing: Listing) -> tuple[str, list[str]]:
    """The column whose cells name most files without folder or ending, and the file of each row.

    Where several files have one name, the one whose folders stand in other cells of the row is taken, else none.
    """
    named: dict[str, list[str]] = defaultdict(list)
    for name in listing.names:
        named[stem(name)].append(name)
    best: tuple[str, list[str]] = ("", [""] * len(rows))
    for column in columns:
        files = [_one(named.get(stem(row[column]), ()), row) for row in rows]
        if len({f for f in files if f}) > len({f for f in best[1] if f}):
            best = (column, files)
    return best


def _one(names: Sequence[str], row: Mapping[str, str]) -> str:
    if len(names) <= 1:
        return names[0] if names else ""
    cells = [cell.lower() for cell in row.values() if cell]
    fitting = [n for n in names if all(any(p in c for c in cells) for p in n.lower().split("/")[-2:-1])]
    return fitting[0] if len(fitting) == 1 else ""


def _from_names(columns: Sequence[str], rows: Rows, listing: Listing) -> list[str]:
    """Templates that the names of files suggest: where cells of the first rows stand in them."""
    templates: dict[str, None] = {}
    for row in rows:
        long = sorted(((v, c) for c, v in row.items() if len(v) >= 2), key=lambda pair: -len(pair[0]))
        whole = [(c, row[c].removesuffix(".0")) for c in columns if row[c].removesuffix(".0").isdecimal()]
        for name in listing.names[:_NAMES]:
            if any(value in name for value, _ in long):
                templates[_replaced(name, long)] = None
            templates |= dict.fromkeys(_padded(name, whole))
    return list(templates)


def _replaced(name: str, cells: Sequence[tuple[str, str]]) -> str:
    template = name
    for value, column in cells:
        parts = re.split(r"(\{.*?\})", template)
        template = "".join(p if p.startswith("{") else p.replace(value, f"{{{column}}}", 1) for p in parts)
    return template


def _padded(name: str, whole: Sequence[tuple[str, str]]) -> list[str]:
    """Templates with a whole number where a name has it filled up with zeros."""
    folder, slash, base = name.rpartition("/")
    names = []
    for match in re.finditer(r"(?<!\d)0\d{1,8}(?!\d)", base):
        digits = match.group()
        field = [c for c, value in whole if value.zfill(len(digits)) == digits]
        names += [f"{folder}{slash}{base[: match.start()]}{{{c}:0{len(digits)}d}}{base[match.end() :]}" for c in field]
    return names
