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

    connectivity = np.ones((3,) * truth.ndim, int)
    predicted, n_predicted = ndimage.label(prediction, connectivity)
    true, n_true = ndimage.label(truth, connectivity)
    if not n_predicted and not n_true:
        return dict.fromkeys(LESIONS, 1.0 if empty == "one" else math.nan)
    matches = 0
    if n_predicted and n_true:
        both = np.zeros((n_predicted + 1, n_true + 1))
        np.add.at(both, (predicted[prediction & truth], true[prediction & truth]), 1)
        sizes = np.bincount(predicted.ravel(), minlength=n_predicted + 1)[:, None] + np.bincount(true.ravel())[None]
        fits = (both / (sizes - both))[1:, 1:] >= overlap
        matches = int(fits[linear_sum_assignment(fits, maximize=True)].sum())
    return {
        "lesion_f1": 2 * matches / (n_predicted + n_true),
        "lesion_precision": matches / n_predicted if n_predicted else math.nan,
        "lesion_recall": matches / n_true if n_true else math.nan,
    }
