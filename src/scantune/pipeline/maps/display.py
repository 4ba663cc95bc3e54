"""A sample as a reader sees it: image, planes or frames, with its spacing, side letters, reference and prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.cohort.manifest import Sample
from scantune.pipeline.data.sides import spacing_of
from scantune.preprocess import display_copy, store
from scantune.preprocess.display_copy import DisplayCopy
from scantune.preprocess.plane import fit
from scantune.preprocess.store import as_float
from scantune.tasks.errors import SampleError

if TYPE_CHECKING:
    from scantune.explain.draw.view import SampleView


def sample_view(
    member: Sample,
    path: Path,
    error: SampleError,
    settings: Mapping[str, Any],
    explained: str = "",
    *,
    as_prepared: bool = False,
) -> SampleView:
    """A sample for :mod:`scantune.explain.draw`.

    Args:
        member: the sample.
        path: its cached tensor.
        error: reference and prediction as text.
        settings: the model's ``input`` block, a mapping.
        explained: what a map explains.
        as_prepared: show the network's input instead of the display copy at the file's resolution; a sample without a
            display copy is always shown so.
    """
    from scantune.explain.draw import SampleView

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
        truth=error.target,
        prediction=error.prediction,
        interval=error.interval,
        explained=explained,
        spacing=spacing if spacing is not None and len(spacing) == axes else None,
        sides=letters_of(reading),
        affine=grid,
        map_affine=grid,
        frame_time=frame_time_of(settings, time),
    )
    copy_path = display_copy.path_of(path.parent.parent, member.sample_id)
    copy = None if as_prepared or not copy_path.is_file() else display_copy.read(copy_path)
    return cached if copy is None else displayed(cached, copy, reading, settings)


def frame_time_of(settings: Mapping[str, Any], own: float | None) -> float | None:
    """Milliseconds between the frames of a prepared loop, from those of its file."""
    rate = settings.get("frame_rate")
    base = 1000.0 / rate if rate else own
    return float(base) * settings.get("period", 1) if base else None


def displayed(
    view: SampleView, copy: DisplayCopy, reading: Mapping[str, Any], settings: Mapping[str, Any]
) -> SampleView:
    """The view with its display copy instead of the network's tensor.

    Args:
        view: the sample by its tensor.
        copy: what is displayed.
        reading: facts of its file.
        settings: the model's ``input`` block.

    Returns:
        :class:`scantune.explain.draw.SampleView`.
    """
    is_volume, source_size = view.modality == "volume", reading["own_size"]
    scan = (tuple(source_size[::-1]), np.array(reading["own_affine"], np.float64)) if is_volume else None
    planes = copy.picture.shape[:2] if view.modality == "image" else copy.picture.shape[1:3]
    return replace(
        view,
        image=copy.image,
        window=copy.window or (0.0, 1.0),
        spacing=copy.spacing,
        affine=copy.affine,
        stored=reading.get("orientation"),
        scan=scan,
        box=None
        if is_volume
        else box_of((source_size[0], source_size[1]), planes, settings, reading.get("pixel_sides")),
    )


def letters_of(facts: Mapping[str, Any]) -> tuple[str, str] | None:
    """Letters at the left and right edge of a still, from the row direction in its header.

    Args:
        facts: of reading; ``patient_orientation`` is DICOM's attribute (PS3.3 C.7.6.1.1.1): where rows run to. Without
            it a frontal ``view`` (PA, AP) is in radiological convention, the patient's right on the left.
    """
    letters = facts.get("patient_orientation")
    if letters and letters[0]:
        right = str(letters[0])
        return right.translate(_OPPOSITE), right
    return ("R", "L") if facts.get("view") in ("PA", "AP") else None


_OPPOSITE = str.maketrans("RLAPHF", "LRPAFH")


def box_of(
    source_size: tuple[int, int],
    picture: tuple[int, ...],
    settings: Mapping[str, Any],
    pixel: Sequence[float] | None = None,
) -> tuple[float, float, float, float] | None:
    """Position of the network's input in a still or frame; it may extend beyond the edges.

    Args:
        source_size: (height, width) of the file.
        picture: the same of the displayed picture.
        settings: the ``input`` block.
        pixel: height and width of a pixel of the file, any unit, where they are not square.

    Returns:
        Top, left, height and width in pixels of ``picture``; None if the input is the complete picture.
    """
    size = settings.get("shape")
    if not size:
        return None
    fitted = fit(source_size, (size[0], size[1]), settings.get("resize", "pad"), pixel)
    down, across = (pixels / new for pixels, new in zip(picture, fitted.resized, strict=True))
    return -fitted.top * down, -fitted.left * across, fitted.size[0] * down, fitted.size[1] * across


def visible(tensor: np.ndarray, modality: str) -> np.ndarray:
    """A tensor [C, …space] as a picture: [H, W], [D, H, W] or [T, H, W], with a last colour axis if C is 3.

    Volumes, and tensors with other numbers of channels, give the first channel.
    """
    array = as_float(tensor)
    if modality != "volume" and array.shape[0] == 3:
        return np.moveaxis(array, 0, -1)  # [H, W, C]
    return array[0]
