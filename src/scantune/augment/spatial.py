"""Spatial transforms, composed to one matrix and sampled once: linear for the input, nearest for its mask.

Matrices are homogeneous, float64 [n + 1, n + 1]; they map a position in the input to its position in the output.
Coordinates are in pixels times spacing, from the centre, in the order W, H[, D] (x to the right, y down the rows of an
image or to anterior in a volume, z up).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scantune.config.augment import ImageAugment, VolumeAugment

Fill = Literal["darkest", "border", "mirror"]


def identity(n: int) -> Tensor:
    """The identity in ``n`` dimensions."""
    return torch.eye(n + 1, dtype=torch.float64)


def rotation(n: int, degrees: Sequence[float]) -> Tensor:
    """Rotation by one angle (n = 2, clockwise as displayed) or by three, about x, then y, then z (n = 3)."""
    total = identity(n)
    planes = [(0, 1)] if n == 2 else [(1, 2), (2, 0), (0, 1)]
    for (a, b), angle in zip(planes, degrees, strict=True):
        turn, c, s = identity(n), math.cos(math.radians(angle)), math.sin(math.radians(angle))
        turn[a, a], turn[a, b], turn[b, a], turn[b, b] = c, -s, s, c
        total = turn @ total
    return total


def translation(offsets: Sequence[float]) -> Tensor:
    """Translation of content by ``offsets`` (W, H[, D]), in pixels times spacing."""
    total = identity(len(offsets))
    total[:-1, -1] = torch.tensor(offsets, dtype=torch.float64)
    return total


def zoom(n: int, factor: float) -> Tensor:
    """Scaling about the centre; above 1 enlarges."""
    total = identity(n) * factor
    total[-1, -1] = 1.0
    return total


def shear(n: int, of: int, by: int, amount: float) -> Tensor:
    """Shear of axis ``of`` by ``amount`` for each unit of axis ``by`` (0 is W, 1 is H)."""
    total = identity(n)
    total[of, by] = amount
    return total


def flip(n: int, axis: int) -> Tensor:
    """Reflection of axis 0 (W: left and right), 1 (H) or 2 (D)."""
    total = identity(n)
    total[axis, axis] = -1.0
    return total


def extent(shape: Sequence[int], spacing: Sequence[float] | None) -> Tensor:
    """Size of the field in pixels times spacing, W, H[, D]; ``shape`` and ``spacing`` are [D,] H, W."""
    step = torch.ones(len(shape), dtype=torch.float64) if spacing is None else torch.tensor(list(spacing)).double()
    return (torch.tensor(list(shape), dtype=torch.float64) * step).flip(0)


def warp(
    input: Tensor,
    mask: Tensor | None,
    forward: Tensor,
    *,
    spacing: Sequence[float] | None = None,
    fill: Fill = "darkest",
    crop: Sequence[int] | None = None,
    elastic: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Transform input and mask by ``forward`` in one interpolation.

    Args:
        input: [C, …space] floating, space being H, W or D, H, W.
        mask: [M, …space] of any dtype, or None; 0 outside, mirrored where the input is.
        forward: matrix [n + 1, n + 1], see this module.
        spacing: size of a pixel along the spatial axes (any unit), so that rotations are rigid; None is isotropic.
        fill: of the area outside the input: the darkest value of the channel, the nearest pixel of the border, or the
            input mirrored at its border.
        crop: shape […space] of the middle part that is returned; None: all of it.
        elastic: displacements [1, n, …points] along the axes W, H[, D], as shares of the size of what is returned, at
            points that are spread evenly over it; linear between them (cubic in 2D). None for none.

    Returns:
        Both, with unchanged dtypes; shapes as they were but for ``crop``.
    """
    n = forward.shape[0] - 1
    shape = list(input.shape[1:] if crop is None else crop)
    if elastic is None and torch.equal(forward, identity(n)):
        return middle(input, shape), None if mask is None else middle(mask, shape)
    diagonal = torch.diagonal(forward)
    if elastic is None and torch.equal(forward, torch.diag(diagonal)) and bool((diagonal.abs() == 1).all()):
        axes = [-1 - axis for axis in range(n) if diagonal[axis] < 0]  # reflections are exact, without interpolation
        input, mask = middle(input, shape), None if mask is None else middle(mask, shape)
        return input.flip(axes), None if mask is None else mask.flip(axes)
    # affine_grid maps output to input positions, each in units of half its field
    theta = (torch.linalg.inv(forward) * _half(shape, spacing) / _half(input.shape[1:], spacing)[:, None])[:-1]
    grid = F.affine_grid(theta[None].float(), [1, 1, *shape], align_corners=False)
    if elastic is not None:
        mode = "bicubic" if n == 2 else "trilinear"
        smooth = F.interpolate(elastic, shape, mode=mode, align_corners=True)
        ratio = extent(shape, spacing) / extent(input.shape[1:], spacing)
        grid = grid + (smooth[0].movedim(0, -1) * (2 * ratio).float())[None]
    moved = _sample(input, grid, fill)
    if mask is None:
        return moved, None
    outside = "reflection" if fill == "mirror" else "zeros"
    nearest = F.grid_sample(mask[None].float(), grid, mode="nearest", padding_mode=outside, align_corners=False)
    return moved, nearest[0].to(mask.dtype)


