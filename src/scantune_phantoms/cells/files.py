"""Pictures written with a comment that says what they are; some broken on purpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scantune_phantoms.cohort import SYNTHETIC

FAULTS = ("truncated file", "empty file", "all black")


def choose(rng: np.random.Generator, count: int) -> dict[int, str]:
    """Which of ``count`` pictures are broken, and how: each fault once in 300, at least once from 24 pictures on."""
    each = max(1, round(count / 300)) if count >= 24 else 0
    return {int(at): FAULTS[i % len(FAULTS)] for i, at in enumerate(rng.permutation(count)[: each * len(FAULTS)])}


def write_picture(path: Path, pixels: np.ndarray, fault: str | None = None) -> None:
    """Write a picture as PNG or JPEG, by the path's suffix; its comment says that it is synthetic.

    Args:
        path: of the file.
        pixels: uint8 [H, W], or RGB [H, W, 3].
        fault: one of `FAULTS`, or None.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.zeros_like(pixels) if fault == "all black" else pixels)
    if path.suffix == ".jpg":
        picture.save(path, quality=90, comment=SYNTHETIC)
    else:
        note = PngInfo()
        note.add_text("Comment", SYNTHETIC)
        picture.save(path, pnginfo=note, compress_level=6)
    if fault == "truncated file":
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif fault == "empty file":
        path.write_bytes(b"")
