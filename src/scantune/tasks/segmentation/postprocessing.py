"""The largest connected component of a class alone, where that raises the class's Dice on validation; and no component
that is smaller than a size.

The first is as in nnU-Net (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z), which decides it on its validation
sides too, by the mean alone; here more samples must gain than lose as well, since one of three eyes can raise a mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scantune.mask_codes import code_of
from scantune.statistics.components import beside_largest, smaller
from scantune.tasks.segmentation.measuring import MaskMetrics, has_label
from scantune.tasks.segmentation.metrics import LARGEST


def dice_both_ways(metrics: MaskMetrics, mask: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Dice of each class with all its components, and with the largest alone, float64 [F, 2]; undefined is NaN.

    Args:
        metrics: of the segmentation.
        mask: predicted labels.
        truth: true labels, of the same shape.
    """
    every = {key: {"chosen": True} for key in metrics.foreground}
    alone = largest_alone(metrics, mask, {LARGEST: every})
    return np.stack([metrics.dice_by_class(labels, truth) for labels in (mask, alone)], axis=1)


def chosen(names: Sequence[str], dice: np.ndarray) -> dict[str, Any]:
    """Classes of which a predicted mask keeps the largest component alone: where that raises the mean Dice, and raises
    the Dice of more samples than it lowers.

    Args:
        names: of the classes.
        dice: [N, F, 2] of :func:`dice_both_ways`, of validation samples.

    Returns:
        For what is fitted on validation: class to ``chosen``, and the means ``dice_all`` and ``dice_largest``.
    """
    known = [values[np.isfinite(values).all(axis=1)] for values in np.moveaxis(dice, 1, 0)]  # F of [n, 2]
    means = [values.mean(axis=0).tolist() if len(values) else [math.nan, math.nan] for values in known]
    return {
        LARGEST: {
            name: {
                "chosen": largest > every and _more_gain(values),
                "dice_all": every if math.isfinite(every) else None,
                "dice_largest": largest if math.isfinite(largest) else None,
            }
            for name, (every, largest), values in zip(names, means, known, strict=True)
        }
    }


def _more_gain(dice: np.ndarray) -> bool:
    gains = np.sign(dice[:, 1] - dice[:, 0])
    return bool(gains.sum() > 0)


def cleaned(metrics: MaskMetrics, mask: np.ndarray, fitted: Mapping[str, Any], pixel: float) -> np.ndarray:
    """A mask of labels as it is served: :func:`largest_alone`, then :func:`without_small`; arguments as there."""
    return without_small(metrics, largest_alone(metrics, mask, fitted), pixel)


def without_small(metrics: MaskMetrics, mask: np.ndarray, pixel: float) -> np.ndarray:
    """A mask of labels without the components of each class that are smaller than ``min_component``.

    Args:
        metrics: of the segmentation.
        mask: labels, uint8 [H, W] or [D, H, W].
        pixel: size of one pixel or voxel, in the unit of ``min_component``.
    """
    least = metrics.settings.min_component
    if least is None:
        return mask
    remaining = mask.copy()
    for label in range(1, len(metrics.foreground) + 1):
        small = smaller(has_label(mask, label, metrics.overlapping), least / pixel)
        remaining[small] -= np.uint8(code_of(label, metrics.overlapping))
    return remaining


def largest_alone(metrics: MaskMetrics, mask: np.ndarray, fitted: Mapping[str, Any]) -> np.ndarray:
    """A mask of labels without what lies beside the largest component of each chosen class.

    Args:
        metrics: of the segmentation.
        mask: labels, uint8 [H, W] or [D, H, W].
        fitted: on validation, see :func:`chosen`.
    """
    choices = fitted.get(LARGEST, {})
    labels = [i for i, name in enumerate(metrics.foreground, start=1) if choices.get(name, {}).get("chosen")]
    if not labels:
        return mask
    remaining = mask.copy()
    for label in labels:
        beside = beside_largest(has_label(mask, label, metrics.overlapping))
        remaining[beside] -= np.uint8(code_of(label, metrics.overlapping))
    return remaining
