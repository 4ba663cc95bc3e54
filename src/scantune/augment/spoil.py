"""Synthetic low-quality partners of good recordings: flat, blurred, noisy."""

from __future__ import annotations

from torch import Generator, Tensor

from scantune.augment import intensity
from scantune.records import ScantuneError


def spoil(
    input: Tensor, generator: Generator, *, noise: float = 0.2, blur: int = 5, contrast: float = 0.5, dims: int = 2
) -> Tensor:
    """A worse copy of a sample: contrast lowered about the mean, blurred, then noise added.

    Args:
        input: [C, …], floating, in any units (see :mod:`scantune.augment.intensity`).
        generator: where the noise is drawn from.
        noise: standard deviation of the noise as a share of the input's range; 0 adds none.
        blur: odd size of the Gaussian kernel in pixels; 1 blurs nothing.
        contrast: factor about the mean; 1 leaves it.
        dims: over how many of the last axes it blurs: 2 for images and the frames of a video, 3 for volumes.

    Returns:
        The same shape and dtype.

    Raises:
        ScantuneError: an even or non-positive kernel.
    """
    if blur < 1 or blur % 2 == 0:
        raise ScantuneError(f"blur: the kernel's size is an odd number of pixels, not {blur}; {blur | 1} would do")
    scale = input.max() - input.min()  # of the good one: a flat copy would else get less noise
    worse = intensity.contrast(input, contrast)
    if blur > 1:
        worse = intensity.blur(worse, blur, dims)
    if noise > 0:
        drawn = worse.new_empty(worse.shape).normal_(generator=generator)
        worse = worse + drawn * (noise * scale)
    return worse
