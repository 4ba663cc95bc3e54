"""COCO annotations (one JSON file) → a mask PNG for each image and a table, as ARCADE needs it.

The format is that of "COCO: Data format", https://cocodataset.org/#format-data: ``images`` (id, file_name, width,
height), ``categories`` (id, name) and ``annotations`` (image_id, category_id, ``segmentation``: polygons x, y, x, y, …
in pixels, a list for each part, or run lengths). The pixels are those of pycocotools: see
:mod:`scantune.cohort.coco_masks`. Nothing is written into the data's own folder.

>>> sides = {side: f"arcade/syntax/{name}/annotations/{name}.json"
...          for side, name in {"train": "train", "validation": "val", "test": "test"}.items()}
>>> masks_of_coco(sides, "arcade_masks")     # doctest: +SKIP

The block to go with it: ``root`` the folder that both lie in, ``table: arcade_masks/cohort.csv``, ``files: "{file}"``,
``masks: "{mask}"``, ``split: {method: predefined, columns: split}``.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scantune.amounts import number_of
from scantune.cohort.annotations.areas import Outlines
from scantune.cohort.annotations.images import Images, size_fault
from scantune.cohort.coco_masks import counts_of, draw, from_runs, hidden, without_lines
from scantune.cohort.drawn import refuse_data_folder, shared_root, write_grey, write_label_names, write_rows
from scantune.cohort.faults import CohortError, Fault, nearest

log = logging.getLogger(__name__)

_SHOWN = 5
_MAX_EDGE = 1 << 15


def masks_of_coco(
    annotations: Path | str | Mapping[str, Path | str],
    out_dir: Path | str,
    *,
    images: str = "../images",
    labels: Mapping[str, int] | str = "binary",
    root: Path | str | None = None,
    say: Callable[[str], object] | None = None,
) -> Path:
    """Draw the polygons of each image as a PNG below ``out_dir/masks`` and list all in ``out_dir/cohort.csv``.

    The table has a row for each image: ``sample_id``, ``file`` and ``mask`` (relative to ``root``), ``categories``
    (names that are marked, separated by a space), ``width``, ``height``, ``split``. COCO knows no subjects: an image is
    its own. An image of which an object has a box and no outline is left out, since its mask would lack the object; a
    warning counts them. Where polygons of two labels overlap, the later annotation wins, of which a warning is logged.

    Args:
        annotations: the JSON file, or side (train, validation, test) to its file.
        out_dir: a new folder beside the data, never within it.
        images: folder of the pictures as seen from the JSON's own. Names with folders of another machine are sought in
            it without these.
        labels: "binary": 1 wherever anything is marked, written as 0 and 255. "category": the category's id. Or name of
            category → label, 1 to 255; other categories are omitted (``{"stenosis": 1}``).
        root: what the table's paths start from; without it the nearest folder that pictures and masks share.
        say: is called with what is to be known of labels and empty masks.

    Returns:
        The table.

    Raises:
        CohortError: ``out_dir`` lies within the data, a JSON is not COCO, or what is wrong in it (ids that do not
            exist, run lengths or pictures of another size, polygons of an odd number of values, missing pictures): all
            at once. Or no image is left, or pictures or masks are not below ``root``.
    """
    sides = annotations if isinstance(annotations, Mapping) else {"": annotations}
    target = Path(out_dir).resolve()
    sources = {side: Path(path).resolve() for side, path in sides.items()}
    folders = {side: (source.parent / images).resolve() for side, source in sources.items()}
    refuse_data_folder(target, *(source.parent for source in sources.values()), *folders.values())
    start = shared_root(root, target, *folders.values())
    contents, chosen, places = {}, {}, {}
    for side, source in sources.items():  # all are checked before anything is written
        contents[side] = _read(source)
        chosen[side] = _labels(source, contents[side], labels)
        pictures = Images(folders[side], without=target)
        places[side], lost = _places(contents[side]["images"], pictures, source)
        faults = [*lost, *_faults(contents[side], places[side], pictures)]
        if faults:
            raise CohortError(f"COCO file {source.name}", faults)
    rows, overlapping, boxed = [], dict[str, int](), list[str]()
    for side, content in contents.items():
        for image, parts, names in _marked(content, chosen[side]):
            place = places[side][image["id"]]
            if not all(segmentation for _, segmentation in parts):  # of a box alone there is an empty list, or nothing
                boxed.append(image["file_name"])
                continue
            stem = _stem(side, place)
            mask = draw(parts, (image["height"], image["width"]))
            if len({label for label, _ in parts}) > 1 and (pixels := hidden(parts, mask.shape, mask)):
                overlapping[image["file_name"]] = pixels
            path = target / "masks" / f"{stem}.png"
            write_grey(path, mask * np.uint8(255) if labels == "binary" else mask)
            rows.append(
                {
                    "sample_id": stem,
                    "file": Path(os.path.relpath(folders[side] / place, start)).as_posix(),
                    "mask": Path(os.path.relpath(path, start)).as_posix(),
                    "categories": " ".join(names),
                    "width": image["width"],
                    "height": image["height"],
                    "split": side,
                }
            )
    _warn_of_hidden(overlapping, len(rows))
    _warn_of_boxes(boxed, ", ".join(source.name for source in sources.values()), len(rows))
    named = _label_names(contents.values(), chosen.values())
    if say is not None:
        for line in _told(named, labels, rows):
            say(line)
    if labels != "binary":
        write_label_names(target, named)
    return write_rows(target / "cohort.csv", rows)


def _stem(side: str, place: str) -> str:
    """The name of a sample and its mask."""
    return "_".join([side] * bool(side) + list(Path(place).with_suffix("").parts))


def _warn_of_boxes(boxed: Sequence[str], title: str, images: int) -> None:
    """Warn of the images that are left out, since objects in them have a box alone.

    Raises:
        CohortError: no image is left.
    """
    if not boxed:
        return
    some = ", ".join(boxed[:_SHOWN]) + ", …" * (len(boxed) > _SHOWN)
    words = f"{len(boxed)} of {images + len(boxed)} images have objects with a box and no outline ({some})"
    if not images:
        raise CohortError(f"COCO file {title}", [f"{words}: nothing can be drawn; export polygons or masks"])
    log.warning(
        "%s and are left out, since their masks would lack these: outline them, or take the categories that are "
        "outlined (labels={NAME: 1})", words,
    )  # fmt: skip


def _label_names(
    contents: Iterable[Mapping[str, Sequence[Mapping[str, Any]]]], chosen: Iterable[Mapping[Any, int]]
) -> dict[str, int]:
    """Name of each category with annotations → its label."""
    named: dict[str, int] = {}
    for content, numbers in zip(contents, chosen, strict=True):
        used = {annotation["category_id"] for annotation in content["annotations"]} & numbers.keys()
        named |= {str(c["name"]): numbers[c["id"]] for c in content["categories"] if c["id"] in used}
    return named


def _told(named: Mapping[str, int], labels: Mapping[str, int] | str, rows: Sequence[Mapping[str, object]]) -> list[str]:
    """How many masks are empty, and which category has which label."""
    empty = sum(not row["categories"] for row in rows)
    lines = [f"{number_of(len(rows), 'image')}: {len(rows) - empty} with something marked, {empty} with nothing"]
    if labels == "binary":
        some = ", ".join(list(named)[:8])
        several = f"{len(named)} categories ({some}) are one label: --labels category keeps them apart"
        return [*lines, *([several] if len(named) > 1 else [])]
    return [*lines, "labels: " + ", ".join(f"{name} {label}" for name, label in named.items())]


def _warn_of_hidden(pixels: Mapping[str, int], images: int) -> None:
    """Warn of the images, file name to pixels, in which one label lies over another."""
    if not pixels:
        return
    some = ", ".join(f"{name}: {count}" for name, count in list(pixels.items())[:_SHOWN])
    log.warning(
        "%d of %d images have pixels of several categories (%s%s), which have the label of the last: to keep both, "
        "draw one category at a time (labels={NAME: 1}) and name all masks, with the input's mask_overlap",
        *(len(pixels), images, some, ", …" if len(pixels) > _SHOWN else ""),
    )


def _marked(
    content: Mapping[str, Sequence[Mapping[str, Any]]], chosen: Mapping[Any, int]
) -> Iterable[tuple[Mapping[str, Any], list[tuple[int, Any]], list[str]]]:
    """Each image with its labels and polygons, and the names of its categories; by file name."""
    names = {category["id"]: str(category["name"]) for category in content["categories"]}
    by_image: dict[Any, list[Mapping[str, Any]]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        if annotation["category_id"] in chosen:
            by_image[annotation["image_id"]].append(annotation)
    for image in sorted(content["images"], key=lambda image: str(image["file_name"])):
        annotations = by_image[image["id"]]
        parts = [(chosen[a["category_id"]], a.get("segmentation")) for a in annotations]
        yield image, parts, sorted({names[a["category_id"]] for a in annotations})


def is_coco(path: Path) -> bool:
    """Whether a file has the parts of COCO annotations."""
    if path.suffix.lower() != ".json" or path.is_dir():
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and bool({"images", "annotations", "categories"} & set(content))


def _read(source: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        content = json.loads(source.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise CohortError(f"no COCO file {source}", ["name the JSON file of the annotations"]) from error
    except ValueError as error:
        raise CohortError(f"COCO file {source.name}", [f"it is not JSON: {error}"]) from error
    needs = {
        "images": ("id", "file_name", "width", "height"),
        "categories": ("id", "name"),
        "annotations": ("image_id", "category_id"),
    }
    faults = []
    for part, keys in needs.items():
        entries = content.get(part) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            faults.append(f"{part!r} is missing or not a list of objects")
            continue
        for number, entry in enumerate(entries):
            missing = [key for key in keys if key not in entry]
            faults += [f"{part}[{number}] lacks {', '.join(missing)}"] if missing else []
    if not faults and not content["images"]:
        faults.append("it lists no images")
    if faults:
        raise CohortError(f"COCO file {source.name}", faults)
    content["annotations"] = without_lines(content["annotations"], source.name)
    return content


def _labels(
    source: Path, content: Mapping[str, Sequence[Mapping[str, Any]]], labels: Mapping[str, int] | str
) -> dict[Any, int]:
    """Category id to label."""
    categories = content["categories"]
    if labels == "binary":
        return {category["id"]: 1 for category in categories}
    names = {category["id"]: str(category["name"]) for category in categories}  # of which two can be the same
    if labels == "category":
        used = {annotation["category_id"] for annotation in content["annotations"]}
        wrong = [key for key in names if not isinstance(key, int) or not 1 <= key <= 255]
        if used & set(wrong):
            numbers = ",".join(f"{names[key]}={n}" for n, key in enumerate((k for k in names if k in used), 1))
            words = f"category ids {wrong} cannot be labels, which are from 1 to 255: state them, --labels {numbers}"
            raise CohortError(f"COCO file {source.name}", [words])
        return {key: key for key in names if key not in wrong}
    if isinstance(labels, str):
        raise CohortError("labels", [f"{labels!r} is not one of binary, category; or give names and numbers"])
    known = list(dict.fromkeys(names.values()))
    faults = [f"no category {name!r}; {nearest(name, known)}" for name in labels if name not in known]
    faults += [
        f"{name!r}: label {label} is not from 1 to 255" for name, label in labels.items() if not 1 <= label <= 255
    ]
    if faults:
        raise CohortError(f"COCO file {source.name}", faults)
    return {key: labels[name] for key, name in names.items() if name in labels}


def _places(
    images: Sequence[Mapping[str, Any]], pictures: Images, source: Path
) -> tuple[dict[Any, str], list[Fault | str]]:
    """Image id to its file's path below the folder of pictures, and names that lead to none or to several."""
    places: dict[Any, str] = {}
    faults: list[Fault | str] = []
    for image in images:
        name = str(image["file_name"])
        leaves = Path(name).is_absolute() or ".." in Path(name).parts
        files = [name] if not leaves and (pictures.folder / name).is_file() else pictures.find(name, source)
        if len(files) == 1:
            places[image["id"]] = Path(files[0]).as_posix()
        elif files:
            faults.append(f"image {name!r} can be {' or '.join(files[:3])}: state the folder of the images, --images")
        elif leaves:
            faults.append(f"image {name!r} leaves the data folder")
        else:
            faults.append(f"image {name!r} is not in the folder of images {pictures.folder}: state another, --images")
    return places, faults


