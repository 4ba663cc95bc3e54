"""Augmentation of videos [C, T, H, W]: one spatial draw for all frames, and temporal transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from scantune.augment import spatial
from scantune.augment.draws import Augmented, Events, check_sample, happens, uniform
from scantune.augment.image import draw_plane, draw_tone
from scantune.config.augment import VideoAugment


@dataclass(frozen=True)
class VideoTransform:
    """Augmentation of a video and its mask by one draw.

    Attributes:
        settings: probabilities and ranges, the ``augment:`` block of videos.
        spacing: of rows and of columns, any unit; None for square pixels.
    """

    settings: VideoAugment
    spacing: Sequence[float] | None = None

    def __call__(self, input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
        """Augment ``input`` [C, T, H, W] (floating) and ``mask`` [1, T, H, W]."""
        check_sample(input, mask, 4, "[C, T, H, W]")
        drawn: dict[str, float] = {}
        x, mask = self._crop(input, mask, generator, drawn)
        forward = draw_plane(self.settings, spatial.extent(x.shape[2:], self.spacing), generator, drawn)
        x = draw_tone(self.settings, x, generator, drawn, "range")
        x, mask = _warp_frames(x, mask, forward, self.spacing)
        x = self._blank(x, generator, drawn)
        return Augmented(x, mask, Events("flip_left_right" in drawn, drawn))

    def _crop(
        self, x: Tensor, mask: Tensor | None, generator: Generator, drawn: dict[str, float]
    ) -> tuple[Tensor, Tensor | None]:
        """A shorter interval of time, resampled to the same number of frames (nearest frame)."""
        between = self.settings.temporal_crop
        occurs, share = happens(generator, self.settings.p), uniform(generator, between)
        start = uniform(generator, (0.0, 1.0))
        if not occurs or between == (1.0, 1.0):
            return x, mask
        frames = x.shape[1]
        length = max(1, round(share * frames))
        first = min(int(start * (frames - length + 1)), frames - length)
        indices = first + torch.linspace(0, length - 1, frames).round().long()
        drawn["temporal_crop"] = length / frames
        return x.index_select(1, indices), None if mask is None else mask.index_select(1, indices)

    def _blank(self, x: Tensor, generator: Generator, drawn: dict[str, float]) -> Tensor:
        """Blank single frames with the darkest value of the video; at least one frame remains."""
        occurs = happens(generator, self.settings.p)
        blanked = torch.rand(x.shape[1], generator=generator) < self.settings.temporal_mask
        if not occurs or not blanked.any():
            return x
        if blanked.all():
            blanked[int(torch.randint(len(blanked), (), generator=generator))] = False
        drawn["temporal_mask"] = float(blanked.float().mean())
        return torch.where(blanked[None, :, None, None], x.min(), x)


def _warp_frames(
    x: Tensor, mask: Tensor | None, forward: Tensor, spacing: Sequence[float] | None
) -> tuple[Tensor, Tensor | None]:
    flat = x.flatten(0, 1)  # C, T, H, W -> C·T, H, W: one grid for every frame
    flat, moved = spatial.warp(flat, None if mask is None else mask.flatten(0, 1), forward, spacing=spacing)
    return flat.reshape(x.shape), None if mask is None or moved is None else moved.reshape(mask.shape)
