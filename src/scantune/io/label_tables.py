"""Names of labels in mask files: tables in NIfTI header extensions, segments and structures of DICOM objects."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from html import unescape
from typing import Any

from scantune.records import ReadError

_LABEL = re.compile(rb"<Label\b([^>]*)>(.*?)</Label>", re.DOTALL)
_KEY = re.compile(rb"\bKey\s*=\s*[\"'](-?\d+)[\"']")
_CDATA = re.compile(r"^<!\[CDATA\[(.*)\]\]>$", re.DOTALL)
_AFNI = re.compile(rb"<VALUE_LABEL_DTABLE\b[^>]*>(.*?)</VALUE_LABEL_DTABLE>", re.DOTALL)
_PAIR = re.compile(rb"\"(-?\d+)\"\s+\"([^\"]*)\"")


def in_extensions(raw: bytes, little: bool) -> dict[int, str]:
    """The label table of NIfTI header extensions: Caret's and Workbench's XML (TotalSegmentator writes it too), AFNI's.

    Args:
        raw: from the four bytes behind the header to the voxels.
        little: byte order of the header.

    Returns:
        Value to name; empty where there is no table.
    """
    names: dict[int, str] = {}
    at, order = 4, "little" if little else "big"
    while raw[:1] != b"\0" and at + 8 <= len(raw):
        size = int.from_bytes(raw[at : at + 4], order)  # type: ignore[arg-type]
        if size < 16 or at + size > len(raw):
            break
        names |= _table(raw[at + 8 : at + size])
        at += size
    return names


def _table(text: bytes) -> dict[int, str]:
    pairs: list[tuple[bytes, bytes]] = []
    for attributes, name in _LABEL.findall(text):
        key = _KEY.search(attributes)
        if key is not None:
            pairs.append((key.group(1), name))
    for table in _AFNI.findall(text):
        pairs += _PAIR.findall(table)
    return {int(key): _plain(name.decode("utf-8", "replace")) for key, name in pairs}


def _plain(text: str) -> str:
    inner = _CDATA.match(text.strip())
    return inner.group(1).strip() if inner else unescape(text).strip()


def in_object(dataset: Any) -> dict[int, str]:
    """Names of a DICOM segmentation's segments, or of a structure set's structures, by number."""
    segments = dataset.get("SegmentSequence") or []
    structures = dataset.get("StructureSetROISequence") or []
    return {int(item.SegmentNumber): str(item.get("SegmentLabel", "")) for item in segments} | {
        int(item.ROINumber): str(item.get("ROIName", "")) for item in structures
    }


def numbers_of(names: Collection[str], table: Mapping[int, str]) -> dict[str, list[int]]:
    """The numbers that stand for each name in a file's table, whatever the case, the blanks and the Unicode form.

    Raises:
        ReadError: the file has no table, or a name is not in it. Names of the file itself are not in the reason.
    """
    if not table:
        raise ReadError(f"the file has no table of names, and 'mask_values' names {_listed(names)}")
    folded: dict[str, list[int]] = {}
    for number, name in table.items():
        folded.setdefault(_folded(name), []).append(number)
    missing = [name for name in names if _folded(name) not in folded]
    if missing:
        raise ReadError(
            f"the file's table of {len(table)} names has none called {_listed(missing)}",
            f"it has {', '.join(repr(name) for name in table.values())}",
        )
    return {name: folded[_folded(name)] for name in names}


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def _listed(names: Collection[str]) -> str:
    return ", ".join(repr(name) for name in names)
