"""Files to a sample's display copy: nothing cut, resized to a network's input or equalised, and the privacy steps kept.

A face that was blanked, text that was found and all outside an ultrasound sector stay blank. Where text could be read
at the file's own resolution (a still in which some is found, a loop whose sector is not cut out) there is no copy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scantune.digests import text_digest
from scantune.preprocess.display_copy import DisplayCopy, eight_bits
from scantune.preprocess.plane import Fit, place
from scantune.preprocess.prepare import prepare
from scantune.preprocess.prepared import Prepared
from scantune.preprocess.version import code_version
from scantune.records import ReadError

STILL_EDGE = 1024
"""Rows or columns of a still, at most; larger ones are shrunk."""
FRAME_EDGE = 512
"""The same of a frame."""
VOXELS = 1 << 24
"""Voxels of a volume, at most."""

#: A reader sees the unmodified file.
_AS_IT_IS: dict[str, dict[str, Any]] = {
    "image": {"shape": None, "resize": "pad", "resolution": None, "clahe": None}
    | {"intensity": {"name": "none"}, "dtype": "float32"},
    "volume": {"shape": None, "spacing": None, "center": "image", "crop": "none", "interpolation": "linear"}
    | {"antialias": True, "intensity": {"name": "none"}, "dtype": "float32"},
    "video": {"shape": None, "resize": "stretch", "intensity": {"name": "scale"}, "dtype": "uint8"},
}


def as_it_is(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of an input that a display copy depends on, with its own in place of those that shape a tensor."""
    retained = {key: value for key, value in settings.items() if "mask" not in key or key == "mask_text"}
    return {**retained, **_AS_IT_IS[settings["modality"]]}


def display_key(sample_key: str) -> str:
    """Key of a display copy in the store.

    Args:
        sample_key: of the same files prepared by :func:`as_it_is`: inputs that differ in shape alone share copies.
    """
    return text_digest(f"{sample_key} {code_version('display', 'display_copy')}")


class _Prepare(Protocol):
    def __call__(self, **changes: Any) -> Prepared: ...


def make(
    files: Sequence[Path],
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
    series: tuple[str, str] | None = None,
    volume: tuple[str, str] | None = None,
) -> DisplayCopy:
    """The display copy of one sample.

    Args:
        files: as for :func:`scantune.preprocess.prepare`.
        settings: the input's block as a dict.
        facts: of the prepared sample.
        series: as for ``prepare``.
        volume: as for ``prepare``.

    Raises:
        ReadError: the files cannot be used, or text in them could be read.
    """
    plain = as_it_is(settings)

    def prepared(**changes: Any) -> Prepared:
        return prepare(files, (), {**plain, **changes}, series, volume)

    return _MAKERS[settings["modality"]](prepared, settings, facts)


def _still(prepared: _Prepare, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> DisplayCopy:
    copy = prepared()
    colour = copy.tensor.shape[0] == 3
    if not settings.get("mask_text"):
        from scantune.preprocess.text import find_text

        boxes = find_text(np.moveaxis(copy.tensor, 0, -1))
        if any(box.right - box.left > 2 * (box.bottom - box.top) for box in boxes):  # a side's letter may be read
            raise ReadError("it has text burned in, which mask_text would blank")
    inverted = _inverted(copy.facts)
    if colour:
        copy = prepared(intensity={"name": "scale"})  # eight bits as 0 … 1
    elif inverted and _window(copy.facts):  # the window is of the values as they were
        copy = prepared(intensity={"name": "window"})
    image = np.moveaxis(copy.tensor, 0, -1) if colour else copy.tensor[0]  # [H, W, 3] or [H, W]
    window = None if colour or inverted else _window(copy.facts)
    rows, columns = image.shape[:2]
    height, width = _within(STILL_EDGE, rows, columns, None if copy.spacing else facts.get("pixel_sides"))
    image = place(image, Fit((height, width), 0, 0, (height, width)))
    spacing = copy.spacing and (copy.spacing[0] * rows / height, copy.spacing[1] * columns / width)
    return DisplayCopy(eight_bits(image, (0.0, 1.0) if colour else window), window, spacing)


def _loop(prepared: _Prepare, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> DisplayCopy:
    if not settings.get("sector"):
        raise ReadError("text outside of an ultrasound sector would be legible; sector: true blanks it")
    rows, columns = facts["own_size"]
    copy = prepared(shape=_within(FRAME_EDGE, rows, columns, facts.get("pixel_sides")))
    return DisplayCopy(copy.tensor[0] if copy.tensor.shape[0] != 3 else np.moveaxis(copy.tensor, 0, -1))


def _scan(prepared: _Prepare, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> DisplayCopy:
    factor = (math.prod(facts["own_size"]) / VOXELS) ** (1 / 3)
    larger = [step * factor for step in facts["own_spacing"]]
    copy = prepared(spacing=larger) if factor > 1 else prepared()
    window = None if _inverted(copy.facts) else _window(copy.facts)
    affine = np.array(copy.facts["affine"], np.float64)
    return DisplayCopy(eight_bits(copy.tensor[0], window), window, copy.spacing, affine)


_MAKERS = {"image": _still, "video": _loop, "volume": _scan}


def _within(edge: int, rows: int, columns: int, pixel: Sequence[float] | None = None) -> tuple[int, int]:
    """Rows and columns of square pixels in the same proportion, none more than ``edge`` or than there were.

    Args:
        edge: the most of either.
        rows, columns: of the picture.
        pixel: height and width of one of its pixels, where they are not square and nothing that draws it knows.
    """
    if pixel is not None:
        rows, columns = round(rows * pixel[0] / max(pixel)), round(columns * pixel[1] / max(pixel))
    factor = min(1.0, edge / max(rows, columns))
    return max(1, round(rows * factor)), max(1, round(columns * factor))


def _inverted(facts: Mapping[str, Any]) -> bool:
    return any("MONOCHROME1 inverted" in note for note in facts.get("notes", ()))


def _window(facts: Mapping[str, Any]) -> tuple[float, float] | None:
    """Lowest and highest value of the file's first window, in its units; None where it has none."""
    window = facts.get("window")
    if not window or len(window) != 2 or not float(window[1]) > 0:
        return None
    center, width = (float(value) for value in window)
    return center - width / 2, center + width / 2
