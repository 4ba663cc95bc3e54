"""What a scanner makes of a brain: contrast, shading, blur, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune_phantoms.fields import smooth_3d
from scantune_phantoms.loes.brain import Brain


@dataclass(frozen=True)
class Scanner:
    """How one scanner draws the same brain.

    Attributes:
        name: as in the table.
        site: where it stands.
        vendor: as in the header.
        model: as in the header.
        tesla: field strength.
        contrast: how far white and grey matter are apart; 1 as in the template.
        gamma: of the grey scale.
        noise: standard deviation, white matter being 1.
        bias: strength of the coil's shading.
        blur: SD of the point spread, voxels, along D, H, W.
        scale: grey levels of white matter.
    """

    name: str
    site: str
    vendor: str
    model: str
    tesla: float
    contrast: float
    gamma: float
    noise: float
    bias: float
    blur: tuple[float, float, float]
    scale: float


SCANNERS = {
    scanner.name: scanner
    for scanner in (
        Scanner("borealis-3T", "a", "Borealis (phantom)", "B3.0", 3.0, 1.0, 1.0, 0.026, 0.09, (0, 0, 0), 820),
        Scanner("cirrus-1.5T", "a", "Cirrus (phantom)", "C1.5", 1.5, 0.72, 0.86, 0.04, 0.06, (0.35, 0.35, 0.35), 310),
        Scanner("tramont-1.5T", "b", "Tramont (phantom)", "T1.5", 1.5, 0.5, 1.5, 0.04, 0.24, (1.0, 0.4, 0.4), 1400),
    )
}


def acquire(rng: np.random.Generator, brain: Brain, scanner: Scanner, *, mark: bool = False) -> np.ndarray:
    """What the scanner makes of the brain: contrast, shading, blur, noise; brain extracted.

    Args:
        rng: draws noise, shading and the operator's gain.
        brain: from `grow`.
        scanner: that draws it.
        mark: leave a bright capsule beside the forehead, as some centres tape one on: the planted shortcut.

    Returns:
        int16 [D, H, W], 0 outside the brain.
    """
    from scipy import ndimage

    signal = np.clip(0.78 + (brain.signal - 0.78) * scanner.contrast, 0, None) ** scanner.gamma
    signal *= np.exp(scanner.bias * smooth_3d(rng, brain.signal.shape, (3, 3, 3)))
    if any(scanner.blur):
        signal = ndimage.gaussian_filter(signal, scanner.blur)
    noise = scanner.noise * rng.uniform(0.7, 1.4)
    real, imaginary = rng.standard_normal((2, *signal.shape), dtype=np.float32)
    signal = np.hypot(signal + noise * real, noise * imaginary) * brain.mask  # Rician, as magnitude images are
    if mark:
        signal += _capsule(signal.shape)
    return np.clip(np.rint(signal * scanner.scale * rng.uniform(0.85, 1.15)), 0, 32767).astype(np.int16)


def capsule_box(shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
    """Where the planted shortcut lies: D, H, W."""
    d, h, w = (int(share * size) for share, size in zip((0.55, 0.9, 0.83), shape))
    return slice(d, d + 5), slice(h, h + 5), slice(w, w + 3)


def _capsule(shape: tuple[int, ...]) -> np.ndarray:
    from scipy import ndimage

    block = np.zeros(shape, np.float32)
    block[capsule_box(shape)] = 1.5
    return ndimage.gaussian_filter(block, 0.6)
