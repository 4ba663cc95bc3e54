"""Lesions found and missed: the connected components of two masks, matched one to one."""

from __future__ import annotations

import math

import numpy as np

LESIONS = ("lesion_f1", "lesion_precision", "lesion_recall")


def lesion_figures(
    prediction: np.ndarray, truth: np.ndarray, *, overlap: float, empty: str = "undefined"
) -> dict[str, float]:
    """F1, precision and recall of lesions: a lesion is a connected component (neighbours by face, edge or corner).

    A predicted and a true lesion match where their intersection over union is at least ``overlap``; each takes part in
    one match at most, such that there are as many as possible (Kofler et al., arXiv:2312.02608, with maximum matching).

    Args:
        prediction: bool, 2D or 3D.
        truth: bool, of the same shape.
        overlap: above 0, at most 1.
        empty: neither mask has a lesion: ``undefined`` (NaN), or ``one``. One of the two has none: F1 is 0, and the
            share of its lesions undefined.

    Returns:
        ``lesion_f1 lesion_precision lesion_recall``.
    """
    from scipy import ndimage
    from scipy.optimize import linear_sum_assignment

    whole = np.ones((3,) * truth.ndim, int)
    predicted, found = ndimage.label(prediction, whole)
    true, there = ndimage.label(truth, whole)
    if not found and not there:
        return dict.fromkeys(LESIONS, 1.0 if empty == "one" else math.nan)
    matches = 0
    if found and there:
        both = np.zeros((found + 1, there + 1))
        np.add.at(both, (predicted[prediction & truth], true[prediction & truth]), 1)
        sizes = np.bincount(predicted.ravel(), minlength=found + 1)[:, None] + np.bincount(true.ravel())[None]
        fits = (both / (sizes - both))[1:, 1:] >= overlap
        matches = int(fits[linear_sum_assignment(fits, maximize=True)].sum())
    return {
        "lesion_f1": 2 * matches / (found + there),
        "lesion_precision": matches / found if found else math.nan,
        "lesion_recall": matches / there if there else math.nan,
    }
