"""A sample's display copy: its file at its own resolution in eight bits, which is what people are shown of it.

Preprocess writes it beside the tensor, so that whoever draws a sample later reads no file of the cohort.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib

from scantune.digests import text_digest
from scantune.preprocess import store

NONE = "none"
"""``content`` where a sample has no display copy."""


@dataclass(frozen=True, eq=False)
class DisplayCopy:
    """What is shown of a sample.

    Attributes:
        picture: uint8 [H, W], [H, W, 3], [D, H, W] (RAS) or [T, H, W] with or without [… 3]; 0 … 255 is the window.
        window: lowest and highest value displayed, as the file states them; None where it states none and 0 … 255 is
            from the 0.5th to the 99.5th percentile, or all that eight bits can be.
        spacing: mm along the axes of space of ``picture``; None where unknown.
        affine: float64 [4, 4], index (i, j, k) of ``picture`` to mm in RAS; of volumes alone.
    """

    picture: np.ndarray
    window: tuple[float, float] | None = None
    spacing: tuple[float, ...] | None = None
    affine: np.ndarray | None = None

    @property
    def image(self) -> np.ndarray:
        """Values in the units of ``window``, in 0 … 1 without one; float32."""
        low, high = self.window or (0.0, 1.0)
        return self.picture.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)


def grey(image: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    """Values to 0 … 1 by the window, float32; the shape stays.

    Args:
        image: any shape.
        window: lowest and highest value; None is the 0.5th and 99.5th percentile.
    """
    if window is None:
        low, high = (float(v) for v in np.percentile(image, [0.5, 99.5]))
        if high <= low:
            low, high = float(image.min()), float(image.max())
    else:
        low, high = window
    return np.clip((image.astype(np.float32) - low) / max(high - low, 1e-12), 0, 1)


def eight_bits(image: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    """The same as uint8, 0 … 255."""
    return np.rint(grey(image, window) * 255).astype(np.uint8)


def path_of(cache: Path, sample_id: str) -> Path:
    """Path of the display copy of a sample in ``data/cache/<input>``."""
    return cache / "display" / f"{sample_id}.safetensors"


def write(path: Path, copy: DisplayCopy | None) -> str:
    """Write a display copy, compressed without loss.

    Args:
        path: the file.
        copy: None notes that the sample has none.

    Returns:
        ``content``: a digest of picture and facts, the same on every machine (the compressed bytes need not be).

    Raises:
        StoreFull: no room.
    """
    if copy is None:
        store.save(path, {}, {"axes": None, "content": NONE})
        return NONE
    across = _across(copy.picture.shape)
    steps = np.diff(copy.picture, axis=across, prepend=np.uint8(0))  # neighbours are alike, their differences small
    facts: dict[str, Any] = {
        "axes": list(copy.picture.shape),
        "window": copy.window,
        "spacing": copy.spacing,
        "affine": None if copy.affine is None else np.round(copy.affine, 6).tolist(),
    }
    facts["content"] = text_digest(json.dumps([store.array_digest(copy.picture), facts], sort_keys=True))
    packed = np.frombuffer(isal_zlib.compress(steps.tobytes(), 1), np.uint8)
    store.save(path, {"picture": packed}, facts)
    return str(facts["content"])


def read(path: Path) -> DisplayCopy | None:
    """The display copy in a file; None where the sample has none.

    Raises:
        Damaged: not a complete file.
    """
    facts = store.facts(path)
    if facts["axes"] is None:
        return None
    steps = np.frombuffer(isal_zlib.decompress(store.load(path)["picture"].tobytes()), np.uint8).reshape(facts["axes"])
    window, spacing, affine = facts["window"], facts["spacing"], facts["affine"]
    return DisplayCopy(
        np.cumsum(steps, axis=_across(steps.shape), dtype=np.uint8),
        None if window is None else (window[0], window[1]),
        None if spacing is None else tuple(spacing),
        None if affine is None else np.array(affine, np.float64),
    )


def _across(shape: Sequence[int]) -> int:
    """The axis of columns, before that of colour."""
    return -2 if shape[-1] == 3 else -1
