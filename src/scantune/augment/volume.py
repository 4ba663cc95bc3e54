"""Augmentation of volumes [C, D, H, W] in RAS orientation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator, Tensor

from scantune.augment import spatial
from scantune.augment.draws import Augmented, Events, check_sample, happens, uniform
from scantune.augment.image import draw_elastic, draw_look, draw_tone
from scantune.config.augment import VolumeAugment


@dataclass(frozen=True)
class VolumeTransform:
    """Augmentation of a volume and its mask by one draw.

    Attributes:
        settings: probabilities and ranges, the ``augment:`` block of volumes.
        spacing: of slices, rows and columns, any unit; None for isotropic voxels.
        crop: shape of the result, the middle of a larger sample; None is that of the sample.
    """

    settings: VolumeAugment
    spacing: Sequence[float] | None = None
    crop: Sequence[int] | None = None

    @property
    def around(self) -> tuple[int, ...] | None:
        """The size that a sample must have for ``crop`` to be filled by it."""
        return spatial.around(self.settings, self.spacing, self.crop)

    def __call__(self, input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
        """Augment ``input`` [C, D, H, W] (floating) and ``mask`` [1, D, H, W]."""
        check_sample(input, mask, 4, "[C, D, H, W]")
        drawn: dict[str, float] = {}
        forward = self._draw_pose(spatial.extent(self.crop or input.shape[1:], self.spacing), generator, drawn)
        elastic = draw_elastic(self.settings, generator, drawn, 3)
        x = input
        if self.crop is not None:  # before intensities: a patch has no black border that would change the mean
            x, mask = spatial.warp(x, mask, forward, spacing=self.spacing, crop=self.crop, elastic=elastic)
        x = draw_tone(self.settings, x, generator, drawn, "sd")
        x = draw_look(self.settings, x, generator, drawn)
        if self.crop is None:
            x, mask = spatial.warp(x, mask, forward, spacing=self.spacing, elastic=elastic)
        return Augmented(x, mask, Events("flip_left_right" in drawn, drawn))

    def _draw_pose(self, size: Tensor, generator: Generator, drawn: dict[str, float]) -> Tensor:
        ranges, forward = self.settings, spatial.identity(3)
        if happens(generator, ranges.flip_left_right):
            forward, drawn["flip_left_right"] = spatial.flip(3, 0), 1.0
        occurs = [happens(generator, ranges.p) for _ in range(3)]
        factor = uniform(generator, ranges.zoom)
        angles = [uniform(generator, ranges.rotation) for _ in "xyz"]
        shifts = [uniform(generator, ranges.translation) for _ in "xyz"]
        if occurs[0] and ranges.zoom != (1.0, 1.0):
            forward, drawn["zoom"] = spatial.zoom(3, factor) @ forward, factor
        if occurs[1] and ranges.rotation != (0.0, 0.0):
            forward = spatial.rotation(3, angles) @ forward
            drawn.update({f"rotation_{axis}": angle for axis, angle in zip("xyz", angles)})
        if occurs[2] and ranges.translation != (0.0, 0.0):
            forward = spatial.translation([s * float(n) for s, n in zip(shifts, size)]) @ forward
            drawn.update({f"translation_{axis}": shift for axis, shift in zip("xyz", shifts)})
        return forward
