"""Annotations of any form → a mask PNG for each image and a table of both."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from scantune.amounts import number_of
from scantune.cohort.annotations.areas import Annotated, Outlines
from scantune.cohort.annotations.forms import read
from scantune.cohort.annotations.images import Images
from scantune.cohort.annotations.run_lengths import Counting, shared_counting
from scantune.cohort.annotations.tables import Read
from scantune.cohort.drawn import refuse_data_folder, shared_root, write_grey, write_label_names, write_rows
from scantune.cohort.faults import CohortError, nearest
from scantune.cohort.file_names import ENDING

_LABELS = 255


@dataclass
class Written:
    """What was written.

    Attributes:
        table: of images and masks.
        notes: how the annotations were read, and what is left out.
    """

    table: Path
    notes: list[str] = field(default_factory=list)


def masks_of(
    annotations: Mapping[str, Path],
    out_dir: Path,
    *,
    images: str = "",
    labels: Mapping[str, int] | str = "binary",
    root: Path | None = None,
    counting: Counting = Counting(),
    category: str = "",
    only: str = "",
    unlisted: bool = False,
) -> Written:
    """Draw what annotations mark as a PNG below ``out_dir/masks`` and list all in ``out_dir/cohort.csv``.

    Names of labels, unless all are one, stand in ``out_dir/labels.json``. The table has the columns of
    :func:`scantune.cohort.coco.masks_of_coco`, and those of the annotations' own table in which
    the rows of an image agree. An image that annotations name without anything marked gets an empty mask; one that they
    do not name is left out, and counted: it may not have been looked at.

    Args:
        annotations: side (train, validation, test; "" for all) to a table of run lengths, a CVAT, ImageScope or ASAP
            XML file, a labelme or VIA file, or a folder of these.
        out_dir: a new folder beside the images, never within theirs.
        images: folder of the images as seen from that of the annotations, which it is without.
        labels: "binary": 1 wherever anything is marked, written as 0 and 255. "category": numbers from 1 in the order
            of the names, or the names where these are numbers from 1 to 255. Or name → label, others are omitted.
        root: what the table's paths start from; without it the nearest folder that images and masks share.
        counting: how run lengths are counted.
        category: column of a table, or attribute of VIA, that has the categories.
        only: ``column=value`` of the rows of a table that are drawn; "" for all.
        unlisted: images that the annotations do not name get empty masks too.

    Raises:
        CohortError: ``out_dir`` lies within the folder of the images, it or they are not below ``root``, or what is
            wrong in the annotations, all at once.
    """
    target = out_dir.resolve()
    folder_of = {side: path if path.is_dir() else path.parent for side, path in annotations.items()}
    pictures = {side: Images(folder / images, without=target) for side, folder in folder_of.items()}
    contents = _contents(annotations, pictures, counting, category, only)
    folders: set[Path] = set()
    for side, path in annotations.items():  # all are checked before anything is written
        _check(path, contents[side], pictures[side])
        folders |= {(pictures[side].folder / one.image).parent for one in contents[side].annotated}
    refuse_data_folder(target, *sorted(folders))
    everything = [one for content in contents.values() for one in content.annotated]
    chosen, words = _labels(everything, labels)
    start = shared_root(root, target, *sorted(folders))
    result = Written(target / "cohort.csv")
    rows: list[dict[str, object]] = []
    overlapping, thin = list[str](), 0
    for side, content in contents.items():
        result.notes += content.notes
        listed = sorted([*content.annotated, *_others(content, pictures[side], unlisted, result.notes)], key=_image)
        for one, name in zip(listed, _names(listed, side), strict=True):
            mask, twice, without = _drawn(one, pictures[side], chosen)
            overlapping += [one.image] * twice
            thin += without
            path = target / "masks" / f"{name}.png"
            write_grey(path, mask * np.uint8(_LABELS) if labels == "binary" else mask)
            rows.append(_row(one, name, side, mask.shape, pictures[side].folder / one.image, path, start))
    result.notes += [_counts(everything), *words]
    if thin:
        result.notes.append(f"{thin} annotations are thinner than a pixel, and nothing is drawn of them")
    if overlapping:
        result.notes.append(
            f"{len(overlapping)} of {len(rows)} images have pixels of several categories ({', '.join(overlapping[:5])}"
            f"{', …' * (len(overlapping) > 5)}), which have the label of the last: to keep both, "
            "convert one category at a time (--labels NAME=1) and name all masks, with mask_overlap"
        )
    if labels != "binary":
        write_label_names(target, chosen)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    write_rows(result.table, [{column: row.get(column, "") for column in columns} for row in rows])
    return result


def _contents(
    annotations: Mapping[str, Path], pictures: Mapping[str, Images], counting: Counting, category: str, only: str
) -> dict[str, Read]:
    """What the annotations of each side say; run lengths of all sides are counted as those of any show."""
    contents = {side: read(path, pictures[side], counting, category, only) for side, path in annotations.items()}
    evident = {side: content.evident for side, content in contents.items() if content.evident is not None}
    shared = shared_counting(counting, evident)
    for side in evident if len(evident) > 1 and shared != counting else ():
        contents[side] = read(annotations[side], pictures[side], shared, category, only)
        contents[side].notes.append(f"{side}: what is not stated is counted as the runs of any partition show")
    return contents


def _image(one: Annotated) -> str:
    return one.image


def _common(files: Sequence[str]) -> str:
    """The folder that contains all files."""
    return os.path.commonpath([os.path.dirname(file) for file in files]) if files else ""


def _check(path: Path, content: Read, images: Images) -> None:
    """Raise what is wrong with the images and areas of one source."""
    faults: list[str] = []
    for one in content.annotated:
        shape = images.size(one.image)
        if isinstance(shape, str):
            faults.append(f"{one.image}: {shape}")
            continue
        outlines = [(mark.place, mark.area) for mark in one.marks if isinstance(mark.area, Outlines)]
        wrong = [(place, outline.fault(shape)) for place, outline in outlines]
        faults += [f"{one.image} ({place}): {words}" for place, words in wrong if words]
    if not content.annotated and not faults:
        faults.append(f"they name no image below {images.folder}: state the folder of the images, --images")
    if faults:
        raise CohortError(f"annotations {path.name}", faults)


def _labels(everything: Sequence[Annotated], labels: Mapping[str, int] | str) -> tuple[dict[str, int], list[str]]:
    """Category to label, and what is to be known of them."""
    names = sorted({mark.category for one in everything for mark in one.marks}, key=_by_number)
    if labels == "binary":
        several = f"{len(names)} categories ({', '.join(names[:8])}) are one label: --labels category keeps them apart"
        return dict.fromkeys(names, 1), [several] if len(names) > 1 else []
    if labels == "category":
        numbers = all(name.isdecimal() and 1 <= int(name) <= _LABELS for name in names)
        chosen = {name: int(name) if numbers else n for n, name in enumerate(names, 1)}
        if len(chosen) > _LABELS:
            raise CohortError("labels", [f"{len(chosen)} categories are more than the {_LABELS} labels of a mask"])
        return chosen, ["labels: " + ", ".join(f"{name or 'no name'} {n}" for name, n in chosen.items())]
    if isinstance(labels, str):
        raise CohortError("labels", [f"{labels!r} is not one of binary, category; or give names and numbers"])
    faults = [f"no category {name!r}; {nearest(name, names)}" for name in labels if name not in names]
    faults += [
        f"{name!r}: label {label} is not from 1 to 255" for name, label in labels.items() if not 1 <= label <= _LABELS
    ]
    if faults:
        raise CohortError("labels", faults)
    return dict(labels), []


def _by_number(name: str) -> tuple[int, str]:
    return (int(name) if name.isdecimal() and len(name) < 10 else 0, name)


def _others(content: Read, images: Images, unlisted: bool, notes: list[str]) -> list[Annotated]:
    """Images beside the annotated ones that no annotation names, where they get empty masks; a note counts them."""
    known = {one.image for one in content.annotated}
    endings = {_ending(name) for name in known}
    folder = _common(sorted(known))
    inside = [name for name in images.names if not folder or name.startswith(f"{folder}/")]
    others = [name for name in inside if name not in known and _ending(name) in endings]
    if not others:
        return []
    words = f"{number_of(len(others), 'image has', 'images have')} no annotation ({', '.join(others[:2])})"
    if unlisted:
        notes.append(f"{words} and get empty masks, as stated")
        return [Annotated(name, PurePosixPath(name).name) for name in others]
    notes.append(
        f"{words} and are not in the table: nothing says that nothing is to be seen in them; --unlisted-empty gives "
        "them empty masks"
    )
    return []


def _ending(name: str) -> str:
    match = ENDING.search(name)
    return match[0].lower() if match else ""


def _names(listed: Sequence[Annotated], side: str) -> list[str]:
    """Names of samples: those of the annotations where they differ, else the images' paths."""
    short = [ENDING.sub("", one.name.replace("\\", "/").rpartition("/")[2]) for one in listed]
    if len({name.casefold() for name in short}) < len(short):
        short = [ENDING.sub("", one.image).replace("/", "_") for one in listed]
    if len({name.casefold() for name in short}) < len(short):
        short = [one.image.replace("/", "_") for one in listed]
    plain = [re.sub(r"[^\w.\-]+", "_", name) for name in short]
    unique = plain if len(set(plain)) == len(plain) else [f"{name}_{i}" for i, name in enumerate(plain)]
    return ["_".join([side] * bool(side) + [name]) for name in unique]


