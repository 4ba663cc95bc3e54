"""Rows of a table to files below a folder: by a template of columns, or row by row by paths, names and ids."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence

from scantune.cohort.file_names import IMAGES, UPLOADED
from scantune.cohort.template import fields, fill
from scantune.proposal import headings
from scantune.proposal.listing import ENDING as _ENDING_OF
from scantune.proposal.listing import Listing, mask_rank, stem
from scantune.proposal.sides import of_path, of_table

_ENDINGS = ("", *IMAGES)
_PICTURE = re.compile(r"im(g|age)|film|photo|scan", re.I)
_EXAMPLES = 3  # rows whose cells are searched for in the names of files
_NAMES = 20_000  # files that are searched
_TRIED = 200  # templates that are tried
_LOOKED = 300  # rows on which all of them are tried
_SURE = 30  # files of these rows that the best leads to, from which on others are dropped
_WHOLE = 20  # templates that are tried on all rows of a long table
_SHORT = 5  # digits of a number up to which files can have it by chance
_BY_NUMBER = 0.5  # share of the rows that must lead to a file where such numbers alone do
_FEWEST = 4  # files that they must lead to
_USUAL = 0.9  # of the most rows that a column of ids leads to files, from which on another column is as good
_NAMED = 0.5  # share of cells with the ending of an image, from which on a column names files
_LONG = 6  # letters of a folder's name that is known wherever it lies
_RUNS = 6  # numbers in a file's name that are compared with a column

Rows = Sequence[Mapping[str, str]]


def by_template(columns: Sequence[str], rows: Rows, listing: Listing, table: str) -> tuple[str, list[str]]:
    """The template that leads to the most different files, and the file of each row ("" where there is none).

    Args:
        columns: of the table.
        rows: cells by column.
        listing: the files.
        table: path or name of the table, which decides between folders that match equally.
    """
    candidates = [f"{{{column}}}{ending}" for column in columns for ending in _ENDINGS]
    candidates = [c for c in candidates if any(files_of(c, rows[:50], listing))]
    candidates += _from_names(columns, rows[:_EXAMPLES], listing)[:_TRIED]
    chance = {c for c in columns if by_chance(c, rows)}
    scored = []
    for template in _promising(list(dict.fromkeys(candidates)), rows, listing):
        files, named = files_of(template, rows, listing), set(fields(template))
        count = len({f for f in files if f})
        few = count < max(_FEWEST, _BY_NUMBER * len(rows))
        if named <= chance and (few or any(headings.group_of(c) for c in named)):
            continue
        if count:
            scored.append((files, template, count, not named <= chance))
    if not scored:
        return "", [""] * len(rows)
    scored = _of_images(scored)

    def score(item: tuple[list[str], str, int, bool]) -> tuple[int, bool, bool, int, bool, int]:
        _, template, count, by_name = item
        folder, _, base = template.lower().rpartition("/")
        whole = re.sub(r"\{.*?\}", "", base)
        side = of_path(template)
        in_table = bool(folder) and (
            folder in table.lower() or (side != "" and side == of_table(table, listing.tables))
        )
        picture = _PICTURE.search(whole) is not None
        return count, in_table, by_name, -mask_rank(base), picture, -len(fields(template))

    files, template, _, _ = max(scored, key=score)
    return template, files


def _of_images(scored: list[tuple[list[str], str, int, bool]]) -> list[tuple[list[str], str, int, bool]]:
    """Without templates of masks by their names or folders, where others lead to half as many files as the best."""
    most = max(count for _, _, count, _ in scored)
    images = [one for one in scored if not mask_rank(re.sub(r"\{.*?\}", "", one[1])) and 2 * one[2] >= most]
    return images or scored


def _promising(templates: list[str], rows: Rows, listing: Listing) -> list[str]:
    """Of a long table the templates that lead to half as many files as the best, by some of the rows."""
    if len(rows) <= _LOOKED:
        return templates
    some = rows[:: -(-len(rows) // _LOOKED)]
    counts = {template: len(set(files_of(template, some, listing)) - {""}) for template in templates}
    most = max(counts.values(), default=0)
    leading = [template for template, count in counts.items() if 2 * count >= most or most < _SURE]
    return sorted(leading, key=lambda template: -counts[template])[:_WHOLE] if most else leading


def naming(columns: Sequence[str], rows: Rows) -> list[str]:
    """The columns of which most cells end as files of images do."""
    filled = {c: [row[c].strip().lower() for row in rows if row[c].strip()] for c in columns}
    ending = {c: sum(cell.endswith(IMAGES) for cell in cells) for c, cells in filled.items()}
    return [c for c, cells in filled.items() if cells and ending[c] >= _NAMED * len(cells)]


def by_chance(column: str, rows: Rows) -> bool:
    """Whether a column has short numbers alone, which names of files can contain by chance."""
    cells = [row[column].removesuffix(".0") for row in rows if row[column]]
    return all(cell.isdecimal() and len(cell) <= _SHORT for cell in cells)


def files_of(template: str, rows: Rows, listing: Listing) -> list[str]:
    """The file that a template leads to for each row, "" where there is none."""
    names = fields(template)
    texts = (
        fill(template, row).removeprefix("./").rstrip("/") if all(row.get(c) for c in names) else "" for row in rows
    )
    root = listing.root.absolute().as_posix() + "/"
    return [text if (text := one.removeprefix(root)) and text in listing.known else "" for one in texts]


def by_path(columns: Sequence[str], rows: Rows, listing: Listing) -> tuple[str, list[str]]:
    """The column whose cells name most files without ending, and the file of each row.

    Folders of a cell that are not there (``C:\\scans``, a prefix) are ignored; where several files have one name, the
    one that shares most of the folders above it is taken, else the one whose folders stand in other cells, else none.
    """
    named: dict[str, list[str]] = defaultdict(list)
    for name in sorted(listing.known):
        named[_stem(name)].append(name)
    best: tuple[str, list[str]] = ("", [""] * len(rows))
    for column in columns:
        if by_chance(column, rows) and headings.group_of(column):
            continue
        files = [_one(named, row[column].replace("\\", "/").rstrip("/"), row) for row in rows]
        if len({f for f in files if f}) > len({f for f in best[1] if f}):
            best = (column, files)
    return best


def by_parents(column: str, rows: Rows, listing: Listing) -> list[str]:
    """The folder that the lowest known folder of each cell's path names, "" for none: of paths of other files.

    A set that was converted has ``jpeg/1.3.6.1/1-249.jpg`` for ``Calc_P_00038/1.3.6.1/000000.dcm``.
    """
    named: dict[str, list[str]] = defaultdict(list)
    for folder in listing.known - frozenset(listing.names):
        named[folder.rpartition("/")[2].lower()].append(folder)
    found = []
    for row in rows:
        above = row[column].replace("\\", "/").lower().split("/")[-2::-1]
        known = (named[part] for part in above if len(part) >= _LONG and part in named)
        folders = next(known, [])
        found.append(folders[0] if len(folders) == 1 else "")
    return found


def _one(named: Mapping[str, Sequence[str]], cell: str, row: Mapping[str, str]) -> str:
    names = named.get(_stem(cell)) or named.get(_stem(UPLOADED.sub("", cell.rpartition("/")[2])), ())
    if len(names) <= 1:
        return names[0] if names else ""
    shared = {name: _shared(cell, name) for name in names}
    most = max(shared.values())
    nearest = [name for name, count in shared.items() if count == most]
    if most and len(nearest) == 1:
        return nearest[0]
    cells = [text.lower() for text in row.values() if text]
    fitting = [n for n in names if all(any(p in c for c in cells) for p in n.lower().split("/")[-2:-1])]
    return fitting[0] if len(fitting) == 1 else ""


def _stem(name: str) -> str:
    """A file's name without folder and ending, its umlauts composed: some systems store them in two characters."""
    return unicodedata.normalize("NFC", stem(name))


