"""Metrics with one subject left out, and in draws of subjects, for many metrics at once.

A draw takes as many subjects as there are, with replacement; it is stored as the number of times that each subject was
taken. A figure is then either a function of sums over rows (:class:`Sums`: one matrix product serves all draws) or of
the rows' weights (:class:`Weighted`: what goes by ranks or thresholds). Draws come in chunks, each with a generator of
its own, so that memory stays flat and the result does not depend on which metrics are computed together.

In shape comments ``n`` is rows, ``S`` subjects, ``B`` draws, ``q`` sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scantune.amounts import number_of
from scantune.statistics.distributions import normal_cdf, normal_quantile
from scantune.statistics.sums import sums_by

CHUNKS = (64, 512)
"""Fewest and most draws evaluated together; in between so many that subjects × draws stay near 200,000."""

KEPT = 2**26
"""Bytes of draws that are cached between runs; larger ones are drawn again each time."""

GROUPS = 200
"""Leave-out groups for the acceleration of a weighted figure; one subject each where there are fewer."""

FEWEST = 5
"""Fewest subjects for which an interval is given."""

UNDEFINED_DRAWS = 0.1
"""An interval is withheld where more of the draws than this are undefined."""

Figures = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Share:
    """What a share is of: successes float64 [S] among trials float64 [S] of each subject."""

    successes: np.ndarray
    trials: np.ndarray


#: sums [..., q] to name and the (successes, trials) whose share the figure is, or is made of.
Shares = Callable[[np.ndarray], dict[str, list[tuple[np.ndarray, np.ndarray]]]]


@dataclass(frozen=True)
class Sums:
    """Figures that depend on the rows through sums alone.

    Attributes:
        rows: int [n], rows of the table that take part.
        features: float64 [n, q], what is summed.
        figures: sums [..., q] to name and values [...]; undefined is NaN.
        samples: how many samples the rows stand for, where that is not one each.
        kinds: figure to the rule of its interval (:func:`scantune.statistics.intervals.interval_of`).
        shares: what those figures are of that are shares of trials.
    """

    rows: np.ndarray
    features: np.ndarray
    figures: Figures
    samples: int | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    shares: Shares | None = None

    @property
    def n(self) -> int:
        """Samples that the figures are made from."""
        return len(self.rows) if self.samples is None else self.samples


@dataclass(frozen=True)
class Weighted:
    """Figures of weighted rows.

    Attributes:
        rows: int [n], rows of the table that take part, in the order in which ``figures`` takes their weights.
        figures: weights float64 [n, B] (non-negative counts), which it may overwrite, to name and values [B];
            undefined is NaN.
        kinds: figure to the rule of its interval.
        edges: figure to the rows that count as trials, int [m], where it is 0, 1 or an area under the ROC curve; of a
            mean over classes, of each.
        averaged: figure that is a mean over classes to that of each class.
        leave_out: the figures with the rows of each group left out, from the group of each row int [n] and their number
            G: name to values [G]. None: ``figures`` of weights that are 0 in the group.
    """

    rows: np.ndarray
    figures: Figures
    kinds: Mapping[str, str] = field(default_factory=dict)
    edges: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)
    averaged: Mapping[str, Sequence[float]] = field(default_factory=dict)
    leave_out: Callable[[np.ndarray, int], dict[str, np.ndarray]] | None = None

    @property
    def n(self) -> int:
        """Samples that the figures are made from."""
        return len(self.rows)


Statistic = Sums | Weighted


@dataclass(frozen=True)
class Distribution:
    """A figure and what leaving out and resampling make of it.

    Attributes:
        value: on the rows as they are.
        draws: float64 [B], in the draws; empty where none were asked for.
        jackknife: float64 [G], with one subject (or group of subjects) left out.
        groups: int [G], which one.
        shares: of which trials it is the share, where it is one.
    """

    value: float
    draws: np.ndarray
    jackknife: np.ndarray
    groups: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    shares: tuple[Share, ...] = ()

    def minus(self, other: Distribution) -> Distribution:
        """The paired difference; a subject that takes part in one alone changes that one alone."""
        groups = np.union1d(self.groups, other.groups)
        left = self.without(groups) - other.without(groups)
        draws = self.draws - other.draws if len(self.draws) == len(other.draws) else np.empty(0)
        return Distribution(self.value - other.value, draws, left, groups)

    def without(self, groups: np.ndarray) -> np.ndarray:
        """The figure without each of some groups, sorted int [M], that include its own; float64 [M]."""
        values = np.full(len(groups), self.value)
        values[np.searchsorted(groups, self.groups)] = self.jackknife
        return values


class Resampler:
    """Draws of subjects for one table.

    Args:
        subjects: [n], the subject of each row (any type that sorts).
        draws: number of draws; 0 for values alone.
        seed: of the draws.
    """

    def __init__(self, subjects: np.ndarray, draws: int = 2000, seed: int = 42) -> None:
        names, self.codes = np.unique(np.asarray(subjects), return_inverse=True)
        self.n_subjects = len(names)
        self.draws = draws
        self.seed = seed
        self.chunk = int(np.clip(200_000 // max(1, self.n_subjects), *CHUNKS))  #: draws evaluated together
        self._weights: dict[int, np.ndarray] = {}
        order = np.random.default_rng(seed).permutation(self.n_subjects)
        #: leave-out group of each subject
        self.group = np.empty(self.n_subjects, np.int64)
        self.group[order] = np.arange(self.n_subjects) % max(1, min(GROUPS, self.n_subjects))

    def count(self, rows: np.ndarray) -> int:
        """Number of subjects that ``rows`` are of."""
        return len(np.unique(self.codes[rows]))

    def independent(self, rows: np.ndarray) -> bool:
        """Whether each subject has at most one of ``rows``."""
        return self.count(rows) == len(rows)

    def apart(self, rows: np.ndarray, others: np.ndarray) -> bool:
        """Whether no subject has samples in both."""
        return not np.intersect1d(self.codes[rows], self.codes[others]).size

    def weights(self, chunk: int) -> np.ndarray:
        """Times that each subject was taken in each draw of a chunk, float64 [S, B]."""
        if chunk in self._weights:
            return self._weights[chunk].astype(np.float64)
        size = min(self.chunk, self.draws - chunk * self.chunk)
        rng = np.random.default_rng([self.seed, chunk])
        drawn = rng.integers(0, self.n_subjects, size=(self.n_subjects, size))
        flat = (drawn * size + np.arange(size)).ravel()
        counts = np.bincount(flat, minlength=self.n_subjects * size).reshape(self.n_subjects, size)
        if 2 * self.n_subjects * self.draws <= KEPT:
            self._weights[chunk] = counts.astype(np.uint16)
        return counts.astype(np.float64)

    def run(self, statistics: Sequence[Statistic], draws: bool = True) -> list[dict[str, Distribution]]:
        """All metrics of all statistics: on the rows, with subjects left out and, with ``draws``, in the draws."""
        chunks = math.ceil(self.draws / self.chunk) if draws else 0
        with np.errstate(all="ignore"):
            prepared = [_prepare(s, self) for s in statistics]
            parts: list[list[dict[str, np.ndarray]]] = [[] for _ in statistics]
            for chunk in range(chunks):
                weights = self.weights(chunk)
                for done, p in zip(parts, prepared):
                    done.append(p.draw(weights))
            return [_collect(p, done) for p, done in zip(prepared, parts)]


@dataclass(frozen=True)
class _Prepared:
    """A statistic made ready: its values, its leave-out values, and what gives its draws."""

    value: dict[str, np.ndarray]
    jackknife: dict[str, np.ndarray]
    groups: np.ndarray
    draw: Callable[[np.ndarray], dict[str, np.ndarray]]
    shares: Mapping[str, tuple[Share, ...]]


def _prepare(statistic: Statistic, resampler: Resampler) -> _Prepared:
    codes = resampler.codes[statistic.rows]
    if isinstance(statistic, Sums):
        return _prepare_sums(statistic, codes)
    return _prepare_weighted(statistic, codes, resampler)


def _prepare_sums(statistic: Sums, codes: np.ndarray) -> _Prepared:
    present, local = np.unique(codes, return_inverse=True)
    sums = sums_by(local, statistic.features, len(present))  # [S, q]
    total = sums.sum(0)
    pairs = statistic.shares(sums) if statistic.shares is not None else {}
    return _Prepared(
        value={k: np.asarray(v) for k, v in statistic.figures(total).items()},
        jackknife=statistic.figures(total - sums),
        groups=present,
        draw=lambda weights: statistic.figures(weights[present].T @ sums),  # [B, S] @ [S, q]
        shares={name: tuple(Share(*pair) for pair in of) for name, of in pairs.items()},
    )


def _prepare_weighted(statistic: Weighted, codes: np.ndarray, resampler: Resampler) -> _Prepared:
    n = len(codes)
    groups, group_of = np.unique(resampler.group[codes], return_inverse=True)
    leave_out: list[dict[str, np.ndarray]] = []
    if statistic.leave_out is not None:
        leave_out.append(statistic.leave_out(group_of, len(groups)))
    else:
        for start in range(0, len(groups), resampler.chunk):
            left = np.arange(start, min(start + resampler.chunk, len(groups)))
            leave_out.append(statistic.figures((group_of[:, None] != left).astype(np.float64)))
    value = {k: np.asarray(v)[0] for k, v in statistic.figures(np.ones((n, 1))).items()}
    present = np.unique(codes)
    shares: dict[str, tuple[Share, ...]] = {}
    for name in value.keys() & statistic.edges.keys():
        parts = statistic.edges[name]
        if value[name] not in (0.0, 1.0) and statistic.kinds.get(name) != "area":
            continue
        trials = [np.bincount(resampler.codes[rows], minlength=present[-1] + 1)[present] * 1.0 for rows in parts]
        each = statistic.averaged.get(name, [value[name]])
        shares[name] = tuple(Share(float(v) * t, t) for v, t in zip(each, trials, strict=True))
    return _Prepared(
        value=value,
        jackknife={k: np.concatenate([part[k] for part in leave_out]) if leave_out else np.empty(0) for k in value},
        groups=groups,
        draw=lambda weights: statistic.figures(weights[codes]),
        shares=shares,
    )


def _collect(prepared: _Prepared, parts: list[dict[str, np.ndarray]]) -> dict[str, Distribution]:
    return {
        name: Distribution(
            value=float(value),
            draws=np.concatenate([p[name] for p in parts]) if parts else np.empty(0),
            jackknife=np.asarray(prepared.jackknife[name], np.float64),
            groups=prepared.groups,
            shares=prepared.shares.get(name, ()),
        )
        for name, value in prepared.value.items()
    }


@dataclass(frozen=True)
class Interval:
    """Bounds and how they were made, or why there are none.

    ``p_value`` is that the figure is 0, by the same rule. ``error`` and ``df`` are the standard error and the degrees
    of freedom of an interval by Student's t on the figure's own scale.
    """

    lower: float | None = None
    upper: float | None = None
    method: str | None = None
    reason: str | None = None
    p_value: float | None = None
    error: float | None = None
    df: float | None = None


def interval(
    distribution: Distribution, n_subjects: int, confidence: float = 0.95, *, percentile: bool = False
) -> Interval:
    """Interval of a resampled figure: BCa where it is valid, else by percentiles.

    BCa (Efron, J Am Stat Assoc 1987;82:171) needs a median of the draws that is not at their edge and leave-out values
    that are defined.

    Args:
        distribution: the figure.
        n_subjects: subjects that it is made from.
        confidence: level.
        percentile: by percentiles in any case.
    """
    draws = distribution.draws[np.isfinite(distribution.draws)]
    if n_subjects < FEWEST:
        subjects = number_of(n_subjects, "subject")
        return Interval(reason=f"no interval: {subjects}, at least {FEWEST} are needed")
    if not distribution.draws.size:
        return Interval(reason="no interval: no draws were asked for")
    lost = 1 - draws.size / distribution.draws.size
    if lost > UNDEFINED_DRAWS:
        return Interval(reason=f"no interval: undefined in {100 * lost:.0f} % of the draws")
    if np.ptp(draws) < 1e-12:
        return Interval(reason="no interval: every draw gives the same value")
    draws = draws if percentile else np.sort(draws)
    alpha = (1 - confidence) / 2
    levels = None if percentile else _bca_levels(distribution, draws, alpha)
    method = f"bootstrap by subject, BCa, {distribution.draws.size} draws"
    if levels is None:
        levels = (alpha, 1 - alpha)
        method = f"bootstrap by subject, percentile, {distribution.draws.size} draws"
    lower, upper = np.quantile(draws, levels)
    return Interval(float(lower), float(upper), method)


def _bca_levels(distribution: Distribution, draws: np.ndarray, alpha: float) -> tuple[float, float] | None:
    """The two levels at which BCa reads the sorted draws; None where it is not valid."""
    left = distribution.jackknife
    if left.size < FEWEST or not np.isfinite(left).all():
        return None
    below = np.searchsorted(draws, distribution.value, "left")
    equal = np.searchsorted(draws, distribution.value, "right") - below
    z0 = normal_quantile((below + 0.5 * equal) / draws.size)
    influence = left.mean() - left
    spread = float((influence**2).sum())
    if not math.isfinite(z0) or spread <= 0:
        return None
    a = float((influence**3).sum()) / (6 * spread**1.5)
    levels = []
    for z in (normal_quantile(alpha), normal_quantile(1 - alpha)):
        denominator = 1 - a * (z0 + z)
        if denominator <= 0:
            return None
        levels.append(normal_cdf(z0 + (z0 + z) / denominator))
    # A level beyond the outermost draws is read off a handful of them: no longer an interval.
    edge = 2 / draws.size
    return (levels[0], levels[1]) if edge < levels[0] < levels[1] < 1 - edge else None
