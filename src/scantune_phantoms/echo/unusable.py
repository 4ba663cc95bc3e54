"""Files broken on purpose, as in real life."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: What befalls a file. A loop of one frame can be read: `min_frames` of the input decides about it.
FAULTS = ("file cut short", "all zero", "one frame")


def choose(rng: np.random.Generator, count: int) -> dict[int, str]:
    """Number of a loop to its fault: each about once in 90 loops, at least once from 24 loops on."""
    each = max(1, round(count / 90)) if count >= 24 else 0
    places = rng.permutation(count)[: each * len(FAULTS)]
    return {int(place): FAULTS[at % len(FAULTS)] for at, place in enumerate(places)}


def before_writing(frames: np.ndarray, fault: str | None) -> np.ndarray:
    """The frames [T, H, W, C] or [T, H, W] as the broken file holds them."""
    if fault == "all zero":
        return np.zeros_like(frames)
    return frames[:1] if fault == "one frame" else frames


def after_writing(path: Path, fault: str | None) -> None:
    """Break a written file where the fault is the file's own."""
    if fault == "file cut short":
        content = path.read_bytes()
        path.write_bytes(content[: int(0.6 * len(content))])
