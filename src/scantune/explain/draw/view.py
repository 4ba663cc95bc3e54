"""View of a sample for a picture with its map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import matplotlib as mpl
import numpy as np
import torch
import torch.nn.functional as F

from scantune.explain.draw.nifti import resample
from scantune.explain.saliency import Saliency

Modality = Literal["image", "volume", "video"]


@dataclass(frozen=True)
class SampleView:
    """A sample as displayed to a reader.

    Attributes:
        sample_id: of the sample.
        image: [H, W] or [H, W, 3] (image), [D, H, W] (volume, RAS) or [T, H, W] (video); at its own resolution, which
            may differ from that of the network input.
        modality: "image", "volume" or "video".
        truth: the label as text; "" where unknown.
        prediction: of the network, as text.
        interval: of the prediction, as text ("8.1 to 13.0"; "{mild, severe}"); "" for none.
        explained: the explained output ("class severe", "zone right lower"); "" for the score.
        window: lowest and highest displayed value; None is the 0.5th and 99.5th percentile.
        spacing: size of an element along the spatial axes, any unit; None is isotropic.
        sides: letters at the left and the right edge of an image or video; None where the file does not state them.
            Those of volumes are known.
        box: top, left, height and width of the network input in pixels of the image or frame, also beyond its edges
            for padding; None is the complete image.
        affine: index (i, j, k) to mm in RAS, of a volume.
        map_affine: the same of the grid of the network input, where it differs from that of the volume.
        scan: shape [D, H, W] and affine of the file of a volume, for overlays on its grid; None is the displayed grid.
        stored: directions of the axes in the file ("LPS"), of a volume; None is RAS.
        frame_time: ms between frames, of a video.
        warnings: sentences on the picture, see :func:`scantune.explain.sanity.warnings`.
    """

    sample_id: str
    image: np.ndarray
    modality: Modality
    truth: str = ""
    prediction: str = ""
    interval: str = ""
    explained: str = ""
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
        is_set = self.interval.startswith("{")
        with_interval = f"{self.prediction}, set {self.interval}" if is_set else f"{self.prediction} ({self.interval})"
        prediction = with_interval if self.interval else self.prediction
        parts = [("label", self.truth), ("prediction", prediction), ("map of", self.explained)]
        return " · ".join(f"{name} {text}" for name, text in parts if text)


def onto(
    values: np.ndarray, shape: tuple[int, ...], box: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """A map on the grid of the picture, by linear interpolation.

    Args:
        values: [h, w], [d, h, w] or [t, h, w].
        shape: of the picture.
        box: part of each plane that ``values`` cover: top, left, height, width in pixels of the picture, also beyond
            its edges; the map is 0 outside. None is the complete plane.

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
    sampled = F.grid_sample(x, torch.from_numpy(grid), padding_mode="border", align_corners=False)[0].numpy()
    inside = ((v >= 0) & (v <= 1))[:, None] & ((u >= 0) & (u <= 1))
    return (sampled * inside).reshape(shape)


def mapped(view: SampleView, saliency: Saliency) -> np.ndarray | None:
    """The map on the grid of ``shown.image`` (without colour), float32; None where undefined."""
    if saliency.map is None:
        return None
    if view.modality != "volume":
        shape = view.image.shape[: 2 if view.modality == "image" else 3]
        return onto(saliency.map, shape, view.box)
    if view.affine is None or view.map_affine is None:
        return onto(saliency.map, view.image.shape)

    return resample(saliency.map, view.map_affine, view.image.shape, view.affine)


def coloured(picture: np.ndarray, values: np.ndarray, strength: float = 0.75) -> np.ndarray:
    """Colour the picture by the map, with an opacity that increases with the map.

    Args:
        picture: [H, W] or [H, W, 3] in 0 … 1.
        values: [H, W] in 0 … 1.
        strength: opacity at the maximum of the map; 0 where the map is 0.

    Returns:
        float32 [H, W, 3].
    """
    base = np.repeat(picture[..., None], 3, axis=-1) if picture.ndim == 2 else picture
    colour = mpl.colormaps[COLOURS](values)[..., :3]
    opacity = strength * np.clip(values, 0, 1)[..., None] ** 0.8
    return (base * (1 - opacity) + colour * opacity).astype(np.float32)


COLOURS = "inferno"
"""Colour map with uniform lightness, readable for colour-blind readers and in grey print."""
