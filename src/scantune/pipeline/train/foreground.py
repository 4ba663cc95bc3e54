"""Normalisation of a network's input by the intensities inside the masks of the training side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scantune.engine.data import as_input, read_cached
from scantune.mask_codes import marked
from scantune.pipeline.data.sides import Side
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.models.backbone import Normalization

#: Most values from each sample, evenly spread over its foreground.
VALUES = 20_000
LOW, HIGH = 0.5, 99.5
"""Percentiles between which values are cut."""


def foreground_normalization(side: Side) -> Normalization:
    """Cut at the percentiles .5 and 99.5 of the foreground, then (x − mean) / standard deviation of it, by channel.

    nnU-Net does so for CT, whose values are a physical quantity (Isensee et al. 2021, supplement 2).

    Args:
        side: the training samples.

    Raises:
        ScantuneError: no mask marks anything, or all that is marked has one value.
    """
    from scantune.models import Normalization

    parts = []
    masks = side.mask_paths or side.paths
    for path, mask_path in zip(side.paths, masks, strict=True):
        mask = read_cached(mask_path).get("mask")
        places = np.flatnonzero(marked(mask[0].numpy())) if mask is not None else np.zeros(0, np.int64)
        places = places[np.linspace(0, len(places) - 1, min(len(places), VALUES)).astype(np.int64)]
        tensor = read_cached(path)["input"]
        parts.append(as_input(tensor.flatten(1)[:, places]).numpy().astype(np.float64))  # [C, n]
    values = np.concatenate(parts, axis=1)
    if values.shape[1] < 2 or (values.std(axis=1) == 0).any():
        raise ScantuneError(
            f"model.normalization: foreground: the masks of the {len(side)} training samples mark "
            f"{values.shape[1]} pixels, of one value or none; use 'auto' or numbers of your own"
        )
    low, high = np.percentile(values, [LOW, HIGH], axis=1)
    return Normalization(*(tuple(map(float, row)) for row in (values.mean(1), values.std(1), low, high)))
