"""Overlap of two masks: Dice and related metrics, surface distances and centre lines, in 2D and 3D, with spacing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scantune.statistics.surfels import KERNELS, sizes

MEASURES = ("dice", "iou", "precision", "recall", "hd95", "nsd", "cldice")


def dice(truth: np.ndarray, prediction: np.ndarray) -> float:
    """2 · |both| / (|truth| + |prediction|) of bool masks of one shape; NaN where both are empty."""
    return _ratio(2 * _count(truth & prediction), _count(truth) + _count(prediction))


def iou(truth: np.ndarray, prediction: np.ndarray) -> float:
    """|both| / |either|; NaN where both are empty."""
    return _ratio(_count(truth & prediction), _count(truth | prediction))


def precision(truth: np.ndarray, prediction: np.ndarray) -> float:
    """|both| / |prediction|; NaN where the prediction is empty."""
    return _ratio(_count(truth & prediction), _count(prediction))


def recall(truth: np.ndarray, prediction: np.ndarray) -> float:
    """|both| / |truth|; NaN where the truth is empty."""
    return _ratio(_count(truth & prediction), _count(truth))


def _count(mask: np.ndarray) -> int:
    return int(np.count_nonzero(mask))


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom else math.nan


@dataclass(frozen=True)
class Surfaces:
    """Distances between two surfaces, each element weighted by its area (length in 2D).

    Source: Nikolov et al., J Med Internet Res 2021;23:e26151; google-deepmind/surface-distance.

    Attributes:
        from_truth: mm [n], from each element of the true surface to the predicted one; infinite where that is empty.
        area_truth: mm² (mm) [n] of these elements.
        from_prediction: mm [m], from each element of the predicted surface.
        area_prediction: [m].
    """

    from_truth: np.ndarray
    area_truth: np.ndarray
    from_prediction: np.ndarray
    area_prediction: np.ndarray

    def hausdorff(self, percent: float = 95) -> float:
        """The larger of both directions' percentile, mm; infinite where one is empty, NaN where both are."""
        sides = [(self.from_truth, self.area_truth), (self.from_prediction, self.area_prediction)]
        distances = [_percentile(d, a, percent) for d, a in sides if len(d)]
        return math.nan if not distances else max(distances) if len(distances) == 2 else math.inf

    def nsd(self, tolerance: float) -> float:
        """Share of both surfaces that lies within ``tolerance`` mm of the other: 0 … 1; NaN where both are empty."""
        within = tolerance * (1 + 1e-6)  # three steps of 0.1 mm are 0.3 mm, and so is 0.3 as a float32 of a header
        near = self.area_truth[self.from_truth <= within].sum()
        near += self.area_prediction[self.from_prediction <= within].sum()
        return _ratio(float(near), float(self.area_truth.sum() + self.area_prediction.sum()))


def _percentile(distances: np.ndarray, areas: np.ndarray, percent: float) -> float:
    order = np.lexsort((areas, distances))
    share = np.cumsum(areas[order]) / areas.sum()
    place = min(int(np.searchsorted(share, percent / 100)), len(order) - 1)
    return float(distances[order][place])


def surfaces(truth: np.ndarray, prediction: np.ndarray, spacing: Sequence[float] | None = None) -> Surfaces:
    """Distances between the surfaces of two bool masks, 2D or 3D.

    Args:
        truth: the true mask.
        prediction: the predicted mask, of the same shape.
        spacing: of the axes in their order, mm; None: 1 (pixels).

    Raises:
        ValueError: shapes differ, or are not 2D or 3D, or do not fit ``spacing``.
    """
    spacing = [1.0] * truth.ndim if spacing is None else [float(s) for s in spacing]
    if truth.shape != prediction.shape or truth.ndim not in KERNELS or len(spacing) != truth.ndim:
        raise ValueError(f"masks {truth.shape} and {prediction.shape} with spacing {spacing}: one 2D or 3D shape")
    box = _bounding_box(truth | prediction)
    if box is None:
        nothing = np.empty(0)
        return Surfaces(nothing, nothing, nothing, nothing)
    size = sizes(spacing)
    codes = [_codes(mask[box]) for mask in (truth, prediction)]
    borders = [(c > 0) & (c < len(size) - 1) for c in codes]
    distances = [_distance_to(b, spacing) for b in borders]
    return Surfaces(
        from_truth=distances[1][borders[0]],
        area_truth=size[codes[0][borders[0]]],
        from_prediction=distances[0][borders[1]],
        area_prediction=size[codes[1][borders[1]]],
    )


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...] | None:
    ranges = []
    for axis in range(mask.ndim):
        inside = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        if not len(inside):
            return None
        ranges.append(slice(inside[0], inside[-1] + 1))
    return tuple(ranges)


