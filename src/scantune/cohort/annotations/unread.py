"""Forms of annotations that are not read, and what to export instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

_COCO = "export them as COCO (instances), which has outlines and masks"
_LINE = re.compile(r"\d+( -?[\d.]+(e-?\d+)?){4,}\s*")
_POINT = re.compile(r"\s*-?\d+(\.\d+)?[ \t]+-?\d+(\.\d+)?\s*")
_KEY = re.compile(r"\s*([A-Za-z][\w ()/-]{0,40}?)\s*[:=].+", re.DOTALL)
_LOOKED = 3  # files, and lines of each
_SHOWN = 5  # keys


def unread_xml(root: Element) -> str:
    """What XML is, and what to export instead; "" of a form that is not known."""
    if root.tag == "annotations" and root.find("track") is not None:
        return "CVAT's tracks of a video: export them as 'CVAT for images 1.1' or COCO, with the frames as images"
    if root.tag == "annotation" and root.find("object/bndbox") is not None:
        return (
            "Pascal VOC, which has boxes and no outlines: draw or export outlines; its masks are in SegmentationClass"
        )
    return ""


def unread_json(content: Any) -> str:
    """What JSON is, and what to export instead; "" of a form that is not known."""
    first = content[0] if isinstance(content, list) and content else None
    if isinstance(first, dict) and ("annotations" in first or "completions" in first) and "data" in first:
        return f"a project of Label Studio: {_COCO}, and brushes as 'PNG' masks"
    if isinstance(first, dict) and not {"image_id", "bbox", "segmentation"} & set(first):
        return f"{len(content)} records ({_some(list(first))}): save them as CSV, to take targets and groups from them"
    if not isinstance(content, dict):
        return ""
    if {"project", "file", "metadata", "view"} <= set(content):
        return f"a project of VIA 3: {_COCO}; of VIA 2 JSON and CSV are read"
    if isinstance(content.get("objects"), list) and {"height", "width"} <= set(content.get("size") or ()):
        return f"of Supervisely: {_COCO}"
    return ""


def yolo_labels(paths: Sequence[Path]) -> str:
    """What text files are, and what to export instead, where all that have a line are labels of YOLO; else ""."""
    lines = [line for path in paths[:_LOOKED] for line in _lines(path)]
    several = min(len(paths), len(lines)) >= _LOOKED  # else a list of numbers and their classes
    if several and all(_POINT.fullmatch(line) for line in lines):
        return "outlines as text, a point (x y) a line: write them as masks, pictures of the images' size"
    if not lines or not all(_LINE.fullmatch(line) for line in lines):
        return ""
    boxes = all(len(line.split()) == 5 for line in lines)
    return (
        f"labels of YOLO, {'boxes and no outlines: draw outlines' if boxes else f'fractions of the picture: {_COCO}'}"
    )


def keyed_texts(paths: Sequence[Path]) -> str:
    """What text files are where each has lines of ``key: value`` with two keys that all have; else "".

    So are the diagnosis and the frames of end diastole and systole of each patient of ACDC and CAMUS (``Info.cfg``).
    """
    keys = [[match[1] for line in _lines(path, 100) if (match := _KEY.fullmatch(line))] for path in paths[:_LOOKED]]
    common = [key for key in keys[0] if all(key in of for of in keys)] if len(keys) == _LOOKED else []
    if len(common) < 2:
        return ""
    return f"values by key ({_some(common)}): write a table of them, a row a folder, to take targets and groups from it"


def _some(names: Sequence[str]) -> str:
    return ", ".join(str(name)[:40] for name in names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _lines(path: Path, most: int = _LOOKED) -> list[str]:
    try:
        with path.open(encoding="utf-8") as file:
            return [line for line, _ in zip(file, range(most), strict=False) if line.strip()]
    except (OSError, UnicodeDecodeError):
        return []
