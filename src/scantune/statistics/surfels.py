"""Area of the surface in a neighbourhood of 2 × 2 × 2 voxels, and length of the contour in one of 2 × 2 pixels.

The triangles of the 256 neighbourhoods are those of the marching cubes table in google-deepmind/surface-distance
(Apache License 2.0), kept here as the sizes of their normals: an area does not depend on a normal's sign, and a
neighbourhood and its complement have the same surface.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

KERNELS = {2: np.array([[8, 4], [2, 1]]), 3: np.array([[[128, 64], [32, 16]], [[8, 4], [2, 1]]])}
"""What a neighbourhood's code is made of: the sum of these where the voxel is inside."""

# Triangles of each shape: the normal's components along the three axes, in eighths of a voxel face.
_SHAPES = {
    "A": "000",
    "B": "111",
    "C": "220 220",
    "D": "202 202",
    "E": "111 111",
    "F": "111 222 400",
    "G": "400 400",
    "H": "022 022",
    "I": "040 111 222",
    "J": "004 111 222",
    "K": "111 111 111",
    "L": "111 111 222 222",
    "M": "022 022 111",
    "N": "111 202 202",
    "O": "022 111 202 333",
    "P": "111 220 220",
    "Q": "022 111 220 333",
    "R": "111 111 222 400",
    "S": "040 040",
    "T": "111 202 220 333",
    "U": "040 111 111 222",
    "V": "220 220 220 220",
    "W": "004 004",
    "X": "004 111 111 222",
    "Y": "202 202 202 202",
    "Z": "022 022 022 022",
    "a": "111 111 111 111",
}

# The shape of neighbourhoods 0 … 127; that of 255 − code is the same.
_CODES = (
    "ABBCBDEFBEDFCFFGBHEIEJKLEMNOPQRFBEHIENMOEKJLPRQFCIISPTUIPUTIVPPC"
    "BEEPHJMQEKNRILOFDJNTJWXJNXYNTJNDEKMUMXZMKaXKUKMEFLOIQJMHRKNEPEEB"
)


def sizes(spacing: Sequence[float]) -> np.ndarray:
    """Area (mm²) or length (mm) of the surface in each neighbourhood, float64 [256] or [16], by its code.

    Args:
        spacing: of the axes, mm; 3 or 2 of them.
    """
    return _areas(spacing) if len(spacing) == 3 else _lengths(spacing)


def _areas(spacing: Sequence[float]) -> np.ndarray:
    a, b, c = spacing
    faces = np.array([b * c, a * c, a * b]) / 8
    of_shape = {
        name: sum(float(np.linalg.norm(np.array([int(v) for v in triangle]) * faces)) for triangle in text.split())
        for name, text in _SHAPES.items()
    }
    half = [of_shape[s] for s in _CODES]
    return np.array([*half, *reversed(half)])


def _lengths(spacing: Sequence[float]) -> np.ndarray:
    down, across = spacing
    corner = 0.5 * float(np.hypot(down, across))
    half = [0.0, corner, corner, across, corner, down, 2 * corner, corner]
    return np.array([*half, *reversed(half)])
