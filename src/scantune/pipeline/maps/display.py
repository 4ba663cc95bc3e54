"""A sample as a reader sees it: image, planes or frames, with its spacing, sides and what was said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scantune.cohort.manifest import Sample
from scantune.pipeline.data.originals import Originals, sides_of
from scantune.pipeline.predictions import spacing_of
from scantune.tasks.errors import SampleError


def shown_of(
    member: Sample, path: Path, said: SampleError, settings: Any, asked: str = "", originals: Originals | None = None
) -> Any:
    """A sample for :mod:`scantune.explain.draw`.

    Args:
        member: the sample.
        path: its cached tensor.
        said: truth and prediction in words.
        settings: the model's ``input`` block, a mapping.
        asked: what a map explains.
        originals: the files, at whose own resolution the sample is shown; without them, and where a file is not here,
            it is shown as the network saw it.
    """
    from scantune.explain.draw import Shown
    from scantune.preprocess import store

    modality = settings["modality"]
    reading = store.facts(path).get("reading") or {}
    spacing = spacing_of(member.row)
    axes = {"image": 2, "volume": 3, "video": 3}[modality]
    affine, time = reading.get("affine"), reading.get("frame_time")
    grid = np.array(affine, np.float64) if affine is not None and modality == "volume" else None
    cached = Shown(
        sample_id=member.sample_id,
        image=visible(store.load(path)["input"], modality),
        modality=modality,
        truth=said.target,
        prediction=said.prediction,
        interval=said.interval,
        asked=asked,
        spacing=spacing if spacing is not None and len(spacing) == axes else None,
        sides=sides_of(reading),
        affine=grid,
        map_affine=grid,
        frame_time=float(time) * settings.get("period", 1) if time else None,
    )
    own = None if originals is None else originals.of(member.sample_id)
    return cached if own is None else replace(cached, **own)


def visible(tensor: np.ndarray, modality: str) -> np.ndarray:
    """[C, …space] as what can be drawn: [H, W], [D, H, W] or [T, H, W], with colour behind where C is 3.

    Of volumes, and of other numbers of channels, the first channel.
    """
    from scantune.preprocess.store import as_float

    array = as_float(tensor)
    if modality != "volume" and array.shape[0] == 3:
        return np.moveaxis(array, 0, -1)  # [H, W, C]
    return array[0]
