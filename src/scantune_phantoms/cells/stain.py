"""Colour as stains make it: light is absorbed, optical densities add up (Beer and Lambert)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def density(red: int, green: int, blue: int) -> np.ndarray:
    """Optical density (float32 [3]) of a colour seen on white light."""
    return -np.log(np.array([red, green, blue], np.float32) / 255)


NUCLEUS = density(92, 52, 138)
PALE_NUCLEUS = density(128, 92, 165)
RED_CELL = density(226, 178, 168)
LILAC = density(226, 205, 222)
SKY = density(160, 184, 226)
GREY_BLUE = density(176, 178, 206)
ORANGE = density(216, 122, 96)
VIOLET = density(72, 38, 112)
PINK = density(206, 160, 196)
PLATELET = density(166, 128, 186)


@dataclass(frozen=True)
class Scanner:
    """A microscope with its stainer.

    Attributes:
        name: as in the table.
        site: where it stands.
        light: RGB of the empty field, 0–1.
        strength: of the stain; 1 is usual.
        blue: how far the stain leans to blue (above 1) or red (below).
        zoom: of the objective; 1 is usual.
        blur: SD of the point spread, pixels.
        noise: SD, 0–255.
        jpeg: its pictures are stored as JPEG, else as PNG.
    """

    name: str
    site: str
    light: tuple[float, float, float]
    strength: float
    blue: float
    zoom: float
    blur: float
    noise: float
    jpeg: bool


SCANNERS = {
    scanner.name: scanner
    for scanner in (
        Scanner("lyra-100x", "a", (0.97, 0.93, 0.88), 1.0, 1.0, 1.0, 0.7, 2.5, False),
        Scanner("pavo-60x", "a", (0.92, 0.93, 0.95), 0.82, 1.12, 0.93, 1.0, 4.0, True),
        Scanner("corvus-40x", "b", (0.99, 0.95, 0.97), 1.22, 0.84, 0.84, 1.3, 5.0, False),
    )
}


def develop(rng: np.random.Generator, optical: np.ndarray, scanner: Scanner, *, focus: float) -> np.ndarray:
    """What the camera sees.

    Args:
        rng: draws shading and noise.
        optical: float32 [H, W, 3] density of all that lies in the field.
        scanner: that looks.
        focus: further blur, pixels.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    import cv2

    from scantune_phantoms.fields import grain, smooth_2d

    lean = np.array([1 / scanner.blue, 1.0, scanner.blue], np.float32)[::-1]
    seen = np.exp(-optical * np.float32(scanner.strength) * lean) * np.array(scanner.light, np.float32)
    seen = cv2.GaussianBlur(seen, (0, 0), float(np.hypot(scanner.blur, focus)))
    seen *= 1 + 0.02 * smooth_2d(rng, seen.shape[:2], (3, 3))[..., None]
    noise = np.stack([grain(rng, seen.shape[:2], 0.6) for _ in range(3)], axis=-1)
    return np.clip(np.rint(255 * seen + scanner.noise * noise), 0, 255).astype(np.uint8)