def _faults(
    content: Mapping[str, Sequence[Mapping[str, Any]]], places: Mapping[Any, str], pictures: Images
) -> list[Fault | str]:
    faults: list[Fault | str] = []
    listed = {image["id"] for image in content["images"]}
    if len(listed) < len(content["images"]):
        faults.append("two images have one id")
    stems: dict[str, str] = {}
    for image in content["images"]:
        name = str(image["file_name"])
        stem = _stem("", places.get(image["id"], name)).casefold()  # one file on Windows and macOS
        if stem in stems:
            faults.append(f"images {stems[stem]!r} and {name!r} would share a mask")
        stems[stem] = name
        size = (image["height"], image["width"])
        if not all(isinstance(edge, int) and 1 <= edge <= _MAX_EDGE for edge in size):
            faults.append(f"image {name!r}: height and width are {size}, not from 1 to {_MAX_EDGE}")
        elif image["id"] in places:
            there = pictures.size(places[image["id"]])
            differs = there if isinstance(there, str) else size_fault(size, there, places[image["id"]])
            faults += [f"image {name!r}: {differs}"] if differs else []
    categories = {category["id"] for category in content["categories"]}
    if len(categories) < len(content["categories"]):
        faults.append("two categories have one id")
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    if _normalised(content["annotations"]):
        faults.append("all corners of its polygons are from 0 to 1: fractions of the picture, where pixels are needed")
    for number, annotation in enumerate(content["annotations"]):
        if annotation["image_id"] not in listed:
            faults.append(f"annotations[{number}]: no image has the id {annotation['image_id']!r}")
        if annotation["category_id"] not in categories:
            faults.append(f"annotations[{number}]: no category has the id {annotation['category_id']!r}")
        wrong = _segmentation_fault(annotation.get("segmentation") or [], sizes.get(annotation["image_id"]))
        faults += [f"annotations[{number}]: {wrong}"] if wrong else []
    return faults


