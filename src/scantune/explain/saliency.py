"""A saliency map, or the reason why it is undefined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

_LINEAR = {2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class Saliency:
    """Saliency map of one output for one sample.

    Attributes:
        map: float32 [H, W], [D, H, W] or [T, H, W] in the grid of the network input, 0 … 1, scaled to its maximum (so
            that the strength of two maps is not comparable); None where undefined.
        layer: dotted name of the layer inside the network.
        method: name in :data:`scantune.explain.maps.METHODS`.
        reason: of an undefined map; else None.
        grid: cells of the layer along each axis; finer detail in ``map`` is interpolation.
        output: the explained output (a logit, a score), before activation.
        peak: maximum of the map before it was scaled.
    """

    map: np.ndarray | None
    layer: str
    method: str
    reason: str | None = None
    grid: tuple[int, ...] = ()
    output: float | None = None
    peak: float = 0.0


def finish(
    cells: np.ndarray, shape: tuple[int, ...], *, layer: str, method: str, output: float | None = None
) -> Saliency:
    """Resample the map of a layer to the input grid and scale it to 0 … 1, or give the reason why it is undefined.

    Args:
        cells: float [h, w], [d, h, w] or [t, h, w]; negative values are evidence against the output and set to 0.
        shape: spatial shape of the input.
        layer: name of the layer.
        method: name of the method.
        output: the explained output.
    """
    grid = tuple(int(n) for n in cells.shape)

    def undefined(reason: str) -> Saliency:
        return Saliency(None, layer, method, reason, grid, output)

    if not np.isfinite(cells).all():
        return undefined("the layer's activations or gradients are not finite")
    positive = np.maximum(cells, 0).astype(np.float32)
    if positive.size == 1:
        return undefined(f"layer {layer} has a single cell and does not localise; choose an earlier layer")
    if positive.max() <= 1e-12:
        return undefined("all zero: no activation of this layer supports the prediction")
    if np.ptp(positive) <= 1e-6 * positive.max():
        return undefined("constant: the layer does not distinguish locations")
    full = F.interpolate(torch.from_numpy(positive)[None, None], shape, mode=_LINEAR[len(shape)], align_corners=False)
    values = full[0, 0].numpy()
    return Saliency(values / values.max(), layer, method, None, grid, output, float(values.max()))
