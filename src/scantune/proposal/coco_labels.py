"""COCO annotations as a table: a row for each image and the category of each of its annotations."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scantune.cohort.faults import CohortError
from scantune.cohort.folders import SIDES
from scantune.proposal.drawn import beside_root, masks_command
from scantune.proposal.listing import Listing
from scantune.proposal.source import FILE, SPLIT, Content
from scantune.proposal.widening import NO_FINDING

_CLASS = "class"
_LARGEST = 300e6  # bytes of a file that is read
_MOST = 30  # files of a folder that are looked at


def of_folder(root: Path, listing: Listing) -> tuple[Path, Content] | None:
    """The COCO files below a folder as one table, one for each partition; None where there is none.

    Args:
        root: the folder.
        listing: its files.

    Raises:
        CohortError: all images have one label.
    """
    by_side: dict[str, tuple[Path, dict[str, Any]]] = {}
    unused: list[str] = []
    documents = [name for name in listing.documents if name.lower().endswith(".json")]
    for name in sorted(documents[:_MOST], key=lambda n: ("instances" not in n, n)):
        try:
            content = _read(root / name)
        except CohortError:
            continue
        words = [SIDES[word] for word in re.split(r"[^a-z]+", name.lower()) if word in SIDES]
        side = words[-1] if words else ""
        if side in by_side:
            unused.append(name)
        by_side.setdefault(side, (root / name, content))
    if not by_side:
        return None
    table = _table(root, listing, by_side)
    table.notes += [f"{name} is not used: another file has annotations of the same partition" for name in unused]
    return next(iter(by_side.values()))[0], table


def of_file(path: Path, listing: Listing) -> Content:
    """A COCO file as a table.

    Raises:
        CohortError: it is too large, or no COCO file, or all images have one label.
    """
    return _table(listing.root, listing, {"": (path, _read(path))})


def _read(path: Path) -> dict[str, Any]:
    title = f"annotations {path.name}"
    if path.stat().st_size > _LARGEST:
        raise CohortError(title, [f"it has {path.stat().st_size / 1e6:,.0f} MB; at most {_LARGEST / 1e6:.0f} are read"])
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise CohortError(title, [f"not readable as JSON ({type(error).__name__})"]) from error
    needs = {"images": ("id", "file_name"), "annotations": ("image_id", "category_id"), "categories": ("id", "name")}
    for part, keys in needs.items():
        entries = content.get(part) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(e, dict) and set(keys) <= set(e) for e in entries):
            raise CohortError(
                title,
                [
                    f"no COCO annotations: {part!r} must be a list of objects with {' and '.join(keys)}; write its "
                    "labels as CSV, one row an image"
                ],
            )
    return content


def _table(root: Path, listing: Listing, by_side: Mapping[str, tuple[Path, dict[str, Any]]]) -> Content:
    named: dict[str, list[str]] = defaultdict(list)
    for name in listing.names:
        named[name.rpartition("/")[2]].append(name)
    partitioned = "train" in by_side and len(by_side) > 1
    rows: list[dict[str, str]] = []
    places: list[str] = []
    for side, (path, content) in by_side.items():
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        found: dict[Any, list[str]] = defaultdict(list)
        for annotation in content["annotations"]:
            found[annotation["image_id"]].append(names.get(annotation["category_id"], ""))
        here = os.path.relpath(path, root)
        for image in content["images"]:
            file = _file(str(image["file_name"]).replace("\\", "/"), named, Path(here).as_posix())
            for name in sorted(set(found[image["id"]])) or [NO_FINDING]:
                rows.append({FILE: file, _CLASS: name, **({SPLIT: side} if partitioned else {})})
                places.append(f"the image {image['file_name']} of {path.name}")
    columns, notes = [FILE, _CLASS, *([SPLIT] if partitioned else [])], _notes(root, by_side, rows)
    if len({row[_CLASS] for row in rows}) < 2:
        raise CohortError(", ".join(path.name for path, _ in by_side.values()), ["all images have one label", *notes])
    return Content(columns, rows, 0, notes, anew=True, places=places)


def _file(name: str, named: Mapping[str, Sequence[str]], here: str) -> str:
    """The file of an image: of several of its name the one nearest to the annotations; "" where it is not there."""
    fitting = [path for path in named.get(name.rpartition("/")[2], ()) if f"/{path}".endswith(f"/{name}")]
    fitting = fitting or list(named.get(name.rpartition("/")[2], ()))
    shared = {path: len(os.path.commonpath([f"/{path}", f"/{here}"])) for path in fitting}
    nearest = [path for path, length in shared.items() if length == max(shared.values())]
    return nearest[0] if len(nearest) == 1 else ""


def _notes(root: Path, by_side: Mapping[str, tuple[Path, dict[str, Any]]], rows: Sequence[dict[str, str]]) -> list[str]:
    files = ", ".join(path.name for path, _ in by_side.values())
    notes = [f"{files}: COCO annotations; the categories of an image's annotations are its labels"]
    drawn = any(
        annotation.get("segmentation") for _, content in by_side.values() for annotation in content["annotations"]
    )
    first = next((row[FILE] for row in rows if row[FILE]), "")
    if drawn and first:
        paths = {side: path for side, (path, _) in by_side.items()}
        _, content = next(iter(by_side.values()))
        name = str(content["images"][0]["file_name"]).replace("\\", "/")
        images = first.removesuffix(name) if first.endswith(name) else os.path.dirname(first)
        beside = root / images != root and all(path.parent != root for path in paths.values())
        out = root / "coco_masks" if beside else beside_root(root)
        notes.append(f"the outlines become masks, and {masks_command(paths, root / images, out, coco=True)}")
    return notes
