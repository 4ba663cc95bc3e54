"""Random fields that pictures are spoiled and bent with: smooth in the plane and in space, grain, fractal texture."""

from __future__ import annotations

import numpy as np


def smooth_2d(rng: np.random.Generator, shape: tuple[int, int], knots: tuple[int, int]) -> np.ndarray:
    """A smooth field of about unit standard deviation, cubic between ``knots`` of white noise.

    Args:
        rng: draws the knots.
        shape: H, W.
        knots: along H and W; more make a rougher field.

    Returns:
        float32 [H, W].
    """
    return enlarge(rng.standard_normal(knots).astype(np.float32), shape)


def enlarge(coarse: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cubic interpolation of a float32 [H, W] array to ``shape``."""
    import cv2

    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


def smooth_3d(rng: np.random.Generator, shape: tuple[int, int, int], knots: tuple[int, int, int]) -> np.ndarray:
    """As `smooth_2d`, in space: float32 [D, H, W]."""
    coarse = rng.standard_normal(knots).astype(np.float32)
    depth, height, width = shape
    plane = enlarge(coarse.reshape(knots[0], -1), (depth, knots[1] * knots[2]))  # D, h*w
    rows = plane.reshape(depth, *knots[1:]).transpose(1, 0, 2).reshape(knots[1], -1)  # h, D*w
    plane = enlarge(rows, (height, depth * knots[2]))
    rows = plane.reshape(height, depth, knots[2]).transpose(1, 0, 2).reshape(depth * height, knots[2])  # D*H, w
    return enlarge(np.ascontiguousarray(rows), (depth * height, width)).reshape(shape)


def grain(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """White noise blurred by a Gaussian of ``sigma`` pixels and brought back to unit standard deviation: float32."""
    import cv2

    noise = rng.standard_normal(shape, dtype=np.float32)
    if sigma <= 0:
        return noise
    blurred = cv2.GaussianBlur(noise, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return blurred / np.float32(blurred.std())


def clouds(
    rng: np.random.Generator, shape: tuple[int, int], coarsest: int, octaves: int, gain: float = 0.55
) -> np.ndarray:
    """Fractal noise: octaves of smooth fields, each twice as fine and ``gain`` times as strong; float32, unit SD."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        knots = (coarsest * 2**octave + 1, coarsest * 2**octave + 1)
        total += gain**octave * smooth_2d(rng, shape, knots)
    return total / float(total.std())


def step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, smooth between (Hermite); ``low`` may be the greater of the two."""
    ramp = np.clip((value - low) / (high - low), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)
