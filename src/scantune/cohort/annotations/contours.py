"""Outlines in XML: Aperio ImageScope (MoNuSeg, MoNuSAC) and ASAP (CAMELYON). Coordinates are pixels of the image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import Element

from scantune.cohort import xml_tree
from scantune.cohort.annotations.areas import Mark, Outlines, ellipse, rectangle
from scantune.cohort.faults import CohortError

#: Types of ImageScope's regions that have an area; others are arrows, rulers and counters.
_FREE, _RECTANGLE, _ELLIPSE = "0", "1", "2"
_ASAP_AREAS = ("polygon", "spline", "rectangle")


def tree_of(path: Path) -> Element:
    """The elements of an XML file.

    Raises:
        CohortError: not XML, or with a document type or entities.
    """
    return xml_tree.tree_of(path.read_bytes(), f"annotations {path.name}")


def is_form(root: Element) -> bool:
    """Whether XML is ImageScope's or ASAP's."""
    layers = list(root.iter("Annotation"))
    regions = not layers or any(layer.find("Regions") is not None for layer in layers)
    return root.tag == "ASAP_Annotations" or (root.tag == "Annotations" and regions)


def marks_of(root: Element, path: Path, left: Counter[str]) -> list[Mark]:
    """What XML marks, a mark for each layer or annotation.

    Args:
        root: that :func:`is_form` is true of.
        path: of its file, for messages.
        left: is added to: kinds of what has no area, by number.

    Raises:
        CohortError: a coordinate is no number.
    """
    draw = _of_asap if root.tag == "ASAP_Annotations" else _of_imagescope
    marks = (draw(layer, path, left) for layer in root.iter("Annotation"))
    return [mark for mark in marks if mark is not None]


def _of_imagescope(layer: Element, path: Path, left: Counter[str]) -> Mark | None:
    drawn: list[list[float]] = []
    holes: list[list[float]] = []
    for region in layer.iter("Region"):
        corners = _corners(region.iter("Vertex"), path, f"region {region.get('Id', '')}")
        kind = region.get("Type", _FREE)
        if kind not in (_FREE, _RECTANGLE, _ELLIPSE):
            left["lines, arrows or points"] += 1
            continue
        if kind != _FREE and len(corners) >= 4:
            corners = _box(corners, round_=kind == _ELLIPSE)
        if len(corners) < 6:
            left["outlines of fewer than three points"] += 1
            continue
        (holes if region.get("NegativeROA", "0") not in ("", "0") else drawn).append(corners)
    if not drawn:
        left["negative regions of layers without an outline"] += len(holes)
        return None
    return Mark(_name(layer), Outlines(drawn, holes), f"layer {layer.get('Id', '')} of {path.name}")


def _name(layer: Element) -> str:
    """What a layer is called: by its name, by a description, or by the attribute that MoNuSAC names classes with."""
    attributes = {a.get("Name", ""): a.get("Value", "") for a in layer.iterfind("Attributes/Attribute")}
    named = [name for name, value in attributes.items() if name != "Description" and not value]
    return (layer.get("Name") or attributes.get("Description") or next(iter(named), "")).strip()


def _of_asap(layer: Element, path: Path, left: Counter[str]) -> Mark | None:
    place = f"annotation {layer.get('Name', '')} of {path.name}"
    corners = _corners(layer.iter("Coordinate"), path, place)
    if layer.get("Type", "").lower() not in _ASAP_AREAS:
        left["lines, arrows or points"] += 1
        return None
    if len(corners) < 6:
        left["outlines of fewer than three points"] += 1
        return None
    group = layer.get("PartOfGroup", "")
    return Mark("" if group == "None" else group, Outlines([corners]), place)


def _corners(points: Iterable[Element], path: Path, place: str) -> list[float]:
    """x, y, x, y, …; decimal commas are read as points."""
    corners: list[float] = []
    for point in points:
        for axis in ("X", "Y"):
            text = point.get(axis, "")
            try:
                corners.append(float(text.replace(",", ".")))
            except ValueError:
                words = f"{place}: {axis} is {text!r}, not a number"
                raise CohortError(f"annotations {path.name}", [words]) from None
    return corners


def _box(corners: list[float], round_: bool) -> list[float]:
    """A rectangle or ellipse from any corners of the box around it."""
    x, y = min(corners[::2]), min(corners[1::2])
    width, height = max(corners[::2]) - x, max(corners[1::2]) - y
    if round_:
        return ellipse(x + width / 2, y + height / 2, width / 2, height / 2)
    return rectangle(x, y, width, height)
