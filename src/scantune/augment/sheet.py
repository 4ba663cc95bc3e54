"""A contact sheet of augmented samples, for visual inspection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from scantune.augment.draws import Augment


def contact_sheet(
    inputs: Sequence[Tensor],
    augment: Augment,
    *,
    modality: str,
    draws: int = 5,
    seed: int = 0,
    side: int = 128,
    gap: int = 2,
) -> np.ndarray:
    """One row per sample: the original first, then ``draws`` augmented copies.

    Args:
        inputs: samples [C, H, W], [C, D, H, W] or [C, T, H, W]; of the latter two the middle slice or frame is
            displayed, a slice in radiological convention: anterior up, the right of the subject on the left.
        augment: of :func:`scantune.augment.build`.
        modality: "image", "volume" or "video".
        draws: augmented copies of each sample.
        seed: of the draws.
        side: height of a tile in pixels.
        gap: black pixels between tiles.

    Returns:
        uint8 [H, W], or [H, W, 3] where the samples have three channels. Each row has the grey scale of its original
        (1st to 99th percentile), so that changes of contrast and brightness are visible.
    """
    rows = []
    for number, input in enumerate(inputs):
        copies = [input]
        for copy in range(draws):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + number * 1_009 + copy)
            copies.append(augment(input, None, generator).input)
        rows.append(_row([plane(copy, modality) for copy in copies], side, gap))
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate(_alike([np.pad(row, ((0, gap), (0, width - row.shape[1]), (0, 0))) for row in rows]))
    return sheet[:, :, 0] if sheet.shape[2] == 1 else sheet


def _row(planes: list[np.ndarray], side: int, gap: int) -> np.ndarray:
    low, high = np.percentile(planes[0], [1, 99])
    tiles = []
    for values in planes:
        grey = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1) * 255
        tiles.append(np.pad(_scale(grey, side).round().astype(np.uint8), ((0, 0), (0, gap), (0, 0))))
    return np.concatenate(_alike(tiles), axis=1)


def _alike(tiles: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Tiles [H, W, C] with the largest number of channels: a blanked frame of a loop in colour has one."""
    channels = max(tile.shape[2] for tile in tiles)
    return [np.broadcast_to(tile, (*tile.shape[:2], channels)) for tile in tiles]


def plane(input: Tensor, modality: str) -> np.ndarray:
    """Displayed plane of a sample: float32 [H, W, C], C 1 or 3; three equal channels become one."""
    middle = input if input.ndim == 3 else input[:, input.shape[1] // 2]
    if modality == "volume":
        middle = middle.flip(-2, -1)  # from RAS to radiological convention
    is_colour = middle.shape[0] == 3 and not (torch.equal(middle[0], middle[1]) and torch.equal(middle[0], middle[2]))
    return middle[: 3 if is_colour else 1].permute(1, 2, 0).float().numpy()


def _scale(tile: np.ndarray, side: int) -> np.ndarray:
    """Bilinear resize to ``side`` rows with the same aspect ratio."""
    x = torch.from_numpy(np.ascontiguousarray(tile)).permute(2, 0, 1)[None]
    width = max(1, round(tile.shape[1] * side / tile.shape[0]))
    scaled = torch.nn.functional.interpolate(x, (side, width), mode="bilinear", align_corners=False, antialias=True)
    return scaled[0].permute(1, 2, 0).numpy()
