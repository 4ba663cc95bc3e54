"""Rows that lead to several files: a folder of pictures, all scans of a subject, an image of each eye."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from scantune import io
from scantune.amounts import number_of
from scantune.cohort.folders import SIDES
from scantune.cohort.template import fields, fill
from scantune.proposal import headings
from scantune.proposal.folders import images_of, of_pairing
from scantune.proposal.headers import by_header
from scantune.proposal.listing import Listing, mask_rank, spread, stem
from scantune.proposal.matching import by_chance, by_id, by_parents, by_path, files_of
from scantune.proposal.naming import subject_pattern
from scantune.proposal.own_cells import side_of_body, telling, with_own_cells, words_of
from scantune.proposal.pairing import few_values, paired
from scantune.proposal.sides import of_path, of_table
from scantune.proposal.source import FILE, MASK, SPLIT, Source
from scantune.proposal.widening import agreed

_FEWEST = 4
_MORE = 1.3  # samples a row that ids lead to, from which on a template of one file is too few
_MOST = 0.95  # share of the rows with a file from which columns of files are complete


def expanded(source: Source, listing: Listing) -> Source | None:
    """The source with a row for each sample; None where a row is a sample."""
    if _by_numbers(source, listing):  # those of the folders that a PACS exports are not the patients'
        stated = _by_header(source, listing, surer=True)
        if stated is not None:
            return stated
    return (
        _by_columns(source, listing)
        or _of_each_side(source, listing)
        or _by_folder_or_id(source, listing)
        or _by_header(source, listing)
    )


def _by_numbers(source: Source, listing: Listing) -> bool:
    """Whether files are found by short numbers in their names alone, which cells have by chance too, or not at all."""
    if _count(source.files) >= _FEWEST:
        return all(by_chance(column, source.rows) for column in source.ids)
    column, _ = by_id(source.columns, source.rows, replace(listing, names=tuple(images_of(listing))))
    return not column or by_chance(column, source.rows)


def _by_columns(source: Source, listing: Listing) -> Source | None:
    """Two or more columns of files that are no masks: channels where they are volumes, else samples of one subject."""
    used = fields(source.template)
    if len(used) != 1 or not source.template.endswith(f"{{{used[0]}}}"):
        return None
    folder = source.template.removesuffix(f"{{{used[0]}}}")
    found = {used[0]: source.files}
    for column in source.columns:
        if column in used or mask_rank(column) or _recurs(source, column):
            continue
        files = max((files_of(f"{prefix}{{{column}}}", source.rows, listing) for prefix in ("", folder)), key=_count)
        if not _count(files):
            files = by_path([column], source.rows, listing)[1]
        apart = {f for f in files if f}.isdisjoint({f for own in found.values() for f in own})
        if _count(files) >= max(_FEWEST, _MOST * _count(source.files)) and apart and not any(map(mask_rank, files)):
            found[column] = files
    if len(found) == 1:
        return None
    drawn = [c for c, own in found.items() if few_values(listing.root, [f for f in own if f])]
    if len(drawn) == 1 and len(found) == 2:
        return _with_drawn(source, found, drawn[0])
    columns = sorted(found, key=source.columns.index)
    volumes = {io.kind_of(listing.root / f) for own in found.values() for f in spread([f for f in own if f], 2)}
    if volumes <= {"nifti", "gzip", "nrrd", "metaimage"}:
        whole = [i for i in range(len(source.rows)) if all(found[c][i] for c in columns)]
        kept = source.some(whole).rewritten({c: [found[c][i] for i in whole] for c in columns})
        kept.notes.append(f"columns {', '.join(columns)} are channels of one sample: they must show one position")
        kept.files = [found[columns[0]][i] for i in whole]
        return replace(kept, template=f"{{{columns[0]}}}", channels=[f"{{{c}}}" for c in columns[1:]])
    places = [(i, c) for i in range(len(source.rows)) for c in columns if found[c][i]]
    result = _repeated(source, [i for i, _ in places], [found[c][i] for i, c in places])
    result.add_column("image_column", [c for _, c in places])
    result = with_own_cells(result, [c for _, c in places])
    result.notes.append(
        f"columns {', '.join(columns)} name a file each: every file is a sample of the row's subject, with the row's "
        "target (which image a sample is stands in the column 'image_column')"
    )
    return result


def _with_drawn(source: Source, found: Mapping[str, Sequence[str]], drawn: str) -> Source:
    """Rows of an image and its mask, told by their values."""
    (image,) = found.keys() - {drawn}
    whole = [i for i in range(len(source.rows)) if all(own[i] for own in found.values())]
    files, masks = ([found[c][i] for i in whole] for c in (image, drawn))
    kept = replace(source.some(whole), files=files).rewritten({FILE: files, MASK: masks})
    kept = replace(kept, columns=[c for c in kept.columns if c not in found or c in (FILE, MASK)])
    note = f"column {drawn!r} is taken for the masks of column {image!r}: their files have few values"
    return replace(kept, template=f"{{{FILE}}}", masks=f"{{{MASK}}}", notes=[*kept.notes, note])


def _of_each_side(source: Source, listing: Listing) -> Source | None:
    """Rows of a subject whose files have one name but for the side, or visit, of which a template names one alone."""
    words = telling(source.columns)
    stated = words & {*words_of(re.sub(r"\{.*?\}", " ", source.template))}
    if not stated or side_of_body(source.origin.rpartition(".")[0]) or _count(source.files) < _FEWEST:
        return None
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in images_of(listing):
        own = words_of(name)
        if words & {*own}:
            alike[tuple(word for word in own if word not in words)].append(name)
    *_, last = re.finditer(r"\{.*?\}", source.template)
    in_order = sorted(name for names in alike.values() for name in names)
    files: list[list[str]] = []
    for row, file in zip(source.rows, source.files, strict=True):
        start = fill(source.template[: last.end()], row) if file else ""
        first = bisect_left(in_order, start) if file else len(in_order)
        end = next((i for i in range(first, len(in_order)) if not in_order[i].startswith(start)), len(in_order))
        named = in_order[first:end]
        whole = {name for name in named if not name[len(start) : len(start) + 1].isdecimal()}
        same = alike[tuple(word for word in words_of(file) if word not in words)] if file else []
        files.append(sorted({*whole, *same}))
    if 2 * sum(len(own) > 1 for own in files) < _count(source.files):
        return None
    return _grouped(source, listing, next(iter(fields(source.template)), ""), files)


def _recurs(source: Source, column: str) -> bool:
    """Whether most cells of a column are in other rows too: classes 0 and 1 name no files such as ``P01/0.png``."""
    cells = [row[column] for row in source.rows if row[column]]
    return 2 * len(set(cells)) <= len(cells)


def _by_folder_or_id(source: Source, listing: Listing) -> Source | None:
    """Rows that name a folder of pictures, or an id that several pictures have."""
    usual = {f for f in source.files if f}
    named = (files_of(f"{{{column}}}", source.rows, listing) for column in source.columns)
    above = (by_parents(column, source.rows, listing) for column in source.columns if not usual)
    for folders in (source.files, *named, *above):
        if _count(folders) * 2 <= len(folders):
            continue
        if not (listing.root / next(filter(None, folders))).is_dir():
            continue
        inside = _inside(set(images_of(listing)), set(folders) - {""})
        if not inside:  # series of slices, which are samples
            return None
        return _grouped(source, listing, "", [inside.get(folder, []) for folder in folders])
    images = replace(listing, names=tuple(images_of(listing)))
    column, files = by_id(source.columns, source.rows, images)
    count, before = sum(map(bool, files)), len(usual)
    if not column or count < _FEWEST or (before and count < 0.9 * before):
        return None
    whole = before >= _MOST * len(source.rows) and by_chance(column, source.rows)
    if before > count or whole or _by_paths(source, column) or (before and _one_each(source, files, listing)):
        return None
    return _grouped(source, listing, column, files)


def _by_paths(source: Source, column: str) -> bool:
    """Whether cells with a folder are the files' own paths: what has such a name in another folder is of no row."""
    pairs = [
        (row[column].replace("\\", "/"), file) for row, file in zip(source.rows, source.files, strict=True) if file
    ]
    return bool(pairs) and sum("/" in cell and file.endswith(cell) for cell, file in pairs) >= _MOST * len(pairs)


