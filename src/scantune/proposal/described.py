"""Names of labels and channels in files beside images and masks.

``dataset.json`` of the Decathlon and nnU-Net; else a list of labels: JSON, ITK-SNAP's descriptions, colour tables of
3D Slicer and FreeSurfer, Roboflow's ``_classes.csv``, lines such as ``1: liver``. Colours in CVAT's ``labelmap.txt``,
codes in the data dictionary of REDCap.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NAMED = re.compile(r"label|class|legend|lut|colou?r|segment|structure|key", re.I)  # of files that list labels
_PIXELS = re.compile(r"pixel[ _]?value\W+class\W*$", re.I)  # the header of Roboflow's _classes.csv
_ENDINGS = {".json", ".csv", ".txt", ".label", ".labels", ".ctbl", ".lut"}
_COLOUR_LINE = re.compile(r"([^:]+):([12]?\d?\d),([12]?\d?\d),([12]?\d?\d)(?=:|$)")  # name:red,green,blue:parts:…
_DICTIONARY = ("Variable / Field Name", '"Variable / Field Name"')
_LARGEST = 1 << 20  # bytes of such a file
_LINES = (
    re.compile(r'(\d+)\s+(?:\d+\s+){3}[\d.]+\s+\d+\s+\d+\s+"(.*)"'),  # ITK-SNAP: number, colour, opacity, shown, name
    re.compile(r"(\d+)\s+(\S+)(?:\s+\d+){3,4}"),  # 3D Slicer and FreeSurfer: number, name, colour
    re.compile(r"(\d+)\s*[:=,;\t ]\s*([^\W\d].{0,60})"),
)


@dataclass(frozen=True)
class LabelNames:
    """What is known of the labels in masks.

    Attributes:
        names: value → name of the structure; empty where nothing states them, or where labels are regions.
        file: name of the file that states them.
    """

    names: dict[int, str] = field(default_factory=dict)
    file: str = ""


def labels(root: Path, files: Sequence[str], masks: Sequence[str] = ()) -> LabelNames:
    """The names of labels that a file beside images or masks states.

    Args:
        root: folder of the files.
        files: images below it; descriptions are sought in the folders above the first.
        masks: the same of masks.
    """
    stated = _names(_read(root, files).get("labels"))
    if stated:
        return LabelNames(stated, "dataset.json")
    folders = dict.fromkeys(folder for names in (masks[:1], files[:1]) for n in names for folder in Path(n).parents)
    for folder in folders:
        for path in sorted((root / folder).glob("*")):
            if path.suffix.lower() in _ENDINGS and _NAMED.search(path.name) and path.name != "dataset.json":
                stated = _listed(path)
                if stated:
                    return LabelNames(stated, path.name)
    return LabelNames()


def regions(root: Path, files: Sequence[str]) -> str:
    """A note of nnU-Net's regions, classes of several values of the masks; "" without any."""
    stated = _read(root, files).get("labels")
    several = (
        {k: v for k, v in stated.items() if isinstance(v, list) and len(v) > 1} if isinstance(stated, dict) else {}
    )
    if not several:
        return ""
    listed = "; ".join(f"{name}: {', '.join(map(str, values))}" for name, values in several.items())
    return (
        f"dataset.json states regions of several values of the masks ({listed}): each value is a class of its own here"
    )


def colours(root: Path, masks: Sequence[str]) -> dict[str, str]:
    """Colour (``#80ff00``) → name by CVAT's ``labelmap.txt`` in a folder above the first mask; empty without one."""
    for folder in Path(masks[0]).parents if masks else ():
        path = root / folder / "labelmap.txt"
        if path.is_file() and path.stat().st_size <= _LARGEST:
            lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            found = [_COLOUR_LINE.match(line) for line in lines if line.strip() and not line.startswith("#")]
            named = {"#{:02x}{:02x}{:02x}".format(*map(int, m.groups()[1:])): m[1].strip() for m in found if m}
            return named if len(set(named.values())) == len(found) else {}
    return {}


def _names(content: Any) -> dict[int, str]:
    """Value → name of a mapping in either direction, or of a list of objects; empty where it is neither."""
    if isinstance(content, list):
        content = {_first(one, "id", "value", "label", "labelValue"): _first(one, "name", "title", "labelName")
                   for one in content if isinstance(one, dict)}  # fmt: skip
    if not isinstance(content, dict):
        return {}
    try:
        if all(str(key).isdecimal() for key in content):  # Decathlon: {"1": "liver"}
            names = {int(key): name for key, name in content.items() if isinstance(name, str)}
        else:
            names = {int(value): str(name) for name, value in content.items()}  # nnU-Net: {"liver": 1}
    except (TypeError, ValueError):
        return {}
    return names if len(names) == len(content) and len(set(names.values())) == len(names) else {}


def _first(content: dict[str, Any], *keys: str) -> Any:
    return next((content[key] for key in keys if key in content), None)


def _listed(path: Path) -> dict[int, str]:
    """Value → name of a file that lists labels and nothing else; empty for any other."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return {}
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return {}
    if path.suffix.lower() == ".json":
        return _of_json(text)
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if path.suffix.lower() == ".csv":
        lines = lines[1:] if lines and _PIXELS.match(lines[0]) else []
    for form in _LINES:
        found = [form.fullmatch(line) for line in lines]
        if found and all(found):
            return _names({m[1]: m[2].strip() for m in found if m})
    return {}


def _of_json(text: str) -> dict[int, str]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    keys = ("labels", "label_names", "classes", "segments")
    inner = [content[key] for key in keys if key in content] if isinstance(content, dict) else []
    return next((names for one in (*inner, content) if (names := _names(one))), {})


def choices(root: Path, columns: Sequence[str]) -> list[str]:
    """What a data dictionary of REDCap in the folder says of the codes in columns, a line each.

    Args:
        root: folder of the table.
        columns: whose cells are codes.
    """
    for path in sorted(root.glob("*.csv")):
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            if not file.readline(_LARGEST).startswith(_DICTIONARY):
                continue
            file.seek(0)
            fields = {row[0]: row[5] for row in csv.reader(file) if len(row) > 5 and row[3] in ("radio", "dropdown")}
        return [
            f"codes of {column!r} by {path.name}: {fields[column]}. Name them in its target, and exclude those that "
            'are no class: `recode: {"1": name, "9": ""}, missing: exclude`'
            for column in columns
            if column in fields
        ]
    return []


def modality(root: Path, files: Sequence[str]) -> str:
    """Names of the channels, joined: ``CT``, ``T2, ADC``; "" where nothing states them."""
    description = _read(root, files)
    names = description.get("channel_names") or description.get("modality")
    return ", ".join(str(name) for name in names.values()) if isinstance(names, dict) else ""


def _read(root: Path, files: Sequence[str]) -> dict[str, Any]:
    for folder in Path(files[0]).parents if files else ():
        path = root / folder / "dataset.json"
        if path.is_file():
            try:
                content = json.loads(path.read_text(encoding="utf-8-sig"))
            except (ValueError, OSError):
                return {}
            return content if isinstance(content, dict) else {}
    return {}
