"""What preparing one sample gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Prepared:
    """One sample, ready for a network.

    Attributes:
        tensor: [C, H, W], [C, D, H, W] or [C, T, H, W]; uint8 (0 … 255 for 0 … 1), float16 or float32.
        mask: uint8 [1, …] of the same space, or None.
        spacing: mm along the axes of space in their order ([D,] H, W); frames: ms, then mm where known. None: unknown.
        facts: JSON-able facts without identity; those of a volume hold its affine.
    """

    tensor: np.ndarray
    mask: np.ndarray | None = None
    spacing: tuple[float, ...] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
