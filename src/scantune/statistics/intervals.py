"""Intervals that keep their level: one rule for each kind of metric, chosen by the coverage in ``docs/intervals.md``.

Most are jackknife intervals by subject: the standard error is that of the values with one subject left out (Tukey 1958;
Efron & Tibshirani 1993, eq. 11.5), the quantile that of Student's t with as many degrees of freedom as the subjects'
influence on the metric leaves (few where few subjects carry it), on a scale without bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scantune.statistics.distributions import (
    binomial_interval,
    chi2_quantile,
    mid_p_interval,
    normal_quantile,
    t_quantile,
    t_two_sided,
)
from scantune.statistics.resampling import FEWEST, Distribution, Interval, Share

SECOND_MOMENT = 1.3
"""Factor of the kurtosis where the metric is a root of squares: small samples underestimate fourth moments. With it
RMSE and SD keep .93 at 30 subjects whose errors are skewed (``docs/intervals.md``)."""


@dataclass(frozen=True)
class _Scale:
    """A scale on which a metric has no bounds."""

    name: str
    forward: Callable[[np.ndarray], np.ndarray]
    back: Callable[[float], float]
    slope: Callable[[float], float]
    """Derivative of ``forward``."""


_SCALES: Mapping[str, _Scale] = {
    "real": _Scale("", lambda x: x, lambda z: z, lambda x: 1.0),
    "correlation": _Scale(
        ", on the scale of atanh", lambda x: np.arctanh(x), lambda z: math.tanh(z), lambda x: 1 / (1 - x * x)
    ),
    "unit": _Scale(
        ", on the logit scale",
        lambda x: np.log(x) - np.log1p(-x),
        lambda z: 0.5 * (1 + math.tanh(z / 2)),
        lambda x: 1 / (x * (1 - x)),
    ),
    "below_one": _Scale(
        ", on the scale of log(1 − x)", lambda x: -np.log1p(-x), lambda z: -math.expm1(-z), lambda x: 1 / (1 - x)
    ),
}


_CONSISTENCY = (
    "no interval: deviations are above 0 by chance alone; a calibrated model lies between consistency_lower and "
    "consistency_upper, and p_value is that of being calibrated"
)


#: Degrees of freedom below which a scaled chi-squared is no distribution to take an interval from.
FEWEST_SQUARES = 2.0


def few(n_subjects: int) -> str:
    """Why there is no interval of so few subjects."""
    return f"no interval: {n_subjects} subjects, at least {FEWEST} are needed"


def interval_of(distribution: Distribution, kind: str, n_subjects: int, confidence: float = 0.95) -> Interval | None:
    """Interval of a metric by the rule of its kind; None where that rule cannot be applied.

    Args:
        distribution: the metric on all rows and with subjects left out.
        kind: ``real``, ``correlation`` (−1 … 1), ``unit`` (0 … 1), ``below_one`` (R²), ``positive`` (a mean of
            amounts), ``root_of_squares`` (RMSE, SD), ``share`` (of trials), ``f1``, ``mean_of_shares``, or
            ``consistency``: no interval, since absolute deviations are above 0 by chance.
        n_subjects: subjects that it is made from.
        confidence: level.
    """
    if kind == "consistency":
        return Interval(reason=_CONSISTENCY)
    if kind in _OF_SHARES:
        return _OF_SHARES[kind](distribution.shares, confidence)
    if n_subjects < FEWEST:
        return Interval(reason=few(n_subjects))
    if kind == "unit" and distribution.value in (0.0, 1.0):
        return _at_edge(distribution, confidence)
    if kind == "correlation" and abs(distribution.value) >= 1 - 1e-12:
        return Interval(reason="no interval: the value is 1 or −1, and no subject left out changes that")
    left = distribution.jackknife
    if left.size < FEWEST or not np.isfinite(left).all():
        return None
    if np.ptp(left) <= 1e-12 * max(1.0, abs(distribution.value)):
        if kind == "unit" and distribution.shares:
            return _at_edge(distribution, confidence)
        return Interval(reason="no interval: the value is the same whichever subject is left out")
    if kind in _POSITIVE:
        return scaled_chi2(distribution.value, left, confidence, *_POSITIVE[kind])
    return jackknife_t(distribution.value, left, kind, confidence)


def spread(left: np.ndarray, factor: float = 1.0) -> tuple[float, float]:
    """Jackknife standard error and effective degrees of freedom of values with subjects left out, [S].

    The variance of a variance grows with the kurtosis k of what is squared: 2 (S − 1) / (k − 1) degrees of freedom,
    S − 1 where k is the normal's 3 or less, and 3 at least (Satterthwaite 1946; k = G2 + 3 of Joanes & Gill,
    Statistician 1998;47:183).

    Args:
        left: the values.
        factor: of the kurtosis.
    """
    n = len(left)
    squares = (left - left.mean()) ** 2
    excess = float((squares**2).mean() / squares.mean() ** 2) - 3
    kurtosis = 3 + ((n + 1) * excess + 6) * (n - 1) / ((n - 2) * (n - 3))
    df = 2 * (n - 1) / (max(kurtosis, 3.0) * factor - 1)
    return math.sqrt((n - 1) / n * float(squares.sum())), max(3.0, df)


def jackknife_t(value: float, left: np.ndarray, kind: str = "real", confidence: float = 0.95) -> Interval | None:
    """Jackknife-t interval on the scale of a kind, and the p-value of the value 0 there; None where it is undefined."""
    scale = _SCALES[kind]
    with np.errstate(all="ignore"):
        centre = float(scale.forward(np.asarray(value)))
        moved = scale.forward(left)
        if not np.isfinite(moved).all():  # a bound is reached without one subject: to first order
            moved = centre + scale.slope(value) * (left - value)
    if not math.isfinite(centre) or not np.isfinite(moved).all():
        return None
    error, df = spread(moved)
    if not error > 0:
        return None
    half = t_quantile((1 + confidence) / 2, df) * error
    method = f"jackknife by subject, Student's t{scale.name}"
    p = t_two_sided(centre / error, df) if kind in ("real", "correlation") else None
    return Interval(scale.back(centre - half), scale.back(centre + half), method, p_value=p)


def scaled_chi2(value: float, left: np.ndarray, confidence: float, power: int, factor: float) -> Interval | None:
    """Interval of a positive amount whose power is like a scaled chi-squared (Satterthwaite, Biometrics 1946;2:110).

    Where one or two subjects make up almost all of it, that distribution has hardly a lower end, and its interval would
    reach a thousand times the value: Student's t on the log scale, to first order, is used instead.

    Args:
        value: the metric.
        left: with subjects left out.
        confidence: level.
        power: 1 for a mean, 2 for a root of squares.
        factor: of the kurtosis, see :func:`spread`.
    """
    amount, without = value**power, left**power
    if not amount > 0:
        return None
    error, df = spread(without, factor)
    wider = t_quantile((1 + confidence) / 2, df) / normal_quantile((1 + confidence) / 2)
    nu = 2 * amount**2 / (error * wider) ** 2
    if nu < FEWEST_SQUARES:
        half = t_quantile((1 + confidence) / 2, df) * error / amount
        low, high, method = math.exp(-half), math.exp(half), "jackknife by subject, Student's t, on the log scale"
    else:
        low, high = (nu / chi2_quantile(p, nu) for p in ((1 + confidence) / 2, (1 - confidence) / 2))
        method = "jackknife by subject, scaled chi-squared"
    if not math.isfinite(high):
        return None
    return Interval(float((amount * low) ** (1 / power)), float((amount * high) ** (1 / power)), method)


_POSITIVE: Mapping[str, tuple[int, float]] = {"positive": (1, 1.0), "root_of_squares": (2, SECOND_MOMENT)}


def limits_of_agreement(
    bias: Distribution, sd: Distribution, factor: float, n_subjects: int, confidence: float = 0.95
) -> tuple[Interval | None, Interval | None]:
    """Intervals of bias − factor · SD and bias + factor · SD by the method of variance estimates recovery.

    From the intervals of bias and SD and the correlation of the two (Zou, Stat Methods Med Res 2013;22:630, with the
    correlation of Zou & Donner, Stat Med 2008;27:1693), which errors that are skewed have.
    """
    parts = (
        interval_of(bias, "real", n_subjects, confidence),
        interval_of(sd, "root_of_squares", n_subjects, confidence),
    )
    if any(p is None or p.lower is None for p in parts):
        return next(((p, p) for p in parts if p is None or p.lower is None), (None, None))
    r = float(np.corrcoef(bias.jackknife, sd.jackknife)[0, 1])
    b, s = bias.value, factor * sd.value
    below, above = b - parts[0].lower, parts[0].upper - b  # type: ignore[union-attr, operator]
    less, more = s - factor * parts[1].lower, factor * parts[1].upper - s  # type: ignore[union-attr, operator]
    method = "MOVER from bias (jackknife-t) and SD (scaled chi-squared), by subject"

    def joined(one: float, other: float, sign: float) -> float:
        return math.sqrt(max(0.0, one * one + other * other + sign * 2 * r * one * other))

    lower = Interval(b - s - joined(below, more, -1), b - s + joined(above, less, -1), method)
    upper = Interval(b + s - joined(below, less, 1), b + s + joined(above, more, 1), method)
    return lower, upper


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


_OF_SHARES: Mapping[str, Callable[[Sequence[Share], float], Interval]] = {
    "share": share_interval,
    "f1": _f1_interval,
    "mean_of_shares": _mean_interval,
}


def _at_edge(distribution: Distribution, confidence: float) -> Interval:
    """At 0 or 1 nothing varies: the exact interval, of each part's subjects as trials."""
    found = [binomial_interval(*_subjects(s), confidence) for s in distribution.shares if s.trials.sum() > 0]
    if not found:
        return Interval(reason="no interval: the value is the same whichever subject is left out")
    lower, upper = (float(np.mean([pair[side] for pair in found])) for side in (0, 1))
    return Interval(lower, upper, "exact binomial over subjects (Clopper & Pearson)")


def _subjects(share: Share) -> tuple[float, int]:
    subjects = int((share.trials > 0).sum())
    return float(share.successes.sum() / share.trials.sum()) * subjects, subjects


def difference_interval(difference: Distribution, n_subjects: int, confidence: float = 0.95) -> Interval:
    """Interval of a paired difference and the p-value that it is 0, both from one jackknife-t."""
    if n_subjects < FEWEST:
        return Interval(reason=few(n_subjects))
    left = difference.jackknife
    if left.size < FEWEST or not np.isfinite(left).all():
        return Interval(reason="no interval: undefined without one of the subjects")
    if np.ptp(left) <= 1e-12 * max(1.0, abs(difference.value)):
        return Interval(reason="no interval: the difference is the same whichever subject is left out")
    return jackknife_t(difference.value, left, "real", confidence) or Interval(reason="no interval: undefined")
