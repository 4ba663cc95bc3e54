"""What a picture needs to know of a sample besides its map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from scantune.explain.saliency import Saliency

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
        box: top, left, height and width of what the network saw, in pixels of the still or frame; beyond its edges
            where it was padded; None is all.
        affine: index (i, j, k) to mm in RAS, of a volume.
        map_affine: the same of the network's grid where that is another one than the volume's.
        scan: shape [D, H, W] and affine of a volume's own file, on whose grid an overlay is written; None is as shown.
        stored: directions in which the file's own axes grow ("LPS"), of a volume; None is as it is shown (RAS).
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
    box: tuple[float, float, float, float] | None = None
    affine: np.ndarray | None = None
    map_affine: np.ndarray | None = None
    scan: tuple[tuple[int, ...], np.ndarray] | None = None
    stored: str | None = None
    frame_time: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def grid(self) -> tuple[tuple[int, ...], np.ndarray] | None:
        """Shape [D, H, W] and affine on which an overlay of a volume is written; None without an affine."""
        return self.scan or (None if self.affine is None else (self.image.shape, self.affine))

    def caption(self) -> str:
        """Label, prediction and interval in one line."""
        a_set = self.interval.startswith("{")
        said = f"{self.prediction}, set {self.interval}" if a_set else f"{self.prediction} ({self.interval})"
        prediction = said if self.interval else self.prediction
        parts = [("label", self.truth), ("prediction", prediction), ("map of", self.asked)]
        return " · ".join(f"{name} {text}" for name, text in parts if text)


def onto(
    values: np.ndarray, shape: tuple[int, ...], box: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """A map on the picture's own grid, linear.

    Args:
        values: [h, w], [d, h, w] or [t, h, w].
        shape: of the picture.
        box: what ``values`` cover of each plane: top, left, height, width in the picture's pixels, also beyond its
            edges; the map is 0 outside of it. None is all.

    Returns:
        float32 of ``shape``.
    """
    if box is not None and tuple(box) != (0, 0, *shape[-2:]):
        return _cut(values, shape, box)
    if values.shape == shape:
        return values
    mode = {2: "bilinear", 3: "trilinear"}[values.ndim]
    x = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
    return F.interpolate(x, shape, mode=mode, align_corners=False)[0, 0].numpy()


def _cut(values: np.ndarray, shape: tuple[int, ...], box: tuple[float, float, float, float]) -> np.ndarray:
    planes = values[None] if values.ndim == 2 else values  # [T, h, w]
    top, left, height, width = box
    v, u = ((np.arange(n) + 0.5 - start) / size for n, start, size in zip(shape[-2:], (top, left), (height, width)))
    grid = np.stack(np.meshgrid(2 * u - 1, 2 * v - 1), axis=-1)[None].astype(np.float32)  # [1, H, W, xy]
    x = torch.from_numpy(np.ascontiguousarray(planes, np.float32))[None]
    found = F.grid_sample(x, torch.from_numpy(grid), padding_mode="border", align_corners=False)[0].numpy()
    inside = ((v >= 0) & (v <= 1))[:, None] & ((u >= 0) & (u <= 1))
    return (found * inside).reshape(shape)


def mapped(shown: Shown, saliency: Saliency) -> np.ndarray | None:
    """The map on the grid of ``shown.image`` (colour aside), float32; None where it is undefined."""
    if saliency.map is None:
        return None
    if shown.modality != "volume":
        shape = shown.image.shape[: 2 if shown.modality == "image" else 3]
        return onto(saliency.map, shape, shown.box)
    if shown.affine is None or shown.map_affine is None:
        return onto(saliency.map, shown.image.shape)
    from scantune.explain.draw.nifti import resample

    return resample(saliency.map, shown.map_affine, shown.image.shape, shown.affine)


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
