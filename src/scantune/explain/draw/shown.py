"""What a picture needs to know of a sample besides its map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

Modality = Literal["image", "volume", "video"]


@dataclass(frozen=True)
class Shown:
    """A sample as a reader sees it.

    Attributes:
        sample_id: of the sample.
        image: [H, W] or [H, W, 3] (image), [D, H, W] (volume, RAS) or [T, H, W] (video); at its own resolution, which
            need not be the network's.
        modality: which of the three it is.
        truth: the label, in words; "" where unknown.
        prediction: of the network, in words.
        interval: of the prediction, in words ("8.1 to 13.0"; "{mild, severe}"); "" where there is none.
        asked: what the map explains ("class severe", "zone right lower"); "" for the score itself.
        window: lowest and highest value shown, as the reader would set them; None is the 0.5th and 99.5th percentile.
        spacing: size of an element along the axes of space, any one unit; None is square.
        sides: what is written at the left and the right edge of a still image or video; None where the file does not
            say which side is which. Volumes know theirs.
        box: top, left, height and width of the part of a still image that the network saw, in its pixels; None is all.
        affine: index (i, j, k) to mm in RAS, of a volume.
        frame_time: ms from frame to frame, of a video.
        warnings: sentences that must stand on the picture, see :func:`scantune.explain.sanity.warnings`.
    """

    sample_id: str
    image: np.ndarray
    modality: Modality
    truth: str = ""
    prediction: str = ""
    interval: str = ""
    asked: str = ""
    window: tuple[float, float] | None = None
    spacing: tuple[float, ...] | None = None
    sides: tuple[str, str] | None = None
    box: tuple[int, int, int, int] | None = None
    affine: np.ndarray | None = None
    frame_time: float | None = None
    warnings: tuple[str, ...] = ()

    def caption(self) -> str:
        """Label, prediction and interval in one line."""
        prediction = f"{self.prediction} ({self.interval})" if self.interval else self.prediction
        parts = [("label", self.truth), ("prediction", prediction), ("map of", self.asked)]
        return " · ".join(f"{name} {text}" for name, text in parts if text)


def grey(image: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    """Values to 0 … 1 by the window, float32; the shape stays."""
    if window is None:
        low, high = (float(v) for v in np.percentile(image, [0.5, 99.5]))
        if high <= low:
            low, high = float(image.min()), float(image.max())
    else:
        low, high = window
    return np.clip((image.astype(np.float32) - low) / max(high - low, 1e-12), 0, 1)


def onto(values: np.ndarray, shape: tuple[int, ...], box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """A map on the image's own grid, linear; 0 outside of ``box`` (top, left, height, width; images only)."""
    if box is not None:
        top, left, height, width = box
        full = np.zeros(shape, np.float32)
        full[top : top + height, left : left + width] = onto(values, (height, width))
        return full
    if values.shape == shape:
        return values
    mode = {2: "bilinear", 3: "trilinear"}[values.ndim]
    x = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
    return F.interpolate(x, shape, mode=mode, align_corners=False)[0, 0].numpy()


def coloured(picture: np.ndarray, values: np.ndarray, strength: float = 0.75) -> np.ndarray:
    """Colours the picture where the map is high and leaves it where the map is low.

    Args:
        picture: [H, W] or [H, W, 3] in 0 … 1.
        values: [H, W] in 0 … 1.
        strength: opacity at the map's maximum; it falls off with the map, so that 0 leaves the picture as it is.

    Returns:
        float32 [H, W, 3].
    """
    import matplotlib as mpl

    base = np.repeat(picture[..., None], 3, axis=-1) if picture.ndim == 2 else picture
    colour = mpl.colormaps[COLOURS](values)[..., :3]
    opacity = strength * np.clip(values, 0, 1)[..., None] ** 0.8
    return (base * (1 - opacity) + colour * opacity).astype(np.float32)


COLOURS = "inferno"
"""Even steps of lightness from dark to bright, told apart by colour-blind readers and in grey print."""