def middle(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The middle part of ``input`` [C, …space], of a shape […space]."""
    starts = [(length - n) // 2 for length, n in zip(input.shape[1:], shape, strict=True)]
    return input[(slice(None), *(slice(at, at + n) for at, n in zip(starts, shape)))]


def _half(shape: Sequence[int], spacing: Sequence[float] | None) -> Tensor:
    return torch.cat([extent(shape, spacing) / 2, torch.ones(1, dtype=torch.float64)])


def around(
    settings: ImageAugment | VolumeAugment, spacing: Sequence[float] | None, crop: Sequence[int] | None
) -> tuple[int, ...] | None:
    """The size that a sample must have for ``crop`` to be filled by it after any draw; None without a crop.

    Args:
        settings: largest rotation, translation, enlargement and elastic displacement.
        spacing: as of :func:`warp`.
        crop: shape of the result.
    """
    if crop is None:
        return None
    shift = max(map(abs, settings.translation)) + 2 * settings.elastic[1]
    return tuple(reach(crop, spacing, max(map(abs, settings.rotation)), settings.zoom[0], shift))


def reach(
    shape: Sequence[int], spacing: Sequence[float] | None, degrees: float, zoom: float, shift: float
) -> list[int]:
    """The size of the field from which a warped field of ``shape`` is filled, at most.

    Args:
        shape: of the warped field, [D,] H, W.
        spacing: as of :func:`warp`.
        degrees: largest rotation, about each axis.
        zoom: smallest factor.
        shift: largest translation, as a share of the size.
    """
    size = extent(shape, spacing).flip(0)
    tilt = math.sin(math.radians(min(abs(degrees), 90)))
    across = min(1.0, tilt if len(shape) == 2 else tilt * (1 + tilt))
    turned = [float(min(side + across * (size.sum() - side), size.norm())) for side in size]
    step = size / torch.tensor(list(shape), dtype=torch.float64)
    return [
        max(n, math.ceil(length * (1 / min(zoom, 1.0) + 2 * shift) / float(one)))
        for n, length, one in zip(shape, turned, step, strict=True)
    ]


def _sample(input: Tensor, grid: Tensor, fill: Fill) -> Tensor:
    if fill != "darkest":
        outside = {"border": "border", "mirror": "reflection"}[fill]
        return F.grid_sample(input[None], grid.to(input.dtype), padding_mode=outside, align_corners=False)[0]
    darkest = input.amin(dim=tuple(range(1, input.ndim)), keepdim=True)
    lifted = (input - darkest)[None]
    return F.grid_sample(lifted, grid.to(input.dtype), padding_mode="zeros", align_corners=False)[0] + darkest
