"""PNG written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from scantune.records import ScantuneError


def write_png(path: Path | str, pixels: np.ndarray) -> Path:
    """Write grey (uint8, uint16) or RGB (uint8) pixels.

    Args:
        path: of the file.
        pixels: [H, W], [1, H, W], [3, H, W] or [H, W, 3].

    Raises:
        ScantuneError: for another shape or dtype.
    """
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3) and pixels.shape[-1] != 3:
        pixels = np.moveaxis(pixels, 0, -1)  # C H W -> H W C
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    grey = pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16)
    if not grey and not (pixels.ndim == 3 and pixels.shape[-1] == 3 and pixels.dtype == np.uint8):
        raise ScantuneError(f"a PNG holds uint8 or uint16 grey or uint8 RGB, not {pixels.dtype} {list(pixels.shape)}")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.ascontiguousarray(pixels)).save(path, format="PNG", compress_level=6)
    return path
