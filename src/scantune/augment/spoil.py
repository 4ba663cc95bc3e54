"""Synthetic low-quality copies of good recordings: low contrast, blurred, noisy."""

from __future__ import annotations

from torch import Generator, Tensor

from scantune.augment import intensity
from scantune.records import ScantuneError


def spoil(
    input: Tensor, generator: Generator, *, noise: float = 0.2, blur: int = 5, contrast: float = 0.5, dims: int = 2
) -> Tensor:
    """A degraded copy of a sample: contrast lowered about the mean, blurred, then noise added.

    Args:
        input: [C, …], floating, in any units (see :mod:`scantune.augment.intensity`).
        generator: of the noise.
        noise: standard deviation of the noise as a share of the range of the input; 0 for none.
        blur: odd size of the Gaussian kernel in pixels; 1 for none.
        contrast: factor about the mean; 1 for no change.
        dims: number of last axes that are blurred: 2 for images and frames of a video, 3 for volumes.

    Returns:
        The same shape and dtype.

    Raises:
        ScantuneError: an even or non-positive kernel.
    """
    if blur < 1 or blur % 2 == 0:
        raise ScantuneError(f"blur: the kernel size must be an odd number of pixels, not {blur}; use {blur | 1}")
    scale = input.max() - input.min()  # range of the original, since that of the copy with low contrast is smaller
    worse = intensity.contrast(input, contrast)
    if blur > 1:
        worse = intensity.blur(worse, blur, dims)
    if noise > 0:
        drawn = worse.new_empty(worse.shape).normal_(generator=generator)
        worse = worse + drawn * (noise * scale)
    return worse
