"""The machines: sector, point spread, grey curve, colours. Beams in polar coordinates, then the screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BEAMS = 112
RANGES = 208


@dataclass(frozen=True)
class Scanner:
    """How one machine looks.

    Attributes:
        name: as in the table.
        site: where it stands.
        vendor: as in the header.
        model: as in the header, and on the screen.
        size: height and width of the screen, pixels.
        half_angle: of the sector, degrees.
        axial: SD of the point spread along the beam, cm.
        lateral: SD of the point spread across, beams.
        dynamic_range: dB between black and white.
        noise: electronic noise behind 16 cm of tissue, dB about muscle.
        curve: exponent of the grey curve.
        persistence: share of the frame before in each.
        edge: by which detail is lifted.
        tint: white in R, G, B.
        encoding: of its DICOM files, "jpeg" or "raw".
        grey: its files have one channel.
    """

    name: str
    site: str
    vendor: str
    model: str
    size: tuple[int, int]
    half_angle: float
    axial: float
    lateral: float
    dynamic_range: float
    noise: float
    curve: float
    persistence: float
    edge: float
    tint: tuple[float, float, float]
    encoding: str
    grey: bool


SCANNERS = {
    "delfin-S3": Scanner(
        "delfin-S3", "a", "Delfin (phantom)", "S3", (160, 208), 40.0,
        0.060, 1.05, 50, -28, 1.15, 0.25, 0.35, (1.0, 0.955, 0.86), "jpeg", False,
    ),
    "egret-P1": Scanner(
        "egret-P1", "a", "Egret (phantom)", "P1", (168, 200), 37.5,
        0.075, 1.35, 58, -33, 1.0, 0.4, 0.0, (1.0, 1.0, 1.0), "raw", True,
    ),
    "fulmar-X": Scanner(
        "fulmar-X", "b", "Fulmar (phantom)", "X", (176, 216), 43.0,
        0.100, 1.8, 42, -16, 1.35, 0.1, 0.9, (0.86, 0.95, 1.0), "jpeg", False,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Sector:
    """Where the sector lies: in the body, polar [R, A], and on the screen [H, W].

    Attributes:
        depth: range of the last sample, cm.
        radius: of each sample row, cm, [R, 1].
        angle: of each beam, radians, right positive, [1, A].
        x, z: of each sample, cm; right and deep positive, [R, A].
        map_a, map_r: beam and row that each pixel of the screen shows, [H, W].
        inside: bool [H, W].
        apex: row and column of the probe on the screen.
        scale: pixels a cm.
    """

    depth: float
    radius: np.ndarray
    angle: np.ndarray
    x: np.ndarray
    z: np.ndarray
    map_a: np.ndarray
    map_r: np.ndarray
    inside: np.ndarray
    apex: tuple[float, float]
    scale: float


def make_sector(
    scanner: Scanner, depth: float, *, size: tuple[int, int] | None = None, margins: tuple[float, float] = (0.07, 0.1)
) -> Sector:
    """The sector of a loop.

    Args:
        scanner: the machine.
        depth: shown, cm.
        size: of the screen; None for the scanner's own.
        margins: share of the height above the probe and below the sector.
    """
    height, width = size or scanner.size
    half = np.deg2rad(scanner.half_angle)
    top = margins[0] * height
    scale = min((1 - sum(margins)) * height / depth, 0.49 * width / (depth * np.sin(half)))
    radius = np.linspace(0.15, depth, RANGES, dtype=np.float32)[:, None]
    angle = np.linspace(-half, half, BEAMS, dtype=np.float32)[None]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    across, down = (columns - (width - 1) / 2) / scale, (rows - top) / scale
    far, turn = np.hypot(across, down), np.arctan2(across, down)
    map_a = (turn + half) / (2 * half) * (BEAMS - 1)
    map_r = (far - 0.15) / (depth - 0.15) * (RANGES - 1)
    inside = (np.abs(turn) <= half) & (far <= depth) & (far >= 0.15)
    return Sector(
        depth, radius, angle, radius * np.sin(angle), radius * np.cos(angle),
        map_a.astype(np.float32), map_r.astype(np.float32), inside, (top, (width - 1) / 2), float(scale),
    )  # fmt: skip


def scan_convert(sector: Sector, polar: np.ndarray) -> np.ndarray:
    """Polar [R, A] float32 shown on the screen, 0 outside the sector, [H, W]."""
    import cv2

    return cv2.remap(polar, sector.map_a, sector.map_r, cv2.INTER_LINEAR, borderValue=0) * sector.inside


def spread(scanner: Scanner, sector: Sector, echoes: np.ndarray, aberration: float = 0.0) -> np.ndarray:
    """The machine's point spread: Gaussian along the beam, and across it wider away from the focus at mid depth.

    Args:
        scanner: the machine.
        sector: its geometry.
        echoes: real and imaginary part of the scattered wave, float32 [R, A, 2].
        aberration: 0–1, by which tissue between probe and heart widens the beam.
    """
    import cv2

    step = (sector.depth - 0.15) / (RANGES - 1)
    axial = max(0.55, scanner.axial / step)
    lateral = scanner.lateral * (1 + 2.2 * aberration)
    narrow = cv2.GaussianBlur(echoes, (0, 0), sigmaX=lateral, sigmaY=axial)
    wide = cv2.GaussianBlur(narrow, (0, 0), sigmaX=1.3 * lateral, sigmaY=0.3)
    share = np.clip(np.abs(sector.radius / sector.depth - 0.5) * 1.7, 0, 1)[..., None]
    # Unit power for white echoes: a Gaussian of SD s keeps 1 / (2 s √π) of it.
    gain_narrow = np.sqrt(4 * np.pi * lateral * axial)
    gain_wide = np.sqrt(4 * np.pi * np.hypot(lateral, 1.3 * lateral) * np.hypot(axial, 0.3))
    return narrow * (gain_narrow * (1 - share)) + wide * (gain_wide * share)


def compress(scanner: Scanner, waves: np.ndarray, gain: float) -> np.ndarray:
    """Envelope, logarithm, grey curve: [R, A, 2] to 0–1 [R, A]; at gain 0 (dB) muscle lies in the middle."""
    power = waves[..., 0] ** 2 + waves[..., 1] ** 2 + 1e-8
    level = 10 * np.log10(power) + gain
    return np.clip(level / scanner.dynamic_range + 0.5, 0, 1) ** scanner.curve
