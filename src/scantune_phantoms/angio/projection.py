"""The C-arm: body to picture, and tubes drawn as path length, outline and label."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_SOURCE = 76.0  # cm from the focal spot to the middle


@dataclass(frozen=True)
class Aim:
    """Where the C-arm stands.

    Attributes:
        primary: degrees, to the patient's left (LAO) positive; DICOM's Positioner Primary Angle, PS3.3 C.8.7.5.
        secondary: degrees, towards the head (cranial) positive.
        size: pixels along each edge.
        pixel: edge of a pixel at the middle, cm.
        target: [3] body coordinates that the picture's middle shows.
    """

    primary: float
    secondary: float
    size: int
    pixel: float
    target: np.ndarray

    @property
    def axes(self) -> np.ndarray:
        """[3, 3], rows are unit vectors: to the picture's right, to its lower edge, from patient to detector."""
        a, b = math.radians(self.primary), math.radians(self.secondary)
        beam = np.array([math.sin(a) * math.cos(b), -math.cos(a) * math.cos(b), math.sin(b)])
        right = np.array([math.cos(a), math.sin(a), 0.0])
        return np.stack([right, np.cross(beam, right) * -1.0, beam])

    def to_pixels(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[N, 3] body points to [N, 2] row, column and [N] magnification (1 in the middle's plane)."""
        local = (points - self.target) @ self.axes.T
        zoom = _SOURCE / (_SOURCE + local[:, 2])  # nearer to the detector is smaller
        centre = (self.size - 1) / 2
        column, row = centre + local[:, 0] * zoom / self.pixel, centre + local[:, 1] * zoom / self.pixel
        return np.stack([row, column], axis=1), zoom

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """cm to the right of and below the middle, of every pixel: float32 [H, W] each."""
        line = (np.arange(self.size, dtype=np.float32) - (self.size - 1) / 2) * self.pixel
        right, down = np.meshgrid(line, line)
        return right, down

    def rays(self) -> np.ndarray:
        """A body point on each pixel's ray: float64 [H, W, 3]."""
        right, down = self.grid()
        axes = self.axes
        return self.target + right[..., None] * axes[0] + down[..., None] * axes[1]


@dataclass(frozen=True)
class Stamps:
    """The pixels that pieces of tube touch.

    Attributes:
        index: [M] into the flat picture.
        piece: [M] number of the piece.
        away: [M] pixels from the piece's middle.
    """

    index: np.ndarray
    piece: np.ndarray
    away: np.ndarray


def stamps(centres: np.ndarray, radius: np.ndarray, size: int, margin: float = 1.0) -> Stamps:
    """Find the pixels within ``radius`` + ``margin`` of [N, 2] centres (row, column), all in pixels."""
    parts = []
    reach = np.ceil(radius + margin).astype(int)
    inside = ((centres > -reach[:, None]) & (centres < size - 1 + reach[:, None])).all(axis=1)
    for half in np.unique(reach[inside]):
        chosen = np.flatnonzero(inside & (reach == half))
        base = np.rint(centres[chosen]).astype(int)
        offset = np.arange(-half, half + 1)
        rows, columns = base[:, :1] + offset, base[:, 1:] + offset  # [N, K] each
        down, right = rows - centres[chosen, :1], columns - centres[chosen, 1:]
        away = np.sqrt(down[:, :, None] ** 2 + right[:, None, :] ** 2)  # [N, K, K]
        row_in, column_in = (rows >= 0) & (rows < size), (columns >= 0) & (columns < size)
        keep = row_in[:, :, None] & column_in[:, None, :] & (away <= radius[chosen, None, None] + margin)
        index = rows[:, :, None] * size + columns[:, None, :]
        piece = np.broadcast_to(chosen[:, None, None], keep.shape)
        parts.append((index[keep], piece[keep], away[keep]))
    if not parts:
        return Stamps(np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    return Stamps(*(np.concatenate(columns) for columns in zip(*parts)))


def thickness(centres: np.ndarray, radius: np.ndarray, volume: np.ndarray, size: int) -> np.ndarray:
    """Path length through round tubes cut into short pieces.

    A soft disc of a piece's volume spread over its outline, summed along a line, is the chord through a tube; a piece
    seen end on comes out as dense as it is.

    Args:
        centres: [N, 2] row, column.
        radius: [N] pixels.
        volume: [N] of the piece: cross section in pixels² times length in cm, times concentration.
        size: of the picture.

    Returns:
        float32 [H, W], cm.
    """
    touched = stamps(centres, radius, size)
    soft = np.clip(radius[touched.piece] + 0.5 - touched.away, 0, 1)
    whole = np.bincount(touched.piece, soft, len(radius))
    share = soft * (volume / np.maximum(whole, 0.3))[touched.piece]
    return np.bincount(touched.index, share, size * size).reshape(size, size).astype(np.float32)


def outline(centres: np.ndarray, radius: np.ndarray, size: int) -> np.ndarray:
    """Pixels inside the nearest tube's wall: float32 [H, W], greater than 0 inside, −1 where no tube is near."""
    touched = stamps(centres, radius, size)
    inside = np.full(size * size, -1.0, np.float32)
    np.maximum.at(inside, touched.index, (radius[touched.piece] - touched.away).astype(np.float32))
    return inside.reshape(size, size)


def resampled(points: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """A polyline [N, 3] cut into pieces of about ``spacing`` cm: middles [M, 3] and lengths [M]."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    run = np.concatenate([[0.0], np.cumsum(steps)])
    count = max(2, int(run[-1] / spacing))
    at = (np.arange(count) + 0.5) * run[-1] / count
    middles = np.stack([np.interp(at, run, points[:, axis]) for axis in range(points.shape[1])], axis=1)
    return middles, np.full(count, run[-1] / count)


def draw(aim: Aim, lines: list[np.ndarray], radius: float, density: float = 1.0) -> np.ndarray:
    """Body polylines [N, 3] as tubes of one radius (cm) and density: float32 [H, W], cm."""
    pieces = [resampled(line, max(0.7 * aim.pixel, 0.4 * radius)) for line in lines]
    if not pieces:
        return np.zeros((aim.size, aim.size), np.float32)
    points, lengths = np.concatenate([p for p, _ in pieces]), np.concatenate([length for _, length in pieces])
    centres, zoom = aim.to_pixels(points)
    wide = radius * zoom / aim.pixel
    return thickness(centres, wide, density * np.pi * wide**2 * lengths, aim.size)