def _shared(cell: str, name: str) -> int:
    """Folders above the name that a cell and a file have in common."""
    count = 0
    for one, other in zip(cell.lower().split("/")[-2::-1], name.lower().split("/")[-2::-1], strict=False):
        if one != other:
            break
        count += 1
    return count


def by_id(columns: Sequence[str], rows: Rows, listing: Listing) -> tuple[str, list[list[str]]]:
    """The column whose ids most files have in a part of their path, and all files of each row.

    An id of letters, or of many digits, is a whole part of a path between signs: ``OAS1_0001_MR1`` of
    ``OAS1_0001_MR1_mpr.nii.gz``. A short number is one that stands at one place in all names: 2 of ``IXI002-Guys``.
    Of columns that lead as good as all rows to files, the one whose rows have files of their own is taken: the scan
    ``OAS2_0001_MR2``, and not its subject.
    """
    found: list[tuple[str, list[list[str]]]] = []
    for column in sorted(columns, key=lambda c: not headings.is_id(c)):
        if headings.group_of(column) or len({row[column] for row in rows}) * 2 < len(rows):
            continue
        chance = by_chance(column, rows)
        files = _by_number(column, rows, listing) if chance else _by_words(column, rows, listing)
        if any(files) and (not chance or sum(map(bool, files)) >= _BY_NUMBER * len(rows)):
            found.append((column, files))
    most = max((sum(map(bool, files)) for _, files in found), default=0)
    usual = [(column, files) for column, files in found if sum(map(bool, files)) >= _USUAL * most]
    if not usual:
        return "", [[] for _ in rows]
    return max(usual, key=lambda pair: len({tuple(own) for own in pair[1] if own}))


