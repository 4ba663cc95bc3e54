"""The command that turns annotations of a folder or table into masks, and what a table of run lengths says besides."""

from __future__ import annotations

import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scantune.cohort.annotations.forms import CVAT, VIA, form_of, unread_of
from scantune.cohort.annotations.run_lengths import column_of, is_nothing
from scantune.cohort.annotations.unread import keyed_texts, yolo_labels
from scantune.cohort.faults import CohortError
from scantune.proposal.listing import Listing, spread, stem
from scantune.proposal.named_sides import CODED
from scantune.proposal.source import Content
from scantune.records import ScantuneError

LEFT_OUT = "columns that differ between the rows of a file are left out"
_MASKS = "a table for a segmentation, by: scantune convert masks"
_SNIFFED = 6  # files of outlines that are looked at
_MARKED = ("label", "marked", "has mask")  # names of the column of what has a mask


def masks_command(annotations: Mapping[str, Path], images: Path, out: Path, *, coco: bool = False) -> str:
    """The command that draws annotations as masks, in words.

    Args:
        annotations: side ("" for all) to file or folder.
        images: folder of the images.
        out: new folder.
        coco: of COCO, whose images are elsewhere without a folder.
    """
    sides = [f"{side}={path}" if side else str(path) for side, path in annotations.items()]
    first = next(iter(annotations.values()))
    folder = os.path.relpath(images, first if first.is_dir() else first.parent)
    seen = [] if folder == "." and not coco else ["--images", folder]
    return f"{_MASKS} {shlex.join([*sides, *seen, '--out', str(out)])}"


def with_command(error: ScantuneError, notes: Sequence[str]) -> ScantuneError:
    """An error with the notes of the command for masks, of columns that are left out, and of sides as numbers."""
    told = [note for note in notes if _MASKS in note or note.startswith((LEFT_OUT, CODED))]
    return ScantuneError("\n".join([str(error), *told])) if told else error


def beside_root(root: Path) -> Path:
    """A folder for masks beside that of the files."""
    return root.resolve().parent / f"{root.resolve().name}_masks"


def out_of(listing: Listing, name: str) -> Path:
    """A folder for masks: in the root where images lie in folders below it, else beside it."""
    flat = any("/" not in file for file in listing.names)
    return beside_root(listing.root) if flat else listing.root / f"{name}_masks"


def with_marks(content: Content, path: Path, listing: Listing) -> Content:
    """A table with 1 where a row has run lengths of a mask and 0 where it says that there is none; itself without any.

    Args:
        content: the table.
        path: its file.
        listing: the files.
    """
    runs = column_of(content.columns, content.rows)
    if not runs:
        return content
    marked = next((name for name in _MARKED if name not in content.columns), runs)
    columns = [marked if column == runs else column for column in content.columns]
    rows = [
        {marked if c == runs else c: str(int(not is_nothing(cell))) if c == runs else cell for c, cell in row.items()}
        for row in content.rows
    ]
    words = f"{runs!r} has run lengths of masks: {marked!r} is 1 where there are some"
    notes = [*content.notes, words, runs_note({"": path}, listing)]
    return replace(content, columns=columns, rows=rows, anew=True, marked=marked, notes=notes)


def runs_note(paths: Mapping[str, Path], listing: Listing) -> str:
    """The note that has the command for tables of run lengths by their partitions."""
    out = out_of(listing, next(iter(paths.values())).stem)
    return f"the run lengths become masks, and {masks_command(paths, listing.root, out)}"


def outlines_note(listing: Listing) -> list[str]:
    """The command for outlines in XML or JSON files of a folder; of several readers' folders one each."""
    names = [name for name in listing.documents if name.rpartition("/")[2] != "dataset.json"]
    forms = {name: _form(listing.root / name) for name in spread(names, _SNIFFED)}
    known = {form for form in forms.values() if form}
    if not known:
        return _unread(listing, names)
    endings = tuple({Path(name).suffix.lower() for name, form in forms.items() if form})
    fitting = [name for name in names if name.lower().endswith(endings)]
    if known & {VIA, CVAT}:
        paths = [listing.root / name for name, form in forms.items() if form in (VIA, CVAT)]
    else:
        paths = [listing.root / folder for folder in _folders(fitting, listing.names)]
    commands = [masks_command({"": path}, listing.root, out_of(listing, path.stem)) for path in paths]
    what = f"{len(fitting)} files have outlines of {' and '.join(sorted(known))}, which become masks, and"
    more = [f"those in {path} are another reader's: {command}" for path, command in zip(paths[1:], commands[1:])]
    return [f"{what} {commands[0]}", *more]


def _unread(listing: Listing, names: Sequence[str]) -> list[str]:
    """A note of annotations of a form that is not read."""
    told = next(filter(None, (unread_of(listing.root / name) for name in spread(names, _SNIFFED))), "")
    texts = [name for name in listing.tables if name.lower().endswith(".txt")]
    told = told or yolo_labels([listing.root / name for name in spread(texts, _SNIFFED)])
    return [f"annotations that are not read are {told}"] if told else []


def keys_note(listing: Listing) -> list[str]:
    """A note of texts of keys and values, one a folder."""
    names = {name.rpartition("/")[0]: name for name in reversed(listing.texts)}
    told = keyed_texts([listing.root / name for name in spread(sorted(names.values()), _SNIFFED)])
    some = ", ".join(sorted(names.values())[:2])
    return [f"texts that are not read ({some}) are {told}"] if told else []


def _form(path: Path) -> str:
    try:
        return form_of(path)[0]
    except (CohortError, OSError):
        return ""


def _folders(names: Sequence[str], images: Sequence[str]) -> list[str]:
    """The folder of all files; where several are of one image, the folders of several readers."""
    folders: dict[str, set[str]] = defaultdict(set)
    for name in names:
        folders[os.path.dirname(name)].add(stem(name))
    drawn, there = Counter(map(stem, names)), Counter(map(stem, images))
    again = [name for name, number in drawn.items() if there[name] and number > there[name]]
    if len(again) * 2 > len(drawn) and len(folders) > 1:
        return sorted(folders)
    return [os.path.commonpath(list(folders))] if "" not in folders else [""]
