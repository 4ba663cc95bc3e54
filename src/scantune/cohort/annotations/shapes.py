"""Shapes of labelme (a JSON file an image) and of VIA, the VGG Image Annotator (one JSON or CSV file for all)."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scantune.cohort.annotations.areas import Mark, Outlines, Runs, ellipse, pasted, rectangle
from scantune.cohort.faults import CohortError, Fault, nearest
from scantune.cohort.table import Row

_NO_AREA = ("point", "points", "line", "linestrip", "polyline")
_VIA_CSV = ("filename", "region_shape_attributes", "region_attributes")


def content_of(path: Path) -> Any:
    """What a JSON file contains.

    Raises:
        CohortError: not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        words = f"not readable as JSON ({type(error).__name__}: {error})"
        raise CohortError(f"annotations {path.name}", [words]) from error


def is_labelme(content: Any) -> bool:
    """Whether a JSON file is labelme's."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def of_labelme(content: Mapping[str, Any], path: Path, left: Counter[str]) -> tuple[str, tuple[Any, Any], list[Mark]]:
    """Name of the image, its height and width as stated, and what is marked.

    Raises:
        CohortError: a shape cannot be drawn.
    """
    marks = []
    for number, shape in enumerate(content["shapes"], 1):
        place = f"shape {number} of {path.name}"
        shape = shape if isinstance(shape, dict) else {}
        kind = str(shape.get("shape_type") or "polygon")
        if kind in _NO_AREA:
            left["lines, arrows or points"] += 1
            continue
        if kind == "mask":
            area = _labelme_mask(shape, (content.get("imageHeight"), content.get("imageWidth")), place, path)
            marks.append(Mark(str(shape.get("label") or ""), area, place))
            continue
        corners = _tried(_LABELME, kind, shape.get("points"), place, path)
        marks += _mark(str(shape.get("label") or ""), corners, place, left)
    return str(content["imagePath"]), (content.get("imageHeight"), content.get("imageWidth")), marks


def _labelme_mask(shape: Mapping[str, Any], size: tuple[Any, Any], place: str, path: Path) -> Runs:
    """A shape of the kind "mask": a PNG of its box, from the first corner on."""
    try:
        ((x, y), *_), (height, width) = shape["points"], size
        picture = Image.open(BytesIO(base64.b64decode(shape["mask"], validate=True)), formats=["PNG"])
        if picture.width > width or picture.height > height:  # before it is decoded
            raise ValueError(f"it has {picture.width}×{picture.height} pixels, and the picture {width}×{height}")
        return pasted(np.asarray(picture.convert("L")) > 0, round(float(x)), round(float(y)), (int(height), int(width)))
    except (KeyError, TypeError, ValueError, OverflowError, OSError, Image.DecompressionBombError) as error:
        raise CohortError(f"annotations {path.name}", [f"{place}: its mask cannot be drawn ({error})"]) from error


def via_images(content: Any) -> list[Mapping[str, Any]] | None:
    """The images of a VIA project or export, each with its regions; None for other JSON."""
    if isinstance(content, dict) and isinstance(content.get("_via_img_metadata"), dict):
        content = content["_via_img_metadata"]
    images = list(content.values()) if isinstance(content, dict) else []
    known = all(isinstance(i, dict) and "filename" in i and isinstance(i.get("regions"), list | dict) for i in images)
    return images if images and known else None


def is_via_table(columns: Sequence[str]) -> bool:
    """Whether a table is VIA's, by its columns (``#filename`` of version 1)."""
    return set(_VIA_CSV) <= {column.lstrip("#") for column in columns}


def via_rows(rows: Sequence[Row], path: Path) -> list[Mapping[str, Any]]:
    """The images of a VIA table as :func:`via_images` has them.

    Raises:
        CohortError: a cell is not JSON.
    """
    images: dict[str, dict[str, Any]] = {}
    for row in rows:
        cells = {column.lstrip("#"): cell for column, cell in row.cells.items()}
        shape, attributes = (_json_cell(cells[column], row.line, column, path) for column in _VIA_CSV[1:])
        regions = images.setdefault(cells["filename"], {"filename": cells["filename"], "regions": []})["regions"]
        if shape:
            regions.append({"shape_attributes": shape, "region_attributes": attributes})
    return list(images.values())


def _json_cell(cell: str, line: int, column: str, path: Path) -> Any:
    try:
        return json.loads(cell or "{}")
    except ValueError as error:
        fault = Fault(f"{cell[:60]!r} is not JSON", line, column)
        raise CohortError(f"annotations {path.name}", [fault]) from error


