"""Pearson's, Spearman's and Kendall's correlation with p-values, and what their intervals are made from."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import permutations

import numpy as np

from scantune.statistics.distributions import normal_two_sided, t_two_sided
from scantune.statistics.resampling import Weighted
from scantune.statistics.sums import cumulate

CONSTANT = 1e-10
"""A variance below this share of the mean square is a constant's, up to rounding."""


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Product-moment correlation of x [n] and y [n]; NaN where one is constant, or has a value that is not finite."""
    if constant(x) or constant(y) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return math.nan
    x, y = x - x.mean(dtype=np.float64), y - y.mean(dtype=np.float64)
    scale = math.sqrt(float((x * x).sum()) * float((y * y).sum()))
    if not 0 < scale < math.inf:
        return math.nan
    return min(1.0, max(-1.0, float((x * y).sum()) / scale))


def constant(x: np.ndarray) -> bool:
    """Whether all of x [n] is one value."""
    return len(x) == 0 or bool((x == x[0]).all())


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation with mid-ranks for ties; NaN where one is constant, or has a NaN, which has no rank."""
    if np.isnan(x).any() or np.isnan(y).any():
        return math.nan
    return pearson(midranks(x), midranks(y))


def midranks(x: np.ndarray) -> np.ndarray:
    """Ranks 1 … n of x [n], ties sharing their mean rank."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def correlation_p(r: float, n: int) -> float:
    """Two-sided p-value of Pearson's r by Student's t with n − 2 degrees of freedom.

    At least 2 / n!: as many of the permutations are as far apart as can be, so that it is never 0.
    """
    if n < 3 or math.isnan(r):
        return math.nan
    least = max(2 * math.exp(-math.lgamma(n + 1)), sys.float_info.min)
    return max(least, t_two_sided(r * math.sqrt((n - 2) / (1 - r * r)), n - 2)) if abs(r) < 1 else least


EXACT = 8
"""Rows up to which Spearman's p-value is over all permutations: there Student's t is far too small in the tails."""


def spearman_p(x: np.ndarray, y: np.ndarray) -> float:
    """Two-sided p-value of Spearman's correlation of x [n] and y [n], mid-ranks for ties; NaN where it is undefined.

    Exact up to :data:`EXACT` rows (Kendall & Gibbons 1990, section 4.14); above by :func:`correlation_p`.
    """
    rho, n = spearman(x, y), len(x)
    if n < 3 or math.isnan(rho):
        return math.nan
    if n > EXACT:
        return correlation_p(rho, n)
    a, b = (ranks - ranks.mean() for ranks in (midranks(x), midranks(y)))
    products = b[_permutations(n)] @ a
    return float((np.abs(products) >= abs(float(a @ b)) - 1e-9).mean())


@cache
def _permutations(n: int) -> np.ndarray:
    return np.array(list(permutations(range(n))), np.int8)


@dataclass(frozen=True)
class Kendall:
    """Kendall's τ-b.

    Attributes:
        tau: the correlation; NaN where one side is constant.
        p_value: two-sided, as for independent rows: exact without ties up to n = 33, else normal with ties.
        concordance: int64 [n], for each row concordant less discordant partners; sums to twice Σ over pairs.
    """

    tau: float
    p_value: float
    concordance: np.ndarray


def kendall(x: np.ndarray, y: np.ndarray) -> Kendall:
    """Kendall's τ-b of x [n] and y [n] in O(n log n) (Kendall 1945; Knight, J Am Stat Assoc 1966;61:436)."""
    n = len(x)
    rank_x = np.unique(x, return_inverse=True)[1]
    rank_y = np.unique(y, return_inverse=True)[1]
    each = _concordance(rank_x, rank_y)
    net = int(each.sum()) // 2
    pairs = n * (n - 1) // 2
    ties_x, ties_y = (_tied_pairs(r) for r in (rank_x, rank_y))
    scale = math.sqrt(float(pairs - ties_x)) * math.sqrt(float(pairs - ties_y))
    if n < 2 or scale == 0:
        return Kendall(math.nan, math.nan, each)
    tau = min(1.0, max(-1.0, net / scale))
    return Kendall(tau, _kendall_p(net, rank_x, rank_y, pairs, ties_x, ties_y), each)