def _codes(mask: np.ndarray) -> np.ndarray:
    """The neighbourhood's code at each corner of the voxels: one more along each axis than the mask."""
    padded = np.pad(mask.astype(np.uint8), 1)
    kernel = KERNELS[mask.ndim]
    codes = np.zeros([s + 1 for s in mask.shape], np.uint8)
    for place, value in np.ndenumerate(kernel):
        codes += np.uint8(value) * padded[tuple(slice(p, p + s + 1) for p, s in zip(place, mask.shape))]
    return codes


def _distance_to(border: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Distance of each corner to the nearest one in ``border``, mm; infinite where there is none."""
    if not border.any():
        return np.full(border.shape, np.inf)
    from scipy.ndimage import distance_transform_edt  # half a second to import: only where masks are measured

    return distance_transform_edt(~border, sampling=spacing)


def skeleton(mask: np.ndarray) -> np.ndarray:
    """The centre line of a bool mask: of each of its erosions, what opening takes away.

    Source: Shit et al., CVPR 2021, algorithm 1, on masks.

    Returns:
        bool, of the mask's shape.
    """
    from scipy.ndimage import binary_dilation, binary_erosion, generate_binary_structure

    cross, full = generate_binary_structure(mask.ndim, 1), generate_binary_structure(mask.ndim, mask.ndim)
    left, skeleton_mask = mask.astype(bool), np.zeros(mask.shape, bool)
    while left.any():
        inner = binary_erosion(left, cross)
        skeleton_mask |= left & ~binary_dilation(inner, full)
        left = inner
    return skeleton_mask


def centre_line_dice(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Dice of the centre lines: harmonic mean of each line's share inside the other mask; NaN where both are empty.

    Source: Shit et al., CVPR 2021, eq. 1–3.
    """
    box = _bounding_box(truth | prediction)
    if box is None:
        return math.nan
    truth, prediction = truth[box], prediction[box]
    if not truth.any() or not prediction.any():
        return 0.0
    true_line, said_line = (skeleton(np.pad(m, 1))[(slice(1, -1),) * m.ndim] for m in (truth, prediction))
    topology_precision = _ratio(_count(said_line & truth), _count(said_line))
    topology_recall = _ratio(_count(true_line & prediction), _count(true_line))
    total = topology_precision + topology_recall
    return 2 * topology_precision * topology_recall / total if total else 0.0


def overlap_figures(
    prediction: np.ndarray,
    truth: np.ndarray,
    *,
    spacing: Sequence[float] | None = None,
    tolerance: float = 1.0,
    cldice: bool = True,
    empty: str = "undefined",
    missed: str = "diagonal",
) -> dict[str, float]:
    """All metrics of one pair of masks.

    Both masks empty: undefined (NaN), or perfect, as ``empty`` states. One mask empty: Dice, IoU, precision, recall,
    NSD and clDice are 0 and the Hausdorff distance is the image's diagonal, or infinite, as ``missed`` says.

    Args:
        prediction: bool, 2D or 3D.
        truth: bool, of the same shape.
        spacing: of the axes in their order, mm; None: pixels.
        tolerance: of the normalised surface Dice, mm (pixels).
        cldice: whether the centre lines' Dice is computed; else it is NaN.
        empty: ``undefined`` or ``one``.
        missed: ``diagonal`` or ``infinite``.

    Returns:
        ``dice iou precision recall hd95 nsd cldice``.
    """
    prediction, truth = np.asarray(prediction, bool), np.asarray(truth, bool)
    if not prediction.any() and not truth.any():
        right = dict.fromkeys(MEASURES, 1.0 if empty == "one" else math.nan)
        right["hd95"] = 0.0 if empty == "one" else math.nan
        return right if cldice else right | {"cldice": math.nan}
    if not prediction.any() or not truth.any():
        steps = [1.0] * truth.ndim if spacing is None else spacing
        diagonal = math.sqrt(sum((n * s) ** 2 for n, s in zip(truth.shape, steps)))
        wrong = dict.fromkeys(MEASURES, 0.0) | {"hd95": diagonal if missed == "diagonal" else math.inf}
        return wrong if cldice else wrong | {"cldice": math.nan}
    between = surfaces(truth, prediction, spacing)
    return {
        "dice": dice(truth, prediction),
        "iou": iou(truth, prediction),
        "precision": precision(truth, prediction),
        "recall": recall(truth, prediction),
        "hd95": between.hausdorff(95),
        "nsd": between.nsd(tolerance),
        "cldice": centre_line_dice(truth, prediction) if cldice else math.nan,
    }
