"""The ultrasound sector: where the picture moves."""

from __future__ import annotations

import numpy as np

from scantune.records import ReadError

MIN_AREA = 0.05  # of the frame
MOVES = 12  # grey levels; JPEG's own noise around still text stays below
SPREAD = 16
"""Frames over the whole loop in which movement is looked for: in a few that follow each other, little may move."""
STILL = 0.25
"""Share of what is lit around the sector, from which its being blanked is told."""


def sector_mask(frames: np.ndarray) -> np.ndarray:
    """bool [H, W]: the convex outline of the largest part that moves. Text, scales and logos stand still outside it.

    Args:
        frames: uint8 [T, H, W], two or more frames spread over the video; a single frame uses its largest lit part.

    Raises:
        ReadError: no part of at least 5 % of the frame was found.
    """
    import cv2

    frames = frames[..., 0] if frames.ndim == 4 else frames
    if frames.shape[0] > 1:
        lit = (frames.max(axis=0).astype(np.int16) - frames.min(axis=0)) > MOVES
    else:
        lit = frames[0] > MOVES
    height, width = lit.shape
    disc = _disc(lit.shape, 1)
    # Thin things go first (the ECG's trace, letters), then the sector's own speckle closes.
    solid = cv2.morphologyEx(cv2.medianBlur(lit.astype(np.uint8), 5), cv2.MORPH_OPEN, disc)
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, disc, iterations=3)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    if count < 2:
        raise ReadError("no ultrasound sector found: nothing in the video moves")
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    outline, _ = cv2.findContours((labels == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.concatenate(list(outline)))
    mask = cv2.fillConvexPoly(np.zeros((height, width), np.uint8), hull, 1).astype(bool)
    if mask.mean() < MIN_AREA:
        raise ReadError(f"no ultrasound sector found: the largest moving part is {mask.mean():.1%} of the frame")
    return mask


def spread_over(n_frames: int) -> list[int]:
    """Indices of :data:`SPREAD` frames over a loop, or of all."""
    return np.unique(np.linspace(0, n_frames - 1, min(SPREAD, n_frames)).round().astype(int)).tolist()


def still_share(frames: np.ndarray, mask: np.ndarray) -> float:
    """Share of the lit part around the sector that stands still outside of it, and is blanked.

    Args:
        frames: uint8 [T, H, W], as for :func:`sector_mask`.
        mask: bool [H, W], the sector.
    """
    import cv2

    lit = cv2.medianBlur((frames.max(axis=0) > MOVES).astype(np.uint8), 5)
    labels = cv2.connectedComponents(cv2.morphologyEx(lit, cv2.MORPH_OPEN, _disc(lit.shape, 2)), connectivity=8)[1]
    touched = np.bincount(labels[mask], minlength=2)
    around = labels == 1 + int(np.argmax(touched[1:]))
    return float((around & ~mask).sum() / around.sum()) if touched[1:].any() else 0.0


def _disc(shape: tuple[int, ...], width: int) -> np.ndarray:
    """A disc whose radius is about ``width`` per cent of the frame."""
    import cv2

    radius = width * max(1, min(shape) // 100)
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
