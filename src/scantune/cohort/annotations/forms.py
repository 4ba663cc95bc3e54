"""Annotations of whatever form, which is seen from their content."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from scantune.amounts import number_of
from scantune.cohort.annotations import contours, cvat, shapes, tables, unread
from scantune.cohort.annotations.areas import Annotated, Mark
from scantune.cohort.annotations.images import Images, size_fault
from scantune.cohort.annotations.run_lengths import Counting
from scantune.cohort.annotations.tables import Read
from scantune.cohort.faults import CohortError
from scantune.cohort.file_names import TABLES
from scantune.cohort.table import read_table
from scantune.io.folders import system_folder

ENDINGS = (".xml", ".json")
"""Of files with outlines, as a folder of them is read."""
_SOME = 8  # names in a message
_MOST_MEGABYTES = 300  # of a file
XML, LABELME, VIA, CVAT = "ImageScope or ASAP", "labelme", "VIA", "CVAT"


@dataclass
class _Gathering:
    """What files of outlines say so far.

    Attributes:
        images: that they name.
        by_image: path of the image → its annotations, and their file.
        left: what has no area, by number.
        lost: names that are of no image.
        faults: what is wrong.
    """

    images: Images
    by_image: dict[str, tuple[Annotated, Path]] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        marks: Sequence[Mark],
        path: Path,
        left: Mapping[str, int],
        stated: tuple[Any, Any] = (None, None),
    ) -> None:
        """The annotations of one image.

        Args:
            name: of the image, as they have it.
            marks: what is marked.
            path: their file.
            left: kinds of what has no area, by number.
            stated: height and width of the image as they have it.
        """
        files = self.images.find(name, path)
        if len(files) > 1:
            self.faults.append(f"{path.name}: {name!r} can be {' or '.join(files[:3])}: state their folder, --images")
        if not files:
            self.lost.append(name)
        if len(files) != 1:
            return
        size = self.images.size(files[0])
        other = [n for n in stated if isinstance(n, int | float)]
        if not isinstance(size, str) and len(other) == 2:
            wrong = size_fault((other[0], other[1]), size, files[0])
            self.faults += [f"{path.name}: {wrong}"] if wrong else []
        if files[0] in self.by_image:
            self.faults.append(self._twice(name, files[0], path))
            return
        self.by_image[files[0]] = Annotated(files[0], name, list(marks)), path
        self.left.update(left)

    def _twice(self, name: str, image: str, path: Path) -> str:
        """What is wrong where an image has annotations already."""
        first, file = self.by_image[image]
        if file == path:
            return (
                f"{path.name}: {first.name!r} and {name!r} are both of {image}: remove the one that is of another image"
            )
        return (
            f"{image} is annotated in {file} and in {path}: by two readers? Convert each one's folder, or files "
            "('*_reader1.json'), by itself (the second's masks are `rater_masks` of the dataset)"
        )

    def read(self, told: Sequence[str], title: str) -> Read:
        """All of it.

        Raises:
            CohortError: what is wrong.
        """
        if self.faults:
            raise CohortError(title, self.faults)
        notes = [*told, *(f"{number} {what} are not drawn" for what, number in self.left.items() if number)]
        if self.lost:
            some = ", ".join(self.lost[:2])
            notes.append(f"{len(self.lost)} annotations are of no image below {self.images.folder} ({some})")
        return Read([annotated for annotated, _ in self.by_image.values()], notes)


def read(path: Path, images: Images, counting: Counting, category: str = "", rows: str = "") -> Read:
    """What a file or folder of annotations says of images.

    Args:
        path: of a table, an XML or JSON file, a folder with XML or JSON files, or their pattern (``*_reader1.json``).
        images: that they name.
        counting: of run lengths.
        category: column of a table, or attribute of VIA, with the categories.
        rows: ``column=value`` of the rows of a table that are read; "" for all.

    Raises:
        CohortError: it is none, or what is wrong in it.
    """
    if not files_of(path):
        texts = sorted(path.rglob("*.txt")) if path.is_dir() else []
        words = "name a table or another file, or a folder or pattern of XML or JSON files"
        words = unread.yolo_labels(texts) or words
        raise CohortError(f"no annotations {path}", [words])
    if path.suffix.lower() in TABLES and not path.is_dir():
        table = tables.with_rows(read_table(path, repeated=True, max_megabytes=tables.MEGABYTES), rows, path)
        if not shapes.is_via_table(table.columns):
            return tables.read(table, path, images, counting, category)
        into = _Gathering(images)
        _add_via(shapes.via_rows(table.rows, path), path, category, into)
        return into.read([f"{path.name}: regions of VIA"], f"annotations {path.name}")
    if rows or counting != Counting():
        options = "--rows is" if rows else "--order, --starts and --first are"
        raise CohortError(f"annotations {path.name}", [f"{options} of tables, and these are none: leave it out"])
    return _outlines(path, images, category)


def files_of(path: Path) -> list[Path]:
    """The XML and JSON files below a folder, those of a pattern, or the one file, by name."""
    if not path.is_dir():
        return [path] if path.is_file() else sorted(p for p in path.parent.glob(path.name or "*") if p.is_file())
    files: list[Path] = []
    for base, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not system_folder(name))
        files += [Path(base, n) for n in sorted(names) if n.lower().endswith(ENDINGS) and not n.startswith(".")]
    return files


def _outlines(path: Path, images: Images, category: str) -> Read:
    """Outlines of a file, or of all files of a folder; those of another kind in it are counted."""
    into, kinds, others = _Gathering(images), Counter[str](), list[str]()
    for file in files_of(path):
        try:
            kind = _add_file(file, category, into)
        except CohortError as error:
            into.faults += [f"{file.name}: {fault}" for fault in error.faults]
            continue
        kinds[kind] += bool(kind)
        others += [] if kind else [file.name]
    title = f"annotations {path.name}"
    if not into.faults and not any(kinds.values()):
        known = "CVAT, ImageScope, ASAP, labelme and VIA have outlines that are read, and tables run lengths"
        raise CohortError(
            title, [f"nothing that can be drawn: {next(filter(None, map(unread_of, files_of(path))), known)}"]
        )
    if category and not into.faults and not kinds[VIA]:
        raise CohortError(title, ["--category is a column of a table or an attribute of VIA, and there is neither"])
    told = [f"{number_of(number, 'file')} of {kind}" for kind, number in kinds.items() if number]
    if others:
        told.append(f"{number_of(len(others), 'file is', 'files are')} something else ({', '.join(others[:_SOME])})")
    return into.read(told, title)


def form_of(path: Path) -> tuple[str, Any]:
    """Whose form an XML or JSON file has, "" for none that is known, and what it contains.

    Raises:
        CohortError: it is too large, or neither XML nor JSON.
    """
    megabytes = path.stat().st_size / 1e6
    if megabytes > _MOST_MEGABYTES:
        words = f"it has {megabytes:,.0f} MB; at most {_MOST_MEGABYTES} are read"
        raise CohortError(f"annotations {path.name}", [words])
    if path.suffix.lower() == ".xml":
        root = contours.tree_of(path)
        if cvat.is_form(root):
            return CVAT, root
        return (XML if contours.is_form(root) else ""), root
    content = shapes.content_of(path)
    if shapes.is_labelme(content):
        return LABELME, content
    images = shapes.via_images(content)
    return (VIA, images) if images is not None else ("", content)


def unread_of(path: Path) -> str:
    """What an XML or JSON file of no form that is read is, and what to export instead; "" where it is not known."""
    try:
        form, content = form_of(path)
    except CohortError:
        return ""
    if form:
        return ""
    return unread.unread_xml(content) if isinstance(content, Element) else unread.unread_json(content)


def _add_file(path: Path, category: str, into: _Gathering) -> str:
    """Add what one XML or JSON file says; whose form it is, "" for none that is known."""
    form, content = form_of(path)
    left = Counter[str]()
    if form == XML:
        into.add(path.stem, contours.marks_of(content, path, left), path, left)
    if form == CVAT:
        for name, shape, marks, without in cvat.images_of(content, path):
            into.add(name, marks, path, without, shape)
    if form == LABELME:
        name, size, marks = shapes.of_labelme(content, path, left)
        into.add(name if into.images.find(name, path) else path.stem, marks, path, left, size)
    if form == VIA:
        _add_via(content, path, category, into)
    return form


def _add_via(images: Sequence[Mapping[str, Any]], path: Path, category: str, into: _Gathering) -> None:
    chosen = shapes.via_category(images, category, path)
    for image in images:
        left = Counter[str]()
        into.add(str(image["filename"]), shapes.of_via(image, chosen, path, left), path, left)
