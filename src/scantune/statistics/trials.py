"""Intervals of shares of trials: binomial, with effective trials where those of one subject go together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scantune.statistics.distributions import binomial_interval, mid_p_interval, normal_quantile, t_quantile
from scantune.statistics.resampling import FEWEST, Distribution, Interval, Share

RARE, ENOUGH = 10, 30
"""Subjects of the rarer class, or of both, from which on a loss of two classes has an interval."""


def few(n_subjects: int) -> str:
    """Why there is no interval of so few subjects."""
    return f"no interval: {n_subjects} subjects, at least {FEWEST} are needed"


def too_rare(positive: np.ndarray, subjects: np.ndarray) -> Interval | None:
    """Why a mean of squares or logarithms of two classes' probabilities has no interval; None where it has one.

    A few errors in the rarer class make up most of it. With 3 of 15 subjects in that class its interval keeps .85, from
    30 subjects on it keeps its level (``docs/intervals.md``).

    Args:
        positive: bool [n].
        subjects: [n].
    """
    total = len(np.unique(subjects))
    rarer = min(len(np.unique(subjects[side])) for side in (positive, ~positive))
    if total >= ENOUGH or rarer >= RARE:
        return None
    why = f"{rarer} of {total} subjects are of the rarer class; {RARE} of it are needed, or {ENOUGH} in all"
    return Interval(reason=f"no interval: {why}")


def effective_trials(share: Share) -> tuple[float, float, bool]:
    """Successes and trials that are worth as much as independent ones, and whether the trials themselves are such.

    Trials of one subject go together: their number is divided by the design effect, the variance between subjects over
    that of independent trials, and by what Student's t adds (Korn & Graubard, Surv Methodol 1998;24:193). Where all
    trials succeed or all fail it cannot be seen: then each subject is one trial.
    """
    inside = share.trials > 0
    top, bottom = share.successes[inside], share.trials[inside]
    subjects, n, k = len(bottom), float(bottom.sum()), float(top.sum())
    if (bottom <= 1).all() and np.isin(top, (0, 1)).all():
        return k, n, True
    p = k / n
    if not 0 < p < 1 or subjects < 3:
        return p * subjects, float(subjects), False
    between = subjects / (subjects - 1) * float(((top - p * bottom) ** 2).sum()) / n**2
    effect = max(1.0, between / (p * (1 - p) / n)) if (bottom == bottom.round()).all() else between * n / (p * (1 - p))
    shrink = (normal_quantile(0.975) / t_quantile(0.975, subjects - 1)) ** 2
    trials = max(1.0, min(n, n / effect * shrink))
    return p * trials, trials, False


def share_interval(shares: Sequence[Share], confidence: float = 0.95) -> Interval:
    """Interval of a share of trials."""
    (share,) = shares
    subjects = int((share.trials > 0).sum())
    k, n, independent = effective_trials(share)
    if not independent and subjects < FEWEST:
        return Interval(reason=few(subjects))
    if not n > 0:
        return Interval(reason="no interval: no trials")
    what = "trials" if independent else "effective trials"
    if k <= 0 or k >= n:
        return Interval(*binomial_interval(k, n, confidence), f"exact binomial over {what} (Clopper & Pearson)")
    return Interval(*mid_p_interval(k, n, confidence), f"mid-p binomial over {what}")


def _f1_interval(shares: Sequence[Share], confidence: float) -> Interval:
    """F1 is 2 J / (1 + J) of the share J of true positives among all that are positive or called so."""
    found = share_interval(shares, confidence)
    if found.lower is None or found.upper is None:
        return found
    lower, upper = (2 * j / (1 + j) for j in (found.lower, found.upper))
    return Interval(lower, upper, f"{found.method}, of true positives among positives and those called so")


def _mean_interval(shares: Sequence[Share], confidence: float) -> Interval:
    """Mean of shares of different trials, by the method of variance estimates recovery (Zou & Donner 2008)."""
    used = [share for share in shares if share.trials.sum() > 0]
    bounds: list[tuple[float, float, float]] = []
    for share in used:
        found = share_interval([share], confidence)
        if found.lower is None or found.upper is None:
            return found
        centre = float(share.successes.sum() / share.trials.sum())
        bounds.append((found.lower, centre, found.upper))
    if not bounds:
        return Interval(reason="no interval: no trials")
    low, middle, high = np.array(bounds).T
    mean, size = float(middle.mean()), len(bounds)
    below, above = (float(np.sqrt(((side - middle) ** 2).sum())) / size for side in (low, high))
    return Interval(mean - below, mean + above, "MOVER from the classes' binomial intervals")


OF_SHARES: Mapping[str, Callable[[Sequence[Share], float], Interval]] = {
    "share": share_interval,
    "f1": _f1_interval,
    "mean_of_shares": _mean_interval,
}


def at_edge(distribution: Distribution, confidence: float = 0.95) -> Interval:
    """Interval of a metric that no subject left out changes, such as one that is 0 or 1: exact, subjects as trials."""
    shares = [share for share in distribution.shares if share.trials.sum() > 0]
    if not shares:
        return Interval(reason="no interval: the value is the same whichever subject is left out")
    trials = [int((share.trials > 0).sum()) for share in shares]
    if distribution.value in (0.0, 1.0) and len(shares) > 1 and not _overlap(shares):
        bound = perfect_mean(trials, confidence)
        lower, upper = (bound, 1.0) if distribution.value == 1 else (0.0, 1 - bound)
        return Interval(lower, upper, "exact binomial over the subjects of all parts together")
    values = [float(share.successes.sum() / share.trials.sum()) for share in shares]
    found = [binomial_interval(value * n, n, confidence) for value, n in zip(values, trials)]
    lower, upper = (float(np.mean([pair[side] for pair in found])) for side in (0, 1))
    return Interval(lower, upper, "exact binomial over subjects (Clopper & Pearson)")


def _overlap(shares: Sequence[Share]) -> bool:
    """Whether a subject has trials in several of the shares."""
    return bool((np.sum([share.trials > 0 for share in shares], axis=0) > 1).any())


def perfect_mean(trials: Sequence[int], confidence: float = 0.95) -> float:
    """Exact lower bound of the mean of K shares of independent trials that all succeeded.

    The least mean of shares p_k under which that is seen with a probability of α/2, Π p_k^(n_k) = α/2: by Lagrange
    p_k = min(1, c n_k). For K = 1 it is Clopper & Pearson's bound.

    Args:
        trials: n_k of each share, 1 or more.
        confidence: level, 1 − α.
    """
    n = np.asarray(trials, np.float64)
    needed = math.log((1 - confidence) / 2)

    def shares(log_c: float) -> np.ndarray:
        return np.minimum(1.0, np.exp(log_c) * n)

    low, high = needed - float(np.log(n).max()), 0.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if float((n * np.log(shares(middle))).sum()) < needed else (low, middle)
    return float(shares(high).mean())
