"""Shapes of CVAT, version 1.1 "for images": one XML file for all images.

The format is that of https://docs.cvat.ai/docs/other/xml_format: coordinates are pixels from the corner of the first,
angles degrees, and run lengths those of a mask's own box along its rows, background first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from scantune.cohort.annotations.areas import Mark, Outlines, Runs, ellipse, pasted, rectangle, turned
from scantune.cohort.faults import CohortError

_EDGE = 1 << 15  # pixels of an edge, at most
_NO_AREA = ("polyline", "points", "cuboid", "skeleton", "tag")
Shape = tuple[int, int]


def is_form(root: Element) -> bool:
    """Whether XML is CVAT's with images; that of videos has tracks."""
    return root.tag == "annotations" and root.find("image") is not None


def images_of(root: Element, path: Path) -> list[tuple[str, Shape, list[Mark], Counter[str]]]:
    """Name of each image, its height and width as stated, what is marked, and kinds of what has no area, by number.

    Raises:
        CohortError: a shape cannot be drawn.
    """
    return [_of_image(image, path) for image in root.iter("image")]


def _of_image(image: Element, path: Path) -> tuple[str, Shape, list[Mark], Counter[str]]:
    name = image.get("name", "")
    left = Counter[str]()
    marks: list[tuple[int, Mark]] = []
    try:
        shape = round(float(image.get("height", ""))), round(float(image.get("width", "")))
    except (ValueError, OverflowError):
        shape = 0, 0
    if not all(1 <= edge <= _EDGE for edge in shape):
        words = f"image {name!r}: its height and width are no numbers from 1 to {_EDGE}"
        raise CohortError(f"annotations {path.name}", [words])
    for number, element in enumerate((e for e in image if e.get("label") is not None), 1):
        place = f"shape {number} of {name} in {path.name}"
        if element.tag in _NO_AREA:
            left["lines, arrows or points"] += element.tag != "tag"
            continue
        if element.tag not in _DRAWN:
            words = f"{place}: a shape of the kind {element.tag!r} is not read; read are {', '.join(_DRAWN)}"
            raise CohortError(f"annotations {path.name}", [words])
        try:
            area = _DRAWN[element.tag](element, shape)
            above = int(element.get("z_order") or 0)
        except (KeyError, ValueError, IndexError, OverflowError) as error:
            words = f"{place}: its values cannot be drawn ({element.tag}: {error})"
            raise CohortError(f"annotations {path.name}", [words]) from error
        if isinstance(area, Outlines) and len(area.drawn[0]) < 6:
            left["outlines of fewer than three points"] += 1
            continue
        marks.append((above, Mark(element.get("label", ""), area, place)))
    return name, shape, [mark for _, mark in sorted(marks, key=lambda pair: pair[0])], left


def _number(element: Element, key: str) -> float:
    value = element.get(key)
    if value is None:
        raise KeyError(key)
    return float(value)


def _polygon(element: Element, shape: Shape) -> Outlines:
    pairs = [point.split(",") for point in element.attrib["points"].split(";") if point.strip()]
    return Outlines([[float(value) for x, y in pairs for value in (x, y)]])


def _box(element: Element, shape: Shape) -> Outlines:
    x, y, u, v = (_number(element, key) for key in ("xtl", "ytl", "xbr", "ybr"))
    return Outlines([turned(rectangle(x, y, u - x, v - y), math.radians(float(element.get("rotation") or 0)))])


def _ellipse(element: Element, shape: Shape) -> Outlines:
    x, y, across, down = (_number(element, key) for key in ("cx", "cy", "rx", "ry"))
    return Outlines([ellipse(x, y, across, down, math.radians(float(element.get("rotation") or 0)))])


def _mask(element: Element, shape: Shape) -> Runs:
    left, top, width, height = (int(_number(element, key)) for key in ("left", "top", "width", "height"))
    counts = [int(count) for count in element.attrib["rle"].split(",")]
    if not 0 < width <= shape[1] or not 0 < height <= shape[0]:
        raise ValueError(f"a mask of {width}×{height} in a picture of {shape[1]}×{shape[0]}")
    if min(counts) < 0 or sum(counts) != width * height:
        raise ValueError(f"run lengths of {sum(counts)} pixels for a box of {width}×{height}")
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
    return pasted(inside, left, top, shape)


_DRAWN: dict[str, Callable[[Element, Shape], Outlines | Runs]] = {
    "polygon": _polygon,
    "box": _box,
    "ellipse": _ellipse,
    "mask": _mask,
}