def _by_header(source: Source, listing: Listing, surer: bool = False) -> Source | None:
    """Rows whose ids stand in the headers of DICOM files alone; ``surer`` than those in names."""
    count = _count(source.files)
    match = by_header(source.columns, source.rows, listing) if surer or count < _FEWEST else None
    if match is None or (surer and not match.surer_than(count)):
        return None
    found = _grouped(source, listing, match.column, match.files)
    if found:
        found.notes += [f"column {match.column!r} is {match.keyword} in the headers of the DICOM files", *match.notes]
    return found


def _inside(images: set[str], folders: set[str]) -> dict[str, list[str]]:
    """Folder → images in it and below; empty where folders are images themselves."""
    if images & folders:
        return {}
    inside: dict[str, list[str]] = defaultdict(list)
    for image in sorted(images):
        parts = image.split("/")
        for height in range(1, len(parts)):
            folder = "/".join(parts[:height])
            if folder in folders:
                inside[folder].append(image)
    return inside


def _one_each(source: Source, files: Sequence[Sequence[str]], listing: Listing) -> bool:
    """Whether ids lead to hardly more samples than the template: masks beside images are no samples."""
    names = sorted({name for own in files for name in own})
    samples = len(paired(listing.root, names).images)
    return samples < _MORE * sum(map(bool, source.files))