def _normalised(annotations: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all corners of all polygons lie in the first pixel."""
    drawn = [a.get("segmentation") for a in annotations]
    polygons = [p for segmentation in drawn if isinstance(segmentation, list) for p in segmentation]
    values = [v for polygon in polygons if isinstance(polygon, list) for v in polygon if isinstance(v, int | float)]
    return bool(values) and min(values) >= 0 and max(values) <= 1


def _segmentation_fault(segmentation: Any, size: tuple[int, int] | None) -> str | None:
    if isinstance(segmentation, dict):
        try:
            from_runs(counts_of(segmentation), size or (0, 0))
        except (ValueError, TypeError) as error:
            return str(error)
        stated = segmentation.get("size")
        turned = size is not None and isinstance(stated, list) and stated != list(size)
        return f"run lengths of {stated} pixels (height, width) for an image of {list(size or ())}" if turned else None
    if not isinstance(segmentation, list) or not all(isinstance(polygon, list) for polygon in segmentation):
        return "segmentation is not a list of polygons"
    for polygon in segmentation:
        if len(polygon) < 6 or len(polygon) % 2:
            return f"a polygon of {len(polygon)} values: x and y of at least three points are needed"
        if not all(isinstance(value, int | float) and np.isfinite(value) for value in polygon):
            return "a polygon with a value that is not a number"
    if size is not None and all(isinstance(edge, int) and edge > 0 for edge in size):
        return Outlines(segmentation).fault(size) or None
    return None
