"""Samples as their files have them, to be drawn under a map: read again where the files are, privacy steps kept.

A face that was blanked, text that was found and all outside an ultrasound sector stay blanked. Where text could be read
at the file's own resolution (a still in which some is found, a loop whose sector is not cut out) the prepared tensor is
drawn instead.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scantune.records import Record, ScantuneError

log = logging.getLogger(__name__)

#: A reader sees the file: nothing of it is cut, resized or equalised.
_AS_IT_IS: dict[str, dict[str, Any]] = {
    "image": {"shape": None, "clahe": None, "intensity": {"name": "none"}, "dtype": "float32"},
    "volume": {"shape": None, "spacing": None, "crop": "none", "intensity": {"name": "none"}, "dtype": "float32"},
    "video": {"resize": "stretch", "intensity": {"name": "scale"}, "dtype": "uint8"},
}


class Originals:
    """The files of a dataset's samples.

    Args:
        dataset: its block, or None: then there are none.
        settings: the model's ``input`` block, a mapping.
        base: folder that a relative ``root`` starts from.
    """

    def __init__(self, dataset: Any, settings: Mapping[str, Any], base: Path = Path(".")) -> None:
        self.dataset, self.settings, self.base = dataset, settings, base

    @cached_property
    def _records(self) -> dict[str, Record]:
        from scantune import cohort

        if self.dataset is None:
            return {}
        try:
            return {record.sample_id: record for record in cohort.load(self.dataset, self.base)}
        except (ScantuneError, OSError) as error:
            log.info("maps are drawn on the cached tensors, since the files are not here: %s", error)
            return {}

    def of(self, sample_id: str) -> dict[str, Any] | None:
        """What of :class:`scantune.explain.draw.Shown` the sample's file gives; None where it is not here.

        Returns:
            ``image``, ``spacing``, ``window``, ``sides``, ``affine``, ``stored``; and ``box``: where the network's
            input lies in stills and loops.
        """
        record = self._records.get(sample_id)
        return None if record is None else self.read(record, self.settings)

    @staticmethod
    def read(record: Record, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """The same of a record; see :meth:`of`."""
        if not all(path.exists() for path in record.files):
            return None
        try:
            return _READ[settings["modality"]](record, settings)
        except (ScantuneError, OSError, MemoryError) as error:
            log.info("the map of %s is drawn on its prepared tensor: %s", record.sample_id, error)
            return None


def sides_of(facts: Mapping[str, Any]) -> tuple[str, str] | None:
    """Letters at the left and right edge of a still, from what its header says of the direction of its rows.

    Args:
        facts: of reading; ``patient_orientation`` is DICOM's attribute (PS3.3 C.7.6.1.1.1): where rows run to. Without
            it a frontal ``view`` (PA, AP) lies as radiologists hang it, the patient's right at the left.
    """
    letters = facts.get("patient_orientation")
    if letters and letters[0]:
        right = str(letters[0])
        return right.translate(_OPPOSITE), right
    return ("R", "L") if facts.get("view") in ("PA", "AP") else None


_OPPOSITE = str.maketrans("RLAPHF", "LRPAFH")


def _prepared(record: Record, settings: Mapping[str, Any], **more: Any) -> Any:
    from scantune.preprocess import prepare

    return prepare(
        record.files, (), {**settings, **_AS_IT_IS[settings["modality"]], **more}, record.series, record.volume
    )


def _still(record: Record, settings: Mapping[str, Any]) -> dict[str, Any]:
    held = _prepared(record, settings)
    colour = held.tensor.shape[0] == 3
    if not settings.get("mask_text"):
        from scantune.preprocess.text import find_text

        boxes = find_text(np.moveaxis(held.tensor, 0, -1))
        if any(box.right - box.left > 2 * (box.bottom - box.top) for box in boxes):  # a side's letter may be read
            raise ScantuneError("it has text burned in, which mask_text would blank")
    inverted = _inverted(held.facts)
    if colour:
        held = _prepared(record, settings, intensity={"name": "scale"})  # eight bits as 0 … 1
    elif inverted and _window(held.facts):  # the window is of the values as they were
        held = _prepared(record, settings, intensity={"name": "window"})
    image = np.moveaxis(held.tensor, 0, -1) if colour else held.tensor[0]  # [H, W, 3] or [H, W]
    return {
        "image": image,
        "spacing": held.spacing,
        "window": (0.0, 1.0) if colour else None if inverted else _window(held.facts),
        "sides": sides_of(held.facts),
        "box": _box(image.shape[:2], settings),
    }


def _loop(record: Record, settings: Mapping[str, Any]) -> dict[str, Any]:
    from scantune import io
    from scantune.preprocess.prepare import series_rule

    if not settings.get("sector"):
        raise ScantuneError("text outside of an ultrasound sector would be legible; sector: true blanks it")
    loop = io.open_video(record.files[0], series=series_rule(record.series, settings.get("series")))
    held = _prepared(record, settings, shape=[loop.height, loop.width])
    frames = held.tensor[0] if held.tensor.shape[0] != 3 else np.moveaxis(held.tensor, 0, -1)
    return {
        "image": frames.astype(np.float32) / 255,
        "spacing": None,
        "window": (0.0, 1.0),
        "sides": sides_of(held.facts),
        "box": _box((loop.height, loop.width), settings),
    }


def _scan(record: Record, settings: Mapping[str, Any]) -> dict[str, Any]:
    held = _prepared(record, settings)
    return {
        "image": held.tensor[0],
        "spacing": held.spacing,
        "window": None if _inverted(held.facts) else _window(held.facts),
        "affine": np.array(held.facts["affine"], np.float64),
        "stored": held.facts.get("orientation"),
    }


_READ = {"image": _still, "video": _loop, "volume": _scan}


def _inverted(facts: Mapping[str, Any]) -> bool:
    return any("MONOCHROME1 inverted" in note for note in facts.get("notes", ()))


def _window(facts: Mapping[str, Any]) -> tuple[float, float] | None:
    """Lowest and highest value of the file's first window, in its units; None where it has none."""
    window = facts.get("window")
    if not window or len(window) != 2 or not float(window[1]) > 0:
        return None
    center, width = (float(value) for value in window)
    return center - width / 2, center + width / 2


def _box(shape: tuple[int, int], settings: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Top, left, height and width of the network's input in the picture's pixels; it may reach beyond the picture."""
    from scantune.preprocess.plane import fit

    size = settings.get("shape")
    if not size:
        return None
    fitted = fit(shape, (size[0], size[1]), settings.get("resize", "pad"))
    down, across = (own / new for own, new in zip(shape, fitted.resized))
    return -fitted.top * down, -fitted.left * across, fitted.size[0] * down, fitted.size[1] * across
