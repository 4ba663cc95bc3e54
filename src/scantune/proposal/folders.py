"""A folder without a table: class folders, images with masks, or images of which nothing more is known."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from scantune import io
from scantune.cohort.faults import CohortError
from scantune.cohort.folders import SIDES, load_folders
from scantune.proposal.listing import Listing, mask_rank, spread, stem
from scantune.proposal.source import FILE, MASK, REGION, SPLIT, Source
from scantune.records import ScantuneError

_LOOKED = 20  # files whose format is looked at
_NOISE = re.compile(
    r"(training|train|testing|test|validation|val|image|img|mask|label|manual|annotation|annot|segmentation|seg|gt)\d*",
    re.I,
)


def of_folder(root: Path, name: str, listing: Listing) -> Source:
    """Samples of a folder by its layout.

    Raises:
        ScantuneError: it contains no images.
    """
    names = _samples(listing)
    if not names:
        raise ScantuneError(f"{root}: no images below it (of {len(listing.names)} files)")
    paired = _pairs(root, name, names)
    if paired:
        return paired
    try:
        records = load_folders(root.absolute())
        if len({tuple(r.targets.values()) for r in records}) > 1 and all(
            io.kind_of(p) != "unknown" for p in _some(records)
        ):
            files = [record.files[0].relative_to(root.absolute()).as_posix() for record in records]
            rows = [{"label": r.targets["label"], "split": r.split or ""} for r in records]
            return Source(name, root, ["label", "split"], rows, files, "", class_folders=True)
    except CohortError:
        pass
    source = Source(name, root, [FILE], [{FILE: n} for n in names], names, f"{{{FILE}}}")
    source.notes.append(
        "no labels and no masks are known: add a column to the table that is written and run init on it"
    )
    return source


def _some(records: Sequence[object]) -> list[Path]:
    step = max(1, len(records) // _LOOKED)
    return [record.files[0] for record in records[::step]]  # type: ignore[attr-defined]


def _samples(listing: Listing) -> list[str]:
    """Images below the root; a folder of several DICOM slices is one."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for name in listing.names:
        by_folder[name.rpartition("/")[0]].append(name)
    samples: list[str] = []
    for folder, names in by_folder.items():
        kinds = {io.kind_of(listing.root / name) for name in spread(names, 3)}
        if folder and len(names) > 2 and kinds <= {"dicom", "dicom without preamble"}:
            samples.append(folder)
        elif kinds != {"unknown"}:
            samples += names
    return sorted(samples)


def _pairs(root: Path, name: str, names: Sequence[str]) -> Source | None:
    """Images with masks of the same name, or of names that differ in words such as "mask"; None without such pairs."""
    ranks = {n: mask_rank(n) for n in names}
    best = max(ranks.values())
    drawn = [n for n in names if ranks[n] == best] if best else []
    plain = [n for n in names if ranks[n] == 0]
    readers = sorted({n.rpartition("/")[0].rpartition("/")[2] for n in drawn})
    first = [n for n in drawn if n.rpartition("/")[0].rpartition("/")[2] == readers[0]] if len(readers) > 1 else drawn
    masks: dict[tuple[str, str], str] = {}
    for mask in first:
        masks.setdefault(_key(mask), mask)
    pairs = [(image, masks[_key(image)]) for image in plain if _key(image) in masks]
    if len(pairs) < 4 or len(pairs) * 2 < len(plain):
        return None
    rows = [{FILE: image, MASK: mask, SPLIT: _side(image)} for image, mask in pairs]
    columns = [FILE, MASK, *([SPLIT] if all(row[SPLIT] for row in rows) else [])]
    rows = [{c: row[c] for c in columns} for row in rows]
    source = Source(name, root, columns, rows, [i for i, _ in pairs], f"{{{FILE}}}", masks=f"{{{MASK}}}")
    alone = [image for image in plain if _key(image) not in masks]
    if alone:
        source.notes.append(f"{len(alone)} images have no mask and are not in the table ({', '.join(alone[:3])})")
    unused = len(set(first) - {mask for _, mask in pairs})
    if unused:
        source.notes.append(f"{unused} masks have no image")
    if len(readers) > 1:
        _add_readers(source, readers, drawn)
    fields = {_key(n): n for n in names if ranks[n] == 1} if best == 2 else {}
    if fields and all(_key(row[FILE]) in fields for row in source.rows):
        _add_column(source, REGION, [fields[_key(row[FILE])] for row in source.rows])
        source.region = f"{{{REGION}}}"
        source.notes.append(
            "files named mask beside the drawn structures are taken for fields of view, which metrics are limited to"
        )
    elif fields:
        source.notes.append("files named mask beside the drawn structures are not of all images and not used")
    return source


def _add_readers(source: Source, folders: Sequence[str], drawn: Sequence[str]) -> None:
    """Columns for the masks of the readers beside the first, each in a folder of that name."""
    source.notes.append(f"masks are those in {folders[0]!r}")
    for folder in folders[1:]:
        masks = {_key(n): n for n in drawn if n.rpartition("/")[0].rpartition("/")[2] == folder}
        cells = [masks.get(_key(row[FILE]), "") for row in source.rows]
        if folder.lower() in SIDES or not any(cells):
            source.notes.append(f"those in {folder!r} are not used")
            continue
        _add_column(source, folder, cells)
        source.rater_masks[folder] = f"{{{folder}}}"
        source.notes.append(f"those in {folder!r} are another reader's, for {sum(map(bool, cells))} images")


def _add_column(source: Source, column: str, cells: Sequence[str]) -> None:
    source.columns.append(column)
    for row, cell in zip(source.rows, cells, strict=True):
        row[column] = cell


def _key(name: str) -> tuple[str, str]:
    """What an image and its mask have in common: the side of the split, and the name without words for either."""
    bare = re.sub(r"[^a-z0-9]+", "_", _NOISE.sub("_", stem(name))).strip("_")
    return _side(name), bare


def _side(name: str) -> str:
    return next((SIDES[part.lower()] for part in name.split("/")[:-1] if part.lower() in SIDES), "")
