"""Augmentation of volumes [C, D, H, W] in RAS orientation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator, Tensor

from scantune.augment import spatial
from scantune.augment.draws import Augmented, Events, Range, as_range, check_sample, happens, uniform
from scantune.augment.image import draw_elastic, draw_look, draw_tone


@dataclass(frozen=True)
class VolumeAugment:
    """Augmentation of a volume and its mask by one draw; see :func:`build` for the fields."""

    p: float
    rotation: Range
    translation: Range
    zoom: Range
    flip_left_right: float
    brightness: Range
    contrast: Range
    noise: Range
    spacing: tuple[float, ...] | None
    fill: spatial.Fill
    gamma: Range
    blur: Range
    low_resolution: Range
    elastic: Range
    crop: tuple[int, ...] | None = None

    @property
    def around(self) -> tuple[int, ...] | None:
        """The size that a sample must have for ``crop`` to be filled by it."""
        return spatial.around(self)

    def __call__(self, input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
        """Augment ``input`` [C, D, H, W] (floating) and ``mask`` [1, D, H, W]."""
        check_sample(input, mask, 4, "[C, D, H, W]")
        drawn: dict[str, float] = {}
        forward = self._draw_pose(spatial.extent(self.crop or input.shape[1:], self.spacing), generator, drawn)
        elastic = draw_elastic(self, generator, drawn, 3)
        x = input
        if self.crop is not None:  # before intensities: a patch has no black border that would change the mean
            x, mask = spatial.warp(
                x, mask, forward, spacing=self.spacing, fill=self.fill, crop=self.crop, elastic=elastic
            )
        x = draw_look(self, draw_tone(self, x, generator, drawn, "sd"), generator, drawn)
        if self.crop is None:
            x, mask = spatial.warp(x, mask, forward, spacing=self.spacing, fill=self.fill, elastic=elastic)
        return Augmented(x, mask, Events("flip_left_right" in drawn, drawn))

    def _draw_pose(self, size: Tensor, generator: Generator, drawn: dict[str, float]) -> Tensor:
        forward = spatial.identity(3)
        if happens(generator, self.flip_left_right):
            forward, drawn["flip_left_right"] = spatial.flip(3, 0), 1.0
        occurs = [happens(generator, self.p) for _ in range(3)]
        factor = uniform(generator, self.zoom)
        angles = [uniform(generator, self.rotation) for _ in "xyz"]
        shifts = [uniform(generator, self.translation) for _ in "xyz"]
        if occurs[0] and self.zoom != (1.0, 1.0):
            forward, drawn["zoom"] = spatial.zoom(3, factor) @ forward, factor
        if occurs[1] and self.rotation != (0.0, 0.0):
            forward = spatial.rotation(3, angles) @ forward
            drawn.update({f"rotation_{axis}": angle for axis, angle in zip("xyz", angles)})
        if occurs[2] and self.translation != (0.0, 0.0):
            forward = spatial.translation([s * float(n) for s, n in zip(shifts, size)]) @ forward
            drawn.update({f"translation_{axis}": shift for axis, shift in zip("xyz", shifts)})
        return forward


def build(
    *,
    p: float = 1.0,
    rotation: float | Sequence[float] = (-10.0, 10.0),
    translation: float | Sequence[float] = (-0.1, 0.1),
    zoom: float | Sequence[float] = 1.0,
    flip_left_right: float = 0.5,
    brightness: float | Sequence[float] = 1.0,
    contrast: float | Sequence[float] = (0.8, 1.2),
    noise: float | Sequence[float] = 0.1,
    gamma: float | Sequence[float] = 1.0,
    blur: float | Sequence[float] = 0.0,
    low_resolution: float | Sequence[float] = 1.0,
    elastic: float | Sequence[float] = 0.0,
    spacing: Sequence[float] | None = None,
    fill: spatial.Fill = "darkest",
    crop: Sequence[int] | None = None,
) -> VolumeAugment:
    """Augmentation of volumes.

    Args:
        p: probability of each of rotation, translation, zoom, brightness, contrast and noise.
        rotation: degrees about each of the axes x, y and z, drawn independently.
        translation: share of the size along each axis, drawn independently.
        zoom: factor, above 1 enlarges.
        flip_left_right: probability; the caller exchanges left and right targets.
        brightness: factor of the difference from the darkest value.
        contrast: factor about the mean.
        noise: standard deviation of Gaussian noise, in standard deviations of the volume.
        gamma: exponent of the values between darkest and brightest.
        blur: standard deviation of a Gaussian, in pixels.
        low_resolution: share of the resolution that is left.
        elastic: standard deviation of smooth displacements, as a share of the size.
        spacing: of slices, rows and columns, any unit; None for isotropic voxels.
        fill: of the area outside the volume, see :func:`scantune.augment.spatial.warp`.
        crop: shape of the result, the middle of a larger sample; None is that of the sample.

    Raises:
        ScantuneError: an invalid range; with the name of the parameter.
    """
    return VolumeAugment(
        p=p,
        rotation=as_range("rotation", rotation),
        translation=as_range("translation", translation),
        zoom=as_range("zoom", zoom),
        flip_left_right=flip_left_right,
        brightness=as_range("brightness", brightness),
        contrast=as_range("contrast", contrast),
        noise=as_range("noise", noise),
        spacing=None if spacing is None else tuple(spacing),
        fill=fill,
        gamma=as_range("gamma", gamma),
        blur=as_range("blur", blur),
        low_resolution=as_range("low_resolution", low_resolution),
        elastic=as_range("elastic", elastic),
        crop=None if crop is None else tuple(crop),
    )