def _grouped(source: Source, listing: Listing, column: str, files: Sequence[Sequence[str]]) -> Source | None:
    """A row for each sample among the files of a row, with its mask and channels."""
    source = replace(source, notes=list(source.notes))
    rows_of: dict[str, list[int]] = defaultdict(list)
    for i, own in enumerate(_of_one_side(source, files, listing)):
        for name in own:
            rows_of[name].append(i)
    row_of = {name: own[0] for name, own in rows_of.items()}
    images = set(images_of(listing))
    names = sorted(n for n in row_of if n in images)
    if len(names) < _FEWEST:
        return None
    pairing = paired(listing.root, names)
    base = of_pairing(source.name, source.root, pairing)
    places = [row_of[images[0]] for images in pairing.images]
    result = _repeated(source, places, [images[0] for images in pairing.images], column)
    for cell in (c for c in base.columns if c != FILE):
        result.add_column(cell, [row[cell] for row in base.rows])
    result = replace(
        result, template=base.template, channels=base.channels, masks=base.masks, region=base.region,
        rater_masks=base.rater_masks, structures=base.structures, overlapping=base.overlapping,
    )  # fmt: skip
    differing: set[str] = set()
    for row, channels in zip(result.rows, pairing.images, strict=True):
        cells, unlike = agreed([source.rows[i] for i in rows_of[channels[0]]], source.columns)
        row |= {c: cells[c] for c in unlike}
        differing |= set(unlike)
    if differing:
        listed = ", ".join(sorted(differing)[:6])
        result.notes.append(f"several rows lead to one file: where they differ, in {listed}, the cell is empty")
    several = len(places) - len(set(places))
    result = with_own_cells(result, [channels[0] for channels in pairing.images]) if several else result
    result.ids = [column] if column else []
    what = f"with the ids in column {column!r}" if column else "in the folders that rows name"
    result.notes += [
        f"files {what}: {len(places)} samples of {len(set(places))} of {len(source.rows)} rows are in the table that "
        "is written" + ("; samples of one row are of one subject" if several else ""),
        *base.notes,
    ]
    return result


def _of_one_side(source: Source, files: Sequence[Sequence[str]], listing: Listing) -> list[list[str]]:
    """The files of each row; of those that partitions have under one name, the one of the row's or table's partition.

    Partitions often number their files anew: ``train/001.png`` and ``test/001.png`` are of two subjects.
    """
    stated = of_table(source.origin, listing.tables)
    kept, unclear = [], 0
    for row, own in zip(source.rows, files, strict=True):
        names = Counter(stem(name) for name in own)
        side = SIDES.get(row.get(SPLIT, "").lower(), "") or stated
        again = len({of_path(name) for name in own}) > 1 and max(names.values()) > 1
        unclear += again and not side
        kept.append([name for name in own if not again or (side and of_path(name) == side)])
    if unclear:
        source.notes.append(
            f"{number_of(unclear, 'row')} left out: files of several partitions have the name, and nothing says of "
            "which the row is: name the table after its partition, or add a column of paths"
        )
    return kept


def _repeated(source: Source, places: Sequence[int], files: Sequence[str], column: str = "") -> Source:
    """A row for each file, and a column of the subject where rows have several and no column says it."""
    rows = [dict(source.rows[i]) for i in places]
    result = replace(source, columns=list(source.columns), rows=rows, files=list(files), table=None, header=1)
    if FILE not in result.columns:
        result.columns.insert(0, FILE)
    for row, file in zip(result.rows, files, strict=True):
        row[FILE] = file
    result.template = f"{{{FILE}}}"
    if len(set(places)) < len(places) and headings.subject_of(source.columns, source.rows) is None:
        part = subject_pattern(files)
        matches = [re.search(part.pattern, file) for file in files] if part else []
        people = [m.group(1 if m.re.groups else 0).lower() for m in matches if m]
        if len(people) < len(files) or any(len({p for p, i in zip(people, places) if i == k}) > 1 for k in set(places)):
            people = [source.rows[i][column] if column else f"row {i + 1}" for i in places]
        result.add_column("subject", people)
    return result


def _count(files: Sequence[str]) -> int:
    return len({f for f in files if f})
