"""Where a prepared sample lies: the grid of its file, its mask there, and the way back from the prepared grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class OwnGrid:
    """The pixels or voxels of a sample's file, as the file is read (a volume in RAS+ order of axes).

    Attributes:
        shape: [H, W] or [D, H, W].
        spacing: mm along these axes; None where the file states none.
        affine: float64 [4, 4], index (W, H, D) to mm in RAS; of volumes alone.
        back: values [… prepared space] float32, and the value outside of them, to float32 [… ``shape``]: linear
            interpolation, areas averaged where the file is coarser.
        labels_back: labels uint8 [… prepared space] to uint8 [… ``shape``]: the nearest one, 0 outside.
        pixels: of the file, in one of the prepared grid; of pictures alone.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None
    affine: np.ndarray | None
    back: Callable[[np.ndarray, float], np.ndarray]
    labels_back: Callable[[np.ndarray], np.ndarray]
    pixels: float = 1.0


@dataclass(frozen=True, eq=False)
class Place:
    """Where a prepared sample lies.

    Attributes:
        spacing: mm along the axes of the prepared grid; None where unknown.
        own: the file's grid; None where the prepared one is all there is (loops).
        truth: reads the mask on the file's grid, uint8 of ``own.shape``; None where there is none.
        readers: every reader of the cohort to what reads that reader's mask on the same grid; None where the reader
            has not drawn this sample.
    """

    spacing: tuple[float, ...] | None = None
    own: OwnGrid | None = None
    truth: Callable[[], np.ndarray] | None = None
    readers: Mapping[str, Callable[[], np.ndarray] | None] = field(default_factory=dict)
