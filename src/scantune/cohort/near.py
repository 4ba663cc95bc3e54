"""Images that are nearly the same: a perceptual hash picks pairs, the tensors' correlation judges them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SIDE = 16  # of a thumbnail of two axes; 6 of one of three: about 250 values either way
SIDE_3D = 6
BLOCK = 512
#: Thumbnails correlate a little differently from the whole tensors.
SLACK = 0.03
#: Fundi, brains in one space and films of one view all look like their mean: what two of them have in common beyond it
#: must correlate too. Of different eyes (DRIVE) it does by 0 ± 0.5 and at most 0.91, of one image saved twice by 0.99.
BEYOND_MEAN = 0.92
#: Samples from which on there is a mean worth the name, and how many it is taken of at most.
FEW, MANY = 10, 500


@dataclass(frozen=True)
class Near:
    """Two similar samples: positions in the given sequence, Pearson's correlation of their tensors."""

    one: int
    other: int
    correlation: float


def near_pairs(
    hashes: Sequence[str], parts: Sequence[str], tensor: Callable[[int], np.ndarray], *, bits: int, correlation: float
) -> list[Near]:
    """Pairs on different parts whose tensors correlate at least so much, the closest first.

    Of ten samples and more, those pairs alone that are also alike where they differ from the mean of all: in a data set
    whose images all look alike, a high correlation says nothing.

    Args:
        hashes: perceptual hash of each sample, 16 hexadecimal digits.
        parts: the side or fold of each.
        tensor: position to its tensor, float32.
        bits: in how many of 64 bits the hashes may differ for a pair to be looked at.
        correlation: from which on a pair counts.
    """
    codes = np.array([int(text, 16) for text in hashes], np.uint64)
    side = np.unique(np.asarray(parts), return_inverse=True)[1]
    thumbs = _Thumbnails(tensor)
    pairs = []
    for rows, columns in _candidates(codes, side, bits):
        alike = thumbs.correlations(rows, columns) >= correlation - SLACK
        alike[alike] = _alike_beyond(thumbs, len(codes), rows[alike], columns[alike])
        for one, other in zip(rows[alike].tolist(), columns[alike].tolist(), strict=True):
            value = _correlation(tensor(one), tensor(other))
            if value >= correlation:
                pairs.append(Near(one, other, round(value, 4)))
    return sorted(pairs, key=lambda pair: (-pair.correlation, pair.one, pair.other))


def _alike_beyond(thumbs: _Thumbnails, count: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Which pairs are alike in what sets them apart from the others, bool."""
    if count < FEW or not rows.size:
        return np.ones(rows.size, bool)
    return thumbs.correlations(rows, columns, thumbs.mean(count)) >= BEYOND_MEAN


def _candidates(codes: np.ndarray, side: np.ndarray, bits: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of pairs (i < j) on different sides whose codes differ in at most so many bits."""
    for start in range(0, len(codes), BLOCK):
        block = codes[start : start + BLOCK]
        rest = codes[start:]
        near = np.bitwise_count(block[:, None] ^ rest[None]) <= bits
        near &= side[start : start + BLOCK, None] != side[None, start:]
        rows, columns = np.nonzero(np.triu(near, 1))
        if rows.size:
            yield rows + start, columns + start


class _Thumbnails:
    """Small pictures of the tensors, mean 0 and length 1, each computed once, when a pair needs it."""

    def __init__(self, tensor: Callable[[int], np.ndarray]) -> None:
        self._tensor = tensor
        self._thumbnails: dict[int, np.ndarray] = {}
        self._mean: np.ndarray | None = None

    def mean(self, count: int) -> np.ndarray:
        """Of ``count`` samples, or of some spread over them."""
        if self._mean is None:
            chosen = np.unique(np.linspace(0, count - 1, min(count, MANY)).astype(int))
            self._mean = np.mean([self._of(int(index)) for index in chosen], axis=0)
        return self._mean

    def correlations(self, rows: np.ndarray, columns: np.ndarray, mean: np.ndarray | None = None) -> np.ndarray:
        """Of pairs of thumbnails, less a mean where it is given."""
        indices = np.unique(np.concatenate([rows, columns]))
        stack = np.stack([self._of(int(index)) for index in indices])
        if mean is not None:
            stack = stack - mean
            stack /= np.maximum(np.linalg.norm(stack, axis=1, keepdims=True), 1e-12)
        place = {int(index): at for at, index in enumerate(indices)}
        first = np.array([place[int(index)] for index in rows])
        second = np.array([place[int(index)] for index in columns])
        result = np.empty(rows.size, np.float32)
        for start in range(0, rows.size, 1 << 16):
            part = slice(start, start + (1 << 16))
            result[part] = np.einsum("nk,nk->n", stack[first[part]], stack[second[part]])
        return result

    def _of(self, index: int) -> np.ndarray:
        if index not in self._thumbnails:
            small = _shrunk(self._tensor(index).mean(axis=0))  # [C, …] -> […]
            small = small.ravel() - small.mean()
            length = float(np.linalg.norm(small))
            self._thumbnails[index] = (small / length if length else small).astype(np.float32)
        return self._thumbnails[index]


def _shrunk(array: np.ndarray) -> np.ndarray:
    """Means over equal blocks, resized to one length whatever the shape: 16 × 16, or 6 × 6 × 6."""
    side = SIDE if array.ndim == 2 else SIDE_3D
    for axis in range(array.ndim):
        length = array.shape[axis]
        if length >= side:
            edges = (np.arange(side) * length) // side
            counts = np.diff(np.append(edges, length))
            array = np.add.reduceat(array, edges, axis=axis)
            array = array / counts.reshape([-1 if a == axis else 1 for a in range(array.ndim)])
        else:
            array = np.take(array, (np.arange(side) * length) // side, axis=axis)
    return array


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's; 0 where the shapes differ or nothing varies."""
    if one.shape != other.shape:
        return 0.0
    first, second = (array.ravel() - array.mean(dtype=np.float64) for array in (one, other))
    lengths = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / lengths if lengths else 0.0
