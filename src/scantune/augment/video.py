"""Augmentation of videos [C, T, H, W]: one spatial draw for all frames, and temporal transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from scantune.augment import spatial
from scantune.augment.draws import Augmented, Events, Range, as_range, check_sample, happens, uniform
from scantune.augment.image import draw_plane, draw_tone


@dataclass(frozen=True)
class VideoAugment:
    """Augmentation of a video and its mask by one draw; see :func:`build` for the fields."""

    p: float
    brightness: Range
    contrast: Range
    rotation: Range
    translation: Range
    zoom: Range
    noise: Range
    temporal_crop: Range
    temporal_mask: float
    flip_left_right: float
    spacing: tuple[float, ...] | None
    fill: spatial.Fill

    def __call__(self, input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
        """Augment ``input`` [C, T, H, W] (floating) and ``mask`` [1, T, H, W]."""
        check_sample(input, mask, 4, "[C, T, H, W]")
        drawn: dict[str, float] = {}
        x, mask = self._crop(input, mask, generator, drawn)
        forward = draw_plane(self, spatial.extent(x.shape[2:], self.spacing), generator, drawn)
        x = draw_tone(self, x, generator, drawn, "range")
        x, mask = _warp_frames(x, mask, forward, self.spacing, self.fill)
        x = self._blank(x, generator, drawn)
        return Augmented(x, mask, Events("flip_left_right" in drawn, drawn))

    def _crop(
        self, x: Tensor, mask: Tensor | None, generator: Generator, drawn: dict[str, float]
    ) -> tuple[Tensor, Tensor | None]:
        """A shorter interval of time, resampled to the same number of frames (nearest frame)."""
        occurs, share, start = (
            happens(generator, self.p),
            uniform(generator, self.temporal_crop),
            uniform(generator, (0.0, 1.0)),
        )
        if not occurs or self.temporal_crop == (1.0, 1.0):
            return x, mask
        frames = x.shape[1]
        length = max(1, round(share * frames))
        first = min(int(start * (frames - length + 1)), frames - length)
        indices = first + torch.linspace(0, length - 1, frames).round().long()
        drawn["temporal_crop"] = length / frames
        return x.index_select(1, indices), None if mask is None else mask.index_select(1, indices)

    def _blank(self, x: Tensor, generator: Generator, drawn: dict[str, float]) -> Tensor:
        """Blank single frames with the darkest value of the video; at least one frame remains."""
        occurs, blanked = happens(generator, self.p), torch.rand(x.shape[1], generator=generator) < self.temporal_mask
        if not occurs or not blanked.any():
            return x
        if blanked.all():
            blanked[int(torch.randint(len(blanked), (), generator=generator))] = False
        drawn["temporal_mask"] = float(blanked.float().mean())
        return torch.where(blanked[None, :, None, None], x.min(), x)


def _warp_frames(
    x: Tensor, mask: Tensor | None, forward: Tensor, spacing: tuple[float, ...] | None, fill: spatial.Fill
) -> tuple[Tensor, Tensor | None]:
    flat = x.flatten(0, 1)  # C, T, H, W -> C·T, H, W: one grid for every frame
    flat, moved = spatial.warp(flat, None if mask is None else mask.flatten(0, 1), forward, spacing=spacing, fill=fill)
    return flat.reshape(x.shape), None if mask is None or moved is None else moved.reshape(mask.shape)


def build(
    *,
    p: float = 0.5,
    brightness: float | Sequence[float] = (0.9, 1.1),
    contrast: float | Sequence[float] = (0.9, 1.1),
    rotation: float | Sequence[float] = (-5.0, 5.0),
    translation: float | Sequence[float] = (-0.05, 0.05),
    zoom: float | Sequence[float] = (0.95, 1.05),
    noise: float | Sequence[float] = (0.0, 0.02),
    temporal_crop: float | Sequence[float] = (0.9, 1.0),
    temporal_mask: float = 0.05,
    flip_left_right: float = 0.0,
    spacing: Sequence[float] | None = None,
    fill: spatial.Fill = "darkest",
) -> VideoAugment:
    """Augmentation of videos.

    Args:
        p: probability of each transform except the flip.
        brightness: factor of the difference from the darkest value.
        contrast: factor about the mean of the whole video.
        rotation: degrees, positive clockwise as displayed; the same in every frame, as translation and zoom.
        translation: share of width and of height, drawn independently, positive to the right and down.
        zoom: factor, above 1 enlarges.
        noise: standard deviation of Gaussian noise, independent in every frame, as a share of the range of the video.
        temporal_crop: share of the frames that is resampled to the original number of frames.
        temporal_mask: probability that a frame is blanked.
        flip_left_right: probability; the caller exchanges left and right targets.
        spacing: of rows and of columns, any unit; None for square pixels.
        fill: of the area outside the frame, see :func:`scantune.augment.spatial.warp`.

    Raises:
        ScantuneError: an invalid range; with the name of the parameter.
    """
    return VideoAugment(
        p=p,
        brightness=as_range("brightness", brightness),
        contrast=as_range("contrast", contrast),
        rotation=as_range("rotation", rotation),
        translation=as_range("translation", translation),
        zoom=as_range("zoom", zoom),
        noise=as_range("noise", noise),
        temporal_crop=as_range("temporal_crop", temporal_crop),
        temporal_mask=temporal_mask,
        flip_left_right=flip_left_right,
        spacing=None if spacing is None else tuple(spacing),
        fill=fill,
    )