def _by_words(column: str, rows: Rows, listing: Listing) -> list[list[str]]:
    ids = [tuple(_words(_stem(row[column].replace("\\", "/")))) for row in rows]
    lengths = {len(words) for words in ids if words}
    wanted = {words for words in ids if words and (len(text := "".join(words)) > 2 or re.search(r"[a-z]\d", text))}
    files: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in listing.names:
        seen: set[tuple[str, ...]] = set()
        for part in _ENDING_OF.sub("", unicodedata.normalize("NFC", name).lower()).split("/"):
            words = _words(part)
            seen |= {tuple(words[i : i + n]) for n in lengths for i in range(len(words) - n + 1)} & wanted
        for one in seen:
            files[one].append(name)
    return [files.get(key, []) for key in ids]


def _by_number(column: str, rows: Rows, listing: Listing) -> list[list[str]]:
    places: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in listing.names:
        for place, digits in enumerate(re.findall(r"\d+", _ENDING_OF.sub("", name))[:_RUNS]):
            places[place][int(digits)].append(name)
    numbers = [row[column].removesuffix(".0") for row in rows]
    found = [[at[int(n)] if n.isdecimal() and int(n) in at else [] for n in numbers] for at in places.values()]
    return max(found, key=lambda files: sum(map(bool, files)), default=[[] for _ in rows])


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text)


def _from_names(columns: Sequence[str], rows: Rows, listing: Listing) -> list[str]:
    """Templates that the names of files suggest: where cells of the first rows stand in them."""
    templates: dict[str, None] = {}
    for row in rows:
        long = sorted(
            ((row[c], c) for c in columns if len(row[c]) >= 2 and not set("{}") & set(c)),
            key=lambda pair: -len(pair[0]),
        )
        whole = [(c, row[c].removesuffix(".0")) for c in columns if row[c].removesuffix(".0").isdecimal()]
        short = [(row[c].removesuffix(".0"), c) for c in columns if re.fullmatch(r"[A-Za-z]|\d(\.0)?", row[c])]
        for name in listing.names[:_NAMES]:
            named = any(value in name for value, _ in long)
            bases = [_replaced(name, long), _replaced(name, long, "|/")] if named else []
            bases += _padded(name, whole)
            for base in bases:
                templates |= dict.fromkeys([base, *_with_short(base, short)])
    return list(templates)


def _replaced(name: str, cells: Sequence[tuple[str, str]], ends: str = "") -> str:
    """The name with each cell replaced once between two columns; with ``|/`` as ends once in each folder too."""
    template = name
    for value, column in cells:
        parts = re.split(rf"(\{{.*?\}}{ends})", template)
        template = "".join(p if p.startswith("{") else p.replace(value, f"{{{column}}}", 1) for p in parts)
    return template


def _with_short(template: str, cells: Sequence[tuple[str, str]]) -> list[str]:
    """The template with cells of one letter or digit too, of each column and of all: the 2 of ``{patient}_V2.png``."""

    def with_columns(chosen: Sequence[tuple[str, str]]) -> str:
        text = template
        for value, column in chosen:
            kind = r"\d" if value.isdecimal() else "[A-Za-z]"
            alone = rf"(?<!{kind})({'0*' if value.isdecimal() else ''}){value}(?!{kind})"

            def named(match: re.Match[str], column: str = column) -> str:
                return f"{{{column}:0{len(match[0])}d}}" if match[1] else f"{{{column}}}"

            parts = re.split(r"(\{.*?\}|/)", text)
            text = "".join(p if p.startswith("{") else re.sub(alone, named, p, count=1) for p in parts)
        return text

    free = [(value, column) for value, column in cells if f"{{{column}" not in template]
    texts = [with_columns(free), *(with_columns([one]) for one in free)] if free else []
    return [text for text in dict.fromkeys(texts) if text != template]


def _padded(name: str, whole: Sequence[tuple[str, str]]) -> list[str]:
    """Templates with a whole number where a name has it filled up with zeros."""
    names = []
    for match in re.finditer(r"(?<!\d)0\d{1,8}(?!\d)", name):
        digits = match.group()
        field = [c for c, value in whole if value.zfill(len(digits)) == digits]
        names += [f"{name[: match.start()]}{{{c}:0{len(digits)}d}}{name[match.end() :]}" for c in field]
    return names