def _tied_pairs(rank: np.ndarray) -> int:
    counts = np.bincount(rank).astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _concordance(rank_x: np.ndarray, rank_y: np.ndarray) -> np.ndarray:
    """Concordant less discordant partners of each row, by halving the range of x: log2(n) sorts of the rows by y.

    At each level rows whose x-ranks share all but the last bits form a block; those of its upper half are compared with
    those of its lower half, which every pair of different x is exactly once.
    """
    n = len(rank_x)
    each = np.zeros(n, np.int64)
    by_y = np.argsort(rank_y, kind="stable")
    bits = int(rank_x.max(initial=0)).bit_length()
    for bit in range(bits):
        block = rank_x >> (bit + 1)
        order = by_y[np.argsort(block[by_y], kind="stable")]  # by block, then by y
        upper = ((rank_x[order] >> bit) & 1).astype(np.int64)
        keys = block[order].astype(np.int64) * n + rank_y[order]  # ascending
        block_sorted = block[order]
        first = np.searchsorted(block_sorted, block_sorted, "left")
        last = np.searchsorted(block_sorted, block_sorted, "right")
        less, more = np.searchsorted(keys, keys, "left"), np.searchsorted(keys, keys, "right")
        for side, sign in ((upper, -1), (1 - upper, 1)):
            # of the rows on `side` in my block: how many have a smaller and how many a larger y
            cumulative = np.concatenate([[0], np.cumsum(side)])
            smaller = cumulative[less] - cumulative[first]
            larger = cumulative[last] - cumulative[more]
            mine = side == 0
            each[order[mine]] += (sign * (smaller - larger))[mine]
    return each


def _kendall_p(net: int, rank_x: np.ndarray, rank_y: np.ndarray, pairs: int, ties_x: int, ties_y: int) -> float:
    n = len(rank_x)
    discordant = (pairs - net) // 2
    if ties_x == 0 and ties_y == 0 and (n <= 33 or min(discordant, pairs - discordant) <= 1):
        return _kendall_exact(n, min(discordant, pairs - discordant))
    x0, y0 = (_tie_sums(r) for r in (rank_x, rank_y))
    m = n * (n - 1.0)
    variance = (m * (2 * n + 5) - x0[1] - y0[1]) / 18 + 2 * ties_x * ties_y / m
    if n > 2:
        variance += x0[0] * y0[0] / (9 * m * (n - 2))
    return normal_two_sided(net / math.sqrt(variance)) if variance > 0 else math.nan


def _tie_sums(rank: np.ndarray) -> tuple[float, float]:
    t = np.bincount(rank).astype(np.float64)
    return float((t * (t - 1) * (t - 2)).sum()), float((t * (t - 1) * (2 * t + 5)).sum())


def _kendall_exact(n: int, discordant: int) -> float:
    """Two-sided p by counting permutations of n with at most ``discordant`` inversions (Kendall 1970, ch. 5)."""
    if 2 * discordant == n * (n - 1) // 2:
        return 1.0
    counts = [1.0] + [0.0] * discordant
    for size in range(2, n + 1):
        cumulative = np.concatenate([[0.0], np.cumsum(counts)])
        counts = [cumulative[k + 1] - cumulative[max(0, k + 1 - size)] for k in range(discordant + 1)]
        counts = [c / size for c in counts]
    return min(1.0, 2 * math.fsum(counts))


