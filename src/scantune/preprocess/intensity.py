"""Ways to scale intensities. Each maps float32 of any shape to float32 of that shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from scantune.preprocess.half import narrowed
from scantune.records import ReadError

#: Voxels that percentiles are taken from: more change nothing that is seen, and cost.
SAMPLE = 1 << 20
_PIECE = 1 << 16  # fits into the CPU's cache
#: What differs by less than this share of the largest value is rounding (float32 has 6e-8), not an image.
_ROUNDING = 1e-6
#: Values whose squares, and their sums, float32 holds.
_SQUARED = 1e-12, 1e12
#: Steps of float16 between smallest and largest value below which it shows less than eight bits do.
_FEWEST_STEPS = 255
#: Share of an image that its smallest value fills at least where someone has cut it out (skull stripped, masked).
_FILLED = 0.01


def foreground(array: np.ndarray, empty: np.ndarray | None = None) -> np.ndarray:
    """What is not background, bool of the array's shape. Where nothing was measured (``empty``) is background.

    Where the image was cut out of its background (skull stripped, masked), so that one value fills that, it is all
    above this smallest value; else Otsu's threshold separates the two (IEEE Trans SMC 9:62, 1979).
    """
    if empty is not None:
        mask = np.zeros(array.shape, dtype=bool)
        mask[~empty] = foreground(array[~empty])
        return mask
    values, low = sampled(array).astype(np.float32), float(array.min())
    if not values.max() > values.min():  # constant, or not finite
        return array > low
    threshold = _otsu(values)
    return array > (low if _cut_out(values, low, threshold) else threshold)


def _cut_out(values: np.ndarray, low: float, threshold: float) -> bool:
    """Whether the smallest value fills a background: at least 1 % of all, and more than the values next to it (an
    eighth of the way to the threshold). In air that was measured some voxels are 0 too, but more have 1 or 2."""
    filled = int(np.count_nonzero(values == low))
    limit = min(threshold, float(np.percentile(values, 99)))  # a bright outlier does not move it
    near = int(np.count_nonzero(values <= low + (limit - low) / 8)) - filled
    return filled >= _FILLED * len(values) and filled > near


_foreground = foreground  # `zscore` has an argument of that name


def sampled(array: np.ndarray, most: int = SAMPLE) -> np.ndarray:
    """About ``most`` values, evenly spread: the step has no factor in common with the length of any axis, else it would
    meet the same colour, or the same few columns, each time."""
    step = max(1, array.size // most)
    while math.gcd(step, array.size) > 1:
        step += 1
    return array.ravel(order="K")[::step]  # no copy, whatever the order of axes


def _otsu(values: np.ndarray) -> float:
    count, edges = _histogram(values)
    middle = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(count).astype(np.float64)
    above = below[-1] - below
    total = np.cumsum(count * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    between = between[:-1]
    best = np.flatnonzero(between >= np.nanmax(between) * (1 - 1e-9))  # several where no value lies between the two
    return float(edges[(best[0] + best[-1]) // 2 + 1])


def _histogram(values: np.ndarray, bins: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Counts of values in the bins between smallest and largest, and the bins' edges."""
    import cv2

    low, high = np.float32(values.min()), np.float32(values.max())
    wide = np.ascontiguousarray(values, dtype=np.float32).reshape(1, -1)
    beyond = float(np.nextafter(high, np.float32(np.inf)))  # OpenCV leaves the upper limit out
    count = cv2.calcHist([wide], [0], None, [bins], [float(low), beyond]).ravel()  # a tenth of numpy.histogram's time
    return count, np.linspace(float(low), float(high), bins + 1)


def zscore(array: np.ndarray, *, foreground: bool = True, clip: float | None = None) -> np.ndarray:
    """(value − mean) / standard deviation, of the foreground or of all.

    Raises:
        ReadError: nothing varies.
    """
    most = max(abs(float(array.min())), abs(float(array.max())))
    if most and not _SQUARED[0] < most < _SQUARED[1]:
        array = array / np.float32(most)  # its squares are no float32; the result is the same
    inside = _foreground(array).reshape(-1) if foreground else None
    mean = _mean(array.reshape(-1), inside)
    scaled = array - np.float32(mean)
    sd = float(np.sqrt(_mean(scaled.reshape(-1), inside, squared=True)))
    if not sd > _ROUNDING * abs(mean):
        raise ReadError("intensities are constant and cannot be scaled to mean 0 and standard deviation 1")
    scaled *= np.float32(1.0 / sd)
    return np.clip(scaled, -clip, clip, out=scaled) if clip else scaled


