"""Classes of masks from the values in them and the names that files or descriptions state."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scantune import io
from scantune.mask_codes import IGNORE, PAINTED
from scantune.preprocess.mask_colours import MOST, colours_in
from scantune.proposal.described import LabelNames, colours
from scantune.proposal.instances import numbers_instances
from scantune.proposal.listing import spread
from scantune.proposal.source import MASK, Source
from scantune.records import ReadError

Block = dict[str, Any]

_WHITE = {
    "void": "pixels of the value 255 beside labels from 1 on are taken for borders or what nobody marked, and do not "
    "count: where 255 is a label, the input's mask_values is {{255: {next}}}",
    "same": "some masks have 1 and others 255 for what is marked: both are taken for one label",
}
_BLACK = "#000000"
_RINGING = 64  # by which JPEG changes black and white at edges, at most
_MASKS = 12  # masks whose labels are looked at


def masks_of(root: Path, masks: Sequence[str], described: LabelNames, notes: list[str]) -> tuple[Block, Block, str]:
    """Keys for the input, the task's classes and the reason, from the values in masks.

    Args:
        root: folder of the masks.
        masks: paths below it.
        described: what a file beside the masks states of their labels.
        notes: what could not be known is added.
    """
    by_file: list[set[int]] = []
    tables: list[Mapping[str, str]] = []
    arrays: list[np.ndarray] = []
    coloured: set[str] = set()
    for mask in spread(masks, _MASKS):
        try:
            content = io.read(root / mask, labels=True, allow_constant=True, keep_integers=True)
        except ReadError:
            continue
        tables.append(content.facts.get("label_names", {}) if content.facts["format"] == "nrrd" else {})
        coloured |= _colours_of(content)
        if not isinstance(content, io.Video):
            arrays.append(content.array)
            step = max(1, content.array.shape[-1] // 256)
            by_file.append({int(v) for v in np.unique(np.rint(content.array[..., ::step]))})
    named = _named_segments(tables)
    if named:
        reason = f"names of segments in {len(tables)} masks, whose numbers may differ by file"
        return (
            {"mask_values": {name: n for n, name in enumerate(named, 1)}},
            {"classes": ["background", *named]},
            reason,
        )
    if 1 < len(coloured) <= MOST:
        reason = f"colours in {min(len(masks), _MASKS)} masks"
        return _by_colour(coloured, colours(root, masks), reason, notes)
    values = set[int]().union(*by_file)
    labels = sorted(values - {0})
    reason = f"values in {min(len(masks), _MASKS)} masks: {', '.join(map(str, sorted(values)[:12]))}"
    numbered = False if described.names else numbers_instances(arrays)
    if numbered:
        return {"mask_instances": True}, {"classes": ["background", "foreground"]}, f"{reason}: a number an instance"
    if len(labels) > 16 or _ringing(labels, masks):
        return {"mask_threshold": (max(labels) + 1) / 2}, {"classes": ["background", "foreground"]}, reason
    white = _white_of(labels, by_file) if PAINTED not in described.names else ""
    labels = labels[:-1] if white else labels
    if white:
        notes.append(_WHITE[white].format(next=len(labels) + 1))
    names = ["foreground"] if len(labels) <= 1 else [f"label_{n}" for n in range(1, len(labels) + 1)]
    if labels and set(labels) <= set(described.names):
        names = [described.names[label] for label in labels]
        reason = f"{reason}; names from {described.file}"
    input_keys: Block = {}
    if labels not in (list(range(1, len(labels) + 1)), [PAINTED]):
        input_keys = {"mask_values": {value: n for n, value in enumerate(labels, 1)}}
    if white:
        input_keys = {"mask_values": {PAINTED: IGNORE if white == "void" else 1}}
    if numbered is None:
        notes.append(
            "do the values of masks number cells or lesions, and are no classes? Then the input has `mask_instances: "
            "true`, and the task `classes: [background, foreground]`"
        )
    return input_keys, {"classes": ["background", *names]}, reason


def _ringing(labels: Sequence[int], masks: Sequence[str]) -> bool:
    """Whether masks are JPEG files of black and white, whose edges have values beside both."""
    jpeg = any(mask.lower().endswith((".jpg", ".jpeg")) for mask in masks)
    white = len(labels) > 1 and labels[-1] >= PAINTED - _RINGING  # else low numbers are those of classes
    return jpeg and white and all(min(label, PAINTED - label) <= _RINGING for label in labels)


def _colours_of(content: io.Volume | io.Image | io.Video) -> set[str]:
    """The colours of a picture that has any."""
    array = content.array if isinstance(content, io.Image) else None
    if array is None or len(array) < 3 or ((array[0] == array[1]).all() and (array[0] == array[2]).all()):
        return set()
    return set(colours_in(array))


def _by_colour(seen: set[str], named: Mapping[str, str], reason: str, notes: list[str]) -> tuple[Block, Block, str]:
    """A label for each colour: those that a file names, else those that occur; black is background."""
    if seen <= {*named, _BLACK}:
        reason += "; names from labelmap.txt"
    else:
        named = {colour: f"label_{n}" for n, colour in enumerate(sorted(seen - {_BLACK}), 1)}
        notes.append(
            "each colour in masks is taken for a class; where colours number cells or lesions: input key "
            "`mask_instances: true` and task `classes: [background, foreground]`"
        )
    names = {colour: name for colour, name in named.items() if name.casefold() != "background"}
    values = {colour: 0 for colour in named if colour not in names and colour != _BLACK}
    values |= {colour: n for n, colour in enumerate(names, 1)}
    return {"mask_values": values}, {"classes": ["background", *names.values()]}, reason


def _white_of(labels: Sequence[int], by_file: Sequence[set[int]]) -> str:
    """What 255 is beside labels counted from 1: "void", the "same" as 1 where files have either, "" for a label."""
    if len(labels) < 2 or labels[-1] != PAINTED or list(labels[:-1]) != list(range(1, len(labels))):
        return ""
    together = any(PAINTED in values and values & set(labels[:-1]) for values in by_file)
    return "void" if together else "same" if len(labels) == 2 else ""


def _named_segments(tables: Sequence[Mapping[str, str]]) -> list[str]:
    """The names of 3D Slicer's segments, by number; none where masks are others, or do not have the same names."""
    first = list(tables[0].values()) if tables else []
    same = all(sorted(table.values()) == sorted(first) for table in tables)
    usable = same and len(set(first)) == len(first) <= 16 and all(re.search("[^\\W\\d]", name) for name in first)
    return first if usable and "background" not in {name.casefold() for name in first} else []


def template_of(source: Source) -> str:
    """The first column of a table that leads to masks of at least half of the rows."""
    for column in source.columns:
        if re.search(r"mask|segmentation", column, re.I):
            cells = [row[column] for row in source.rows[:50]]
            if sum(bool(cell) and _is_file(source.root / cell) for cell in cells) * 2 >= len(cells):
                source.rows = [{**row, MASK: row[column]} for row in source.rows]
                return f"{{{column}}}"
    return ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a text that is too long for a name
        return False
