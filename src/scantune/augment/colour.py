"""Colour transforms of images [3, H, W]: hue and saturation, and the amounts of the stains of a smear or section."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from scantune.records import ScantuneError

#: RGB to luma and the two colour differences of NTSC (Y, I, Q), by row.
_YIQ = ((0.299, 0.587, 0.114), (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))
#: Optical density in R, G and B of haematoxylin, eosin and DAB, by row (Ruifrok & Johnston 2001, table 1).
_STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))
#: Darkest value that a density is computed of; that of 8 bits.
_DARKEST = 1 / 255


def hue_saturation(input: Tensor, degrees: float, factor: float) -> Tensor:
    """Rotate the hue and scale the saturation about the grey of the same luma, which does not change.

    Linear, so that it commutes with ``a·x + b``; nothing is clipped.

    Args:
        input: [3, H, W].
        degrees: rotation of the hue.
        factor: of the saturation; 0 is grey.

    Raises:
        ScantuneError: not three channels.
    """
    _require_colour(input)
    to_yiq = torch.tensor(_YIQ, dtype=torch.float64)
    angle = math.radians(degrees)
    turn = torch.eye(3, dtype=torch.float64)
    turn[1:, 1:] = factor * torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return torch.einsum("oc,chw->ohw", matrix.to(input), input)


def stain(input: Tensor, factors: Sequence[float], shifts: Sequence[float]) -> Tensor:
    """Change the amounts of three stains (Tellez et al. 2018, section III-B; haematoxylin, eosin, DAB).

    The amount of each in a pixel is multiplied by its factor; its shift, in standard deviations of the amounts in the
    image, is added. The stains need not be those of the image: the three span all colours.

    Args:
        input: [3, H, W], values 0 to 1.
        factors: one per stain.
        shifts: one per stain.

    Raises:
        ScantuneError: not three channels.
    """
    _require_colour(input)
    basis = torch.tensor(_STAINS, dtype=input.dtype, device=input.device)
    basis = basis / basis.norm(dim=1, keepdim=True)
    density = -torch.log(input.clamp(_DARKEST, 1.0))
    amounts = torch.einsum("cs,chw->shw", torch.linalg.inv(basis), density)
    spread = amounts.flatten(1).std(dim=1, correction=0)
    scale, shift = (torch.tensor(values, dtype=input.dtype, device=input.device) for values in (factors, shifts))
    changed = amounts * scale[:, None, None] + (shift * spread)[:, None, None]
    return torch.exp(-torch.einsum("sc,shw->chw", basis, changed)).clamp(0.0, 1.0)


def _require_colour(input: Tensor) -> None:
    if input.shape[0] != 3:
        raise ScantuneError(f"hue, saturation and stain need an image of three channels; this one has {input.shape[0]}")