def _mean(flat: np.ndarray, inside: np.ndarray | None, squared: bool = False) -> float:
    """Mean of values or of their squares, of all or of those inside.

    Sums of pieces in float32, of the pieces in float64: a fraction of the time of ndarray.mean and ndarray.std.
    """
    total = 0.0
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE]
        if inside is not None:
            piece = piece * inside[start : start + _PIECE]
        total += float(np.dot(piece, piece)) if squared else float(piece.sum())
    return total / (flat.size if inside is None else max(1, int(np.count_nonzero(inside))))


def percentile(array: np.ndarray, *, lower: float = 0.5, upper: float = 99.5) -> np.ndarray:
    """From two percentiles to 0 … 1, cut there.

    Raises:
        ReadError: the percentiles are equal.
    """
    values = sampled(array)
    low, high = (float(v) for v in np.percentile(values, [lower, upper]))
    if not _differ(low, high):
        raise ReadError(f"percentiles {lower:g} and {upper:g} are equal, so intensities cannot be scaled")
    return _stretched(array, low, high)


def window(array: np.ndarray, *, center: float | None = None, width: float | None = None) -> np.ndarray:
    """From center − width/2 … center + width/2 to 0 … 1. Without them the reader has applied the file's own window.

    Raises:
        ReadError: all values lie on one side of it.
    """
    if center is None or width is None:
        return array
    low, high = center - width / 2, center + width / 2
    least, most = float(array.min()), float(array.max())
    if most <= low or least >= high:
        side = "below" if most <= low else "above"
        raise ReadError(
            f"the window from {low:g} to {high:g} (center {center:g}, width {width:g}) shows nothing: all values are "
            f"{side} it, from {least:g} to {most:g}"
        )
    return _stretched(array, low, high)


def scale(array: np.ndarray) -> np.ndarray:
    """From the smallest … largest value to 0 … 1.

    Raises:
        ReadError: there is one value only.
    """
    low, high = float(array.min()), float(array.max())
    if not _differ(low, high):
        raise ReadError("intensities are constant and cannot be scaled to 0 … 1")
    return _stretched(array, low, high)


#: Bins of the histogram in which the mode of white matter is looked for, and its smoothing, in bins.
_BINS, _SMOOTHING = 512, 8.0
#: Modes lower than this share of the highest are not of a tissue.
_RARE = 0.2


def white_stripe(array: np.ndarray, *, width: float = 0.05) -> np.ndarray:
    """(value − mode of white matter) / standard deviation of the values around it.

    White matter is the brightest tissue of a T1-weighted brain: the last mode of the smoothed histogram. Around its
    quantile the stripe reaches ``width`` to either side (R. Shinohara et al., NeuroImage Clin 2014;6:9, whose penalized
    splines are a Gaussian here).

    Args:
        array: of a brain without skull; its lowest value is background.
        width: share of the brain's voxels on either side.

    Raises:
        ReadError: no mode, or nothing varies around it.
    """
    from scipy import ndimage, signal

    brain = array[array > array.min()]
    if brain.size == 0:
        raise ReadError("intensities are constant and have no white matter")
    low, high = np.percentile(brain, [0.1, 99.9])
    count, edges = np.histogram(brain, bins=_BINS, range=(float(low), float(high)))
    smooth = np.pad(ndimage.gaussian_filter1d(count.astype(np.float64), _SMOOTHING), 1)
    modes = signal.find_peaks(smooth, height=_RARE * smooth.max(), prominence=0.02 * smooth.max())[0] - 1
    if modes.size == 0:
        raise ReadError("the histogram of the brain has no mode that could be white matter")
    mode = float((edges[modes[-1]] + edges[modes[-1] + 1]) / 2)
    place = float((brain < mode).mean())
    stripe_low, stripe_high = np.quantile(brain, [max(0.0, place - width), min(1.0, place + width)])
    sd = float(brain[(brain >= stripe_low) & (brain <= stripe_high)].std())
    if not sd > _ROUNDING * abs(mode):
        raise ReadError("intensities around the mode of white matter are constant")
    return ((array - np.float32(mode)) * np.float32(1 / sd)).astype(np.float32)


