"""One prepared sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scantune.preprocess.intensity import sampled


@dataclass(frozen=True, eq=False)
class Prepared:
    """One sample, ready for a network.

    Attributes:
        tensor: [C, H, W], [C, D, H, W] or [C, T, H, W]; uint8 (0 … 255 for 0 … 1), float16 or float32.
        mask: uint8 [1, …] of the same space, or None.
        spacing: mm along the axes of space in their order ([D,] H, W); frames: ms, then mm where known. None: unknown.
        facts: JSON-able facts without identity; those of a volume hold its affine, those of a still how it was fitted.
        own_mask: uint8 [H, W] or [D, H, W], the labels on the grid of the file itself; what lies outside the region of
            the metrics does not count (:mod:`scantune.mask_codes`). None without a mask, or of a loop.
        rater_masks: reader's name to that reader's labels on the same grid; of a loop none.
        measured_mask: ``mask``, in which what lies outside the region of the metrics does not count; None without a
            region.
    """

    tensor: np.ndarray
    mask: np.ndarray | None = None
    spacing: tuple[float, ...] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    own_mask: np.ndarray | None = None
    rater_masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    measured_mask: np.ndarray | None = None


def source_facts(
    array: np.ndarray, size: Sequence[int], spacing: Sequence[float] | None, empty: np.ndarray | None = None
) -> dict[str, Any]:
    """Properties of a file before preparation, for the check of a cohort.

    Args:
        array: its values; about 250,000 of them are sampled.
        size: along R, A, S of a volume, or rows and columns.
        spacing: mm along the same axes, or None.
        empty: padding values, which are excluded; or None.
    """
    if empty is not None:
        array = array[~empty]
    some = sampled(array, 1 << 18)
    values = some.astype(np.float64)  # once: mean and standard deviation would each do it by themselves
    mean = float(values.mean())
    return {
        "own_size": [int(n) for n in size],
        "own_spacing": [round(float(s), 6) for s in spacing] if spacing is not None else None,
        "own_mean": mean,
        "own_sd": float(np.sqrt(np.square(values - mean).mean())),
        "own_low": float(some.min()),
        "own_high": float(some.max()),
    }