def of_via(image: Mapping[str, Any], category: str, path: Path, left: Counter[str]) -> list[Mark]:
    """What is marked in one image of VIA.

    Args:
        image: of :func:`via_images`.
        category: attribute with the categories; "" for none.
        path: for messages.
        left: is added to: kinds of what has no area, by number.

    Raises:
        CohortError: a region cannot be drawn.
    """
    marks = []
    for number, region in enumerate(_regions(image), 1):
        place = f"region {number} of {image['filename']} in {path.name}"
        shape = region.get("shape_attributes") if isinstance(region, dict) else None
        kind = str(shape.get("name", "")) if isinstance(shape, dict) else ""
        if kind in _NO_AREA:
            left["lines, arrows or points"] += 1
            continue
        corners = _tried(_VIA, kind, shape, place, path)
        marks += _mark(_value(_attributes(region).get(category)), corners, place, left)
    return marks


def via_category(images: Sequence[Mapping[str, Any]], stated: str, path: Path) -> str:
    """The attribute of regions that has the categories: the stated one, or the only one; "" for none.

    Raises:
        CohortError: there are several and none is stated, or it is not there.
    """
    names: Counter[str] = Counter()
    regions = [region for image in images for region in _regions(image)]
    for region in regions:
        names.update(name for name, value in _attributes(region).items() if _value(value))
    if stated and regions and stated not in names:
        raise CohortError(f"annotations {path.name}", [f"no attribute {stated!r}; {nearest(stated, list(names))}"])
    if not stated and len(names) > 1:
        words = f"its regions have several attributes, {', '.join(names)}: name that of the categories, --category"
        raise CohortError(f"annotations {path.name}", [words])
    return stated or next(iter(names), "")


def _regions(image: Mapping[str, Any]) -> list[Any]:
    """Those of an image; version 1 has them by number."""
    regions = image["regions"]
    return list(regions.values() if isinstance(regions, dict) else regions)


def _attributes(region: Any) -> Mapping[str, Any]:
    attributes = region.get("region_attributes") if isinstance(region, dict) else None
    return attributes if isinstance(attributes, dict) else {}


def _value(value: Any) -> str:
    """An attribute of VIA as text; of several ticks those that are set."""
    if isinstance(value, dict):
        return "|".join(name for name, ticked in value.items() if ticked)
    return "" if value is None else str(value).strip()


def _mark(category: str, corners: list[float], place: str, left: Counter[str]) -> list[Mark]:
    if len(corners) < 6:
        left["outlines of fewer than three points"] += 1
        return []
    return [Mark(category, Outlines([corners]), place)]


def _tried(
    known: Mapping[str, Callable[[Any], list[float]]], kind: str, shape: Any, place: str, path: Path
) -> list[float]:
    """The corners of a shape, or an error with its place."""
    if kind not in known:
        words = f"{place}: a shape of the kind {kind!r} is not read; read are {', '.join(known)}"
        raise CohortError(f"annotations {path.name}", [words])
    try:
        return [float(value) for value in known[kind](shape)]
    except (KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
        raise CohortError(
            f"annotations {path.name}", [f"{place}: its corners are no numbers: {shape!r:.80}"]
        ) from error


def _box(points: Sequence[Sequence[float]]) -> list[float]:
    """A rectangle of two opposite corners or of all four."""
    if len(points) != 2:
        return _flat(points)
    (x, y), (u, v) = points
    return rectangle(min(x, u), min(y, v), abs(u - x), abs(v - y))


def _circle(points: Sequence[Sequence[float]]) -> list[float]:
    """A circle of its middle and a point on it."""
    (x, y), (u, v) = points
    return ellipse(x, y, math.hypot(u - x, v - y), math.hypot(u - x, v - y))


def _flat(points: Sequence[Sequence[float]]) -> list[float]:
    return [value for x, y in points for value in (x, y)]


def _polygon(shape: Mapping[str, Any]) -> list[float]:
    return _flat(list(zip(shape["all_points_x"], shape["all_points_y"], strict=True)))


_LABELME: dict[str, Callable[[Any], list[float]]] = {"polygon": _flat, "rectangle": _box, "circle": _circle}
_VIA: dict[str, Callable[[Any], list[float]]] = {
    "polygon": _polygon,
    "rect": lambda s: rectangle(s["x"], s["y"], s["width"], s["height"]),
    "circle": lambda s: ellipse(s["cx"], s["cy"], s["r"], s["r"]),
    "ellipse": lambda s: ellipse(s["cx"], s["cy"], s["rx"], s["ry"], s.get("theta", 0.0)),
}