def background(array: np.ndarray, *, percentile: float = 95.0) -> np.ndarray:
    """Divided by the light of the background, cut at 1: the share of light that passes. For one channel.

    Args:
        array: of one channel.
        percentile: of its values that is the light of the background.

    Raises:
        ReadError: there is no light there.
    """
    light = float(np.percentile(sampled(array), percentile))
    if not light > 0:
        raise ReadError(f"percentile {percentile:g} of a channel is {light:g}: no light of a background")
    return _stretched(array, 0.0, light)


def none(array: np.ndarray) -> np.ndarray:
    """As it is."""
    return array


def _differ(low: float, high: float) -> bool:
    """Whether two values differ by more than rounding."""
    return high - low > _ROUNDING * max(abs(low), abs(high))


def _stretched(array: np.ndarray, low: float, high: float) -> np.ndarray:
    scaled = (array - np.float32(low)) * np.float32(1.0 / (high - low))
    return np.clip(scaled, 0.0, 1.0, out=scaled)


INTENSITIES: dict[str, Callable[..., np.ndarray]] = {
    "zscore": zscore,
    "percentile": percentile,
    "window": window,
    "scale": scale,
    "white_stripe": white_stripe,
    "background": background,
    "none": none,
}
#: Those with the range 0 … 1, which can be stored in eight bits.
BOUNDED = frozenset({"percentile", "window", "scale", "background"})

#: Those whose result depends on the distribution of the values, in which what surrounds an image has no part.
BY_DISTRIBUTION = frozenset({"zscore", "percentile", "background"})

#: Those of each channel by itself, always.
BY_CHANNEL = frozenset({"background"})


def apply(array: np.ndarray, name: str, empty: np.ndarray | None = None, **options: Any) -> np.ndarray:
    """The way called ``name``; where nothing was measured (``empty``) has no part in it, and takes the lowest value.

    With the option ``per_channel``, and in the ways in :data:`BY_CHANNEL`, each channel [..., C] by itself.
    """
    if options.pop("per_channel", name in BY_CHANNEL):
        empties = [None if empty is None else empty[..., c] for c in range(array.shape[-1])]
        return np.stack([_channel(array, c, name, e, **options) for c, e in enumerate(empties)], axis=-1)
    if empty is None:
        return INTENSITIES[name](array, **options)
    if empty.all():
        raise ReadError("nothing was measured in the part of the image that is prepared: all of it is padding")
    scaled = np.empty(array.shape, np.float32)
    scaled[~empty] = INTENSITIES[name](array[~empty], **options)
    scaled[empty] = scaled[~empty].min()
    return scaled


def _channel(array: np.ndarray, number: int, name: str, empty: np.ndarray | None, **options: Any) -> np.ndarray:
    """One channel of [..., C] by itself; a fault says which one."""
    try:
        return apply(array[..., number], name, empty, per_channel=False, **options)
    except ReadError as error:
        if array.shape[-1] == 1:
            raise
        raise ReadError(f"colour channel {number + 1} of {array.shape[-1]}: {error.reason}", error.detail) from error


def to_dtype(array: np.ndarray, dtype: str) -> np.ndarray:
    """Float32 to what is cached; uint8 takes 0 … 1 as 0 … 255, rounded. A uint8 array is already in that scale.

    Raises:
        ReadError: a value does not fit into float16 (± 65,504), or its steps are too coarse for the values.
    """
    if dtype == "uint8":
        return array if array.dtype == np.uint8 else np.rint(array * np.float32(255.0)).astype(np.uint8)
    if array.dtype == np.uint8:
        array = array.astype(np.float32) * np.float32(1 / 255)
    return _halved(array) if dtype == "float16" else array.astype(dtype)


def _halved(array: np.ndarray) -> np.ndarray:
    """Float16, whose steps grow with the values (eleven bits) and are never below 6e-8."""
    low, high = float(array.min()), float(array.max())
    most = max(abs(low), abs(high))
    if most > 65504.0:
        raise ReadError("values beyond ±65,504 do not fit into float16: set 'dtype: float32'")
    half = narrowed(array)
    steps = (high - low) / float(np.spacing(np.float16(most)))
    fine = low >= 0 and 1 / 255 <= high <= 1  # a share of 0 … 1: finer than the eight bits that are enough for one
    if 0 < steps < _FEWEST_STEPS and not fine and not np.array_equal(half, array):
        raise ReadError(
            f"values from {low:g} to {high:g} span {steps:.0f} steps of float16, which rounds them: set "
            "'dtype: float32', or an intensity that scales them"
        )
    return half