def _drawn(one: Annotated, images: Images, chosen: Mapping[str, int]) -> tuple[np.ndarray, bool, int]:
    """uint8 [H, W], whether pixels have several categories, and the number of marks without a pixel."""
    shape = images.size(one.image)
    assert not isinstance(shape, str)
    mask, twice, thin = np.zeros(shape, np.uint8), False, 0
    for mark in one.marks:
        label = chosen.get(mark.category)
        if label is not None:
            inside = mark.area.pixels(shape)
            twice = twice or bool((inside & (mask > 0) & (mask != label)).any())
            thin += not inside.any()
            mask[inside] = label
    return mask, twice, thin


def _row(
    one: Annotated, name: str, side: str, shape: tuple[int, ...], image: Path, mask: Path, start: Path
) -> dict[str, object]:
    columns: dict[str, Any] = {
        "sample_id": name,
        "file": Path(os.path.relpath(image, start)).as_posix(),
        "mask": Path(os.path.relpath(mask, start)).as_posix(),
        "categories": " ".join(sorted({mark.category for mark in one.marks} - {""})),
        "width": shape[1],
        "height": shape[0],
        **({"split": side} if side else {}),
    }
    return columns | {column: cell for column, cell in one.cells.items() if column not in columns}


def _counts(everything: Sequence[Annotated]) -> str:
    empty = sum(not one.marks for one in everything)
    return (
        f"{len(everything)} images are annotated: {len(everything) - empty} with something marked, {empty} with nothing"
    )
