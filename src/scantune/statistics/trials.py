"""Intervals of shares of trials: binomial, with effective trials where those of one subject go together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from scantune.amounts import number_of
from scantune.statistics.degrees import degrees_of_freedom
from scantune.statistics.distributions import binomial_interval, mid_p_interval, normal_quantile, t_quantile
from scantune.statistics.resampling import FEWEST, Distribution, Interval, Share

RARE, ENOUGH = 10, 15
"""Subjects of the rarest class, or a class on average, from which on a loss of probabilities has an interval."""

_KURTOSIS = 1.3
"""Factor of the kurtosis of subjects' deviations; see :func:`.degrees.degrees_of_freedom`."""


def few(n_subjects: int) -> str:
    """Why there is no interval of so few subjects."""
    return f"no interval: {number_of(n_subjects, 'subject')}, at least {FEWEST} are needed"


def too_rare(target: np.ndarray, classes: int, subjects: np.ndarray) -> Interval | None:
    """Why a mean of squares or logarithms of probabilities of classes has no interval; None where it has one.

    A few errors make up most of it, and a small sample may have none of them. With 3 of 15 subjects in the rarer of two
    classes its interval keeps .85, with 6 of each of ten .82, with 15 a class its level (``docs/intervals.md``).

    Args:
        target: class indices, int [n].
        classes: how many there are.
        subjects: [n].
    """
    total = len(np.unique(subjects))
    rarest = min(len(np.unique(subjects[target == k])) for k in range(classes))
    if total >= classes * ENOUGH or rarest >= RARE:
        return None
    why = f"{rarest} of {total} subjects are of the rarest class; {RARE} of it are needed, or {classes * ENOUGH} in all"
    return Interval(reason=f"no interval: {why}")


def effective_trials(share: Share) -> tuple[float, float, bool]:
    """Successes and trials that are worth as much as independent ones, and whether the trials themselves are such.

    Trials of one subject go together: their number is divided by the design effect, the variance between subjects over
    that of independent trials, and by what Student's t adds (Korn & Graubard, Surv Methodol 1998;24:193), with as many
    degrees of freedom as the subjects' deviations leave: few errors are of few subjects. Where all trials succeed or
    all fail it cannot be seen: then each subject is one trial.
    """
    inside = share.trials > 0
    top, bottom = share.successes[inside], share.trials[inside]
    subjects, n, k = len(bottom), float(bottom.sum()), float(top.sum())
    if (bottom <= 1).all() and np.isin(top, (0, 1)).all():
        return k, n, True
    p = k / n
    if not 0 < p < 1 or subjects < FEWEST:
        return p * subjects, float(subjects), False
    deviations = top - p * bottom
    between = subjects / (subjects - 1) * float((deviations**2).sum()) / n**2
    effect = max(1.0, between / (p * (1 - p) / n)) if (bottom == bottom.round()).all() else between * n / (p * (1 - p))
    df = degrees_of_freedom(deviations, _KURTOSIS) if deviations.any() else subjects - 1.0
    shrink = (normal_quantile(0.975) / t_quantile(0.975, df)) ** 2
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
    jaccard = share_interval(shares, confidence)
    if jaccard.lower is None or jaccard.upper is None:
        return jaccard
    lower, upper = (2 * j / (1 + j) for j in (jaccard.lower, jaccard.upper))
    return Interval(lower, upper, f"{jaccard.method}, of true positives among positives and those called so")


def _mean_interval(shares: Sequence[Share], confidence: float) -> Interval:
    """Mean of K shares p_k of n_k trials: mid-p of as many trials as give its variance, Σ p_k (1 − p_k) / n_k / K².

    At most as many as equal shares would give, K² / Σ 1 / n_k.
    """
    used = [share for share in shares if share.trials.sum() > 0]
    counts = [effective_trials(share) for share in used]
    for share, (_, _, independent) in zip(used, counts, strict=True):
        subjects = int((share.trials > 0).sum())
        if not independent and subjects < FEWEST:
            return Interval(reason=few(subjects))
    if not counts:
        return Interval(reason="no interval: no trials")
    n = np.array([trials for _, trials, _ in counts])
    p = np.array([k for k, _, _ in counts]) / n
    mean = float(np.mean([share.successes.sum() / share.trials.sum() for share in used]))
    if mean in (0.0, 1.0):
        return at_edge(Distribution(mean, np.empty(0), np.empty(0), shares=tuple(used)), confidence)
    variance = float((p * (1 - p) / n).sum())
    effective = mean * (1 - mean) / variance if variance > 0 else math.inf
    trials = len(n) ** 2 * min(effective, 1 / float((1 / n).sum()))
    bounds = mid_p_interval(mean * trials, trials, confidence)
    return Interval(*bounds, "mid-p binomial over the classes' effective trials")


def within_trials(interval: Interval, value: float, shares: Sequence[Share], confidence: float) -> Interval:
    """Interval of a mean of what lies in 0 … 1, no wider than Clopper & Pearson's of a share with that mean.

    No variable in 0 … 1 varies more than one that is 0 or 1. Of the area under the ROC curve the trials are those of
    the smaller class: Var(AUC) is at most AUC (1 − AUC) / min(m, n) (Birnbaum & Klose, Ann Math Stat 1957;28:933).
    Student's t and the scaled chi-squared are wider where one subject has most of the influence: their degrees of
    freedom are few.

    Args:
        interval: of the metric.
        value: the metric: the share itself, the mean of several, or in proportion to it.
        shares: what it is of; without any the interval stays as it is.
        confidence: level.
    """
    return _within(interval, shares, confidence, lambda p: p, value)


def within_f1(interval: Interval, shares: Sequence[Share], confidence: float) -> Interval:
    """The same of a mean of F1: each is 2 J / (1 + J) of a share J, see :func:`within_trials`."""
    return _within(interval, shares, confidence, lambda j: 2 * j / (1 + j))


def _within(
    interval: Interval,
    shares: Sequence[Share],
    confidence: float,
    of_share: Callable[[float], float],
    value: float | None = None,
) -> Interval:
    used = [share for share in shares if share.trials.sum() > 0]
    if interval.lower is None or interval.upper is None or not used:
        return interval
    ends, middle = np.zeros(2), 0.0
    for share in used:
        n = float(share.trials.sum() ** 2 / (share.trials**2).sum())  # Kish 1965: unequal numbers are worth fewer
        p = min(1.0, float(share.successes.sum() / share.trials.sum()))
        ends += [of_share(end) / len(used) for end in binomial_interval(p * n, n, confidence)]
        middle += of_share(p) / len(used)
    ends *= value / middle if value is not None and middle > 0 else 1.0
    return replace(interval, lower=max(interval.lower, float(ends[0])), upper=min(interval.upper, float(ends[1])))


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
    intervals = [binomial_interval(value * n, n, confidence) for value, n in zip(values, trials)]
    lower, upper = (float(np.mean([pair[side] for pair in intervals])) for side in (0, 1))
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
