"""A sample as a reader sees it: image, planes or frames, with its spacing, sides and what was said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.cohort.manifest import Sample
from scantune.pipeline.predictions import spacing_of
from scantune.preprocess import display_copy
from scantune.preprocess.display_copy import DisplayCopy
from scantune.tasks.errors import SampleError

if TYPE_CHECKING:
    from scantune.explain.draw.view import SampleView


def shown_of(
    member: Sample,
    path: Path,
    said: SampleError,
    settings: Mapping[str, Any],
    asked: str = "",
    *,
    as_prepared: bool = False,
) -> SampleView:
    """A sample for :mod:`scantune.explain.draw`.

    Args:
        member: the sample.
        path: its cached tensor.
        said: truth and prediction in words.
        settings: the model's ``input`` block, a mapping.
        asked: what a map explains.
        as_prepared: show what the network saw, and not the display copy at the file's own resolution; so it is in any
            case for a sample that has no such copy.
    """
    from scantune.explain.draw import SampleView
    from scantune.preprocess import store

    modality = settings["modality"]
    reading = store.facts(path).get("reading") or {}
    spacing = spacing_of(member.row)
    axes = {"image": 2, "volume": 3, "video": 3}[modality]
    affine, time = reading.get("affine"), reading.get("frame_time")
    grid = np.array(affine, np.float64) if affine is not None and modality == "volume" else None
    cached = SampleView(
        sample_id=member.sample_id,
        image=visible(store.load(path)["input"], modality),
        modality=modality,
        truth=said.target,
        prediction=said.prediction,
        interval=said.interval,
        explained=asked,
        spacing=spacing if spacing is not None and len(spacing) == axes else None,
        sides=letters_of(reading),
        affine=grid,
        map_affine=grid,
        frame_time=float(time) * settings.get("period", 1) if time else None,
    )
    place = display_copy.path_of(path.parent.parent, member.sample_id)
    copy = None if as_prepared or not place.is_file() else display_copy.read(place)
    return cached if copy is None else displayed(cached, copy, reading, settings)


def displayed(
    view: SampleView, copy: DisplayCopy, reading: Mapping[str, Any], settings: Mapping[str, Any]
) -> SampleView:
    """A sample as its display copy has it, in place of the network's tensor.

    Args:
        view: the sample by its tensor.
        copy: what is displayed.
        reading: facts of its file.
        settings: the model's ``input`` block.

    Returns:
        :class:`scantune.explain.draw.SampleView`.
    """
    is_volume, own = view.modality == "volume", reading["own_size"]
    scan = (tuple(own[::-1]), np.array(reading["own_affine"], np.float64)) if is_volume else None
    planes = copy.picture.shape[:2] if view.modality == "image" else copy.picture.shape[1:3]
    return replace(
        view,
        image=copy.image,
        window=copy.window or (0.0, 1.0),
        spacing=copy.spacing,
        affine=copy.affine,
        stored=reading.get("orientation"),
        scan=scan,
        box=None if is_volume else box_of((own[0], own[1]), planes, settings),
    )


def letters_of(facts: Mapping[str, Any]) -> tuple[str, str] | None:
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


def box_of(
    own: tuple[int, int], picture: tuple[int, ...], settings: Mapping[str, Any]
) -> tuple[float, float, float, float] | None:
    """Where the network's input lies in a still or frame; it may reach beyond.

    Args:
        own: (height, width) of the file.
        picture: the same of what is displayed.
        settings: the ``input`` block.

    Returns:
        Top, left, height and width in pixels of ``picture``; None where the input is all of it.
    """
    from scantune.preprocess.plane import fit

    size = settings.get("shape")
    if not size:
        return None
    fitted = fit(own, (size[0], size[1]), settings.get("resize", "pad"))
    down, across = (shown / new for shown, new in zip(picture, fitted.resized, strict=True))
    return -fitted.top * down, -fitted.left * across, fitted.size[0] * down, fitted.size[1] * across


def visible(tensor: np.ndarray, modality: str) -> np.ndarray:
    """[C, …space] as what can be drawn: [H, W], [D, H, W] or [T, H, W], with colour behind where C is 3.

    Of volumes, and of other numbers of channels, the first channel.
    """
    from scantune.preprocess.store import as_float

    array = as_float(tensor)
    if modality != "volume" and array.shape[0] == 3:
        return np.moveaxis(array, 0, -1)  # [H, W, C]
    return array[0]
