"""A saliency map, and when there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

_LINEAR = {2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class Saliency:
    """What a network looked at for one answer about one sample.

    Attributes:
        map: float32 [H, W], [D, H, W] or [T, H, W] in the grid of the network's input, 0 … 1, 1 being its own maximum
            (so maps of two samples do not compare in strength); None where it is undefined.
        layer: dotted name of the layer inside the network.
        method: name in :data:`scantune.explain.maps.METHODS`.
        reason: why ``map`` is None; else None.
        grid: cells that the layer itself has along each axis: what is finer in ``map`` is interpolation.
        output: the number that was explained (a logit, a score), before any activation.
    """

    map: np.ndarray | None
    layer: str
    method: str
    reason: str | None = None
    grid: tuple[int, ...] = ()
    output: float | None = None


def finish(
    cells: np.ndarray, shape: tuple[int, ...], *, layer: str, method: str, output: float | None = None
) -> Saliency:
    """Brings a layer's map to the input's grid and to 0 … 1, or says why it is undefined.

    Args:
        cells: float [h, w], [d, h, w] or [t, h, w]; what is negative speaks against the answer and becomes 0.
        shape: of the input's space.
        layer: where it is from.
        method: how it was made.
        output: the number explained.
    """
    grid = tuple(int(n) for n in cells.shape)

    def undefined(reason: str) -> Saliency:
        return Saliency(None, layer, method, reason, grid, output)

    if not np.isfinite(cells).all():
        return undefined("the layer's activations or gradients are not finite")
    positive = np.maximum(cells, 0).astype(np.float32)
    if positive.size == 1:
        return undefined(f"layer {layer} has a single cell and cannot localise; choose an earlier layer")
    if positive.max() <= 1e-12:
        return undefined("all zero: no activation of this layer supports the prediction")
    if np.ptp(positive) <= 1e-6 * positive.max():
        return undefined("constant: the layer does not distinguish locations")
    full = F.interpolate(torch.from_numpy(positive)[None, None], shape, mode=_LINEAR[len(shape)], align_corners=False)
    values = full[0, 0].numpy()
    return Saliency(values / values.max(), layer, method, None, grid, output)