def kendall_without(x: np.ndarray, y: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """τ-b with each subject left out, float64 [S], without counting all pairs again; undefined is NaN.

    Args:
        x: float [n].
        y: float [n].
        subjects: [n].
    """
    each = kendall(x, y).concordance
    _, codes = np.unique(subjects, return_inverse=True)
    n, size = len(x), int(codes.max()) + 1
    net = each.sum() / 2 - np.bincount(codes, each, size) + _within(x, y, codes)
    remaining = n - np.bincount(codes, minlength=size)
    pairs = remaining * (remaining - 1) / 2
    scale = np.sqrt((pairs - _tied_without(x, codes)) * (pairs - _tied_without(y, codes)))
    with np.errstate(all="ignore"):
        return np.where(scale > 0, net / scale, np.nan)


def _within(x: np.ndarray, y: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Concordant less discordant pairs of each subject's own rows, [S]; subjects with equally many rows at once."""
    order, sizes = np.argsort(codes, kind="stable"), np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    out = np.zeros(len(sizes))
    for size in np.unique(sizes[sizes > 1]).tolist():
        of_size = np.flatnonzero(sizes == size)
        for part in np.array_split(of_size, max(1, len(of_size) * size * size // 2**20)):
            rows = order[starts[part][:, None] + np.arange(size)]  # [part, size]
            dx, dy = (np.sign(v[rows][:, :, None] - v[rows][:, None, :]) for v in (x, y))
            out[part] = np.einsum("sij,sij->s", dx, dy) / 2
    return out


def _tied_without(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Tied pairs of x with each subject left out, [S]."""
    rank = np.unique(x, return_inverse=True)[1]
    totals = np.bincount(rank)
    cells, cell_sizes = np.unique(codes * len(totals) + rank, return_counts=True)  # rows of one subject with one value
    removed = cell_sizes * totals[cells % len(totals)] - cell_sizes * (cell_sizes + 1) / 2  # pairs that lose a member
    return (totals * (totals - 1) / 2).sum() - np.bincount(cells // len(totals), removed, int(codes.max()) + 1)


def rank_function(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """What gives the mid-ranks (less one half) of ``values`` [n] under weights [n, B], in the order of ``values``."""
    order = np.argsort(values, kind="stable")
    inverse = np.empty(len(order), np.int64)
    inverse[order] = np.arange(len(order))
    ordered = values[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    ends = np.append(np.flatnonzero(first)[1:] - 1, len(order) - 1)
    group = (np.cumsum(first) - 1)[inverse]
    ties = len(ends) < len(order)
    ascending = bool((order == np.arange(len(order))).all())

    def ranks(weights: np.ndarray) -> np.ndarray:
        cumulative = cumulate(weights.copy() if ascending else weights[order])
        if not ties:
            cumulative = cumulative if ascending else cumulative[inverse]
            cumulative -= 0.5 * weights
            return cumulative
        upper = cumulative[ends]  # [groups, B]
        middle = upper.copy()
        middle[1:] += upper[:-1]
        middle *= 0.5
        return middle[group]

    return ranks


def spearman_statistic(x: np.ndarray, y: np.ndarray, rows: np.ndarray, name: str = "spearman_rho") -> Weighted:
    """Spearman's correlation of x [n] and y [n], to be resampled; ``rows`` [n] are their rows in the table."""
    by_x = np.argsort(x, kind="stable")  # one side in order spares a permutation of all weights
    rows, rank_x, rank_y = rows[by_x], rank_function(x[by_x]), rank_function(y[by_x])

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        half = weights.sum(0) / 2  # the mean of the ranks less one half
        a, b = rank_x(weights), rank_y(weights)
        a -= half
        b -= half
        wa = weights * a
        top = np.einsum("nb,nb->b", wa, b)
        size_a = np.einsum("nb,nb->b", wa, a)
        wb = np.multiply(weights, b, out=wa)
        scale = np.sqrt(size_a * np.einsum("nb,nb->b", wb, b))
        return {name: np.where(scale > CONSTANT, top / scale, np.nan)}

    return Weighted(rows, figures, kinds={name: "correlation"})
