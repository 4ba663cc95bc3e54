"""Intervals that keep their level: one rule for each kind of metric, chosen by the coverage in ``docs/intervals.md``.

Most are jackknife intervals by subject: the standard error is that of the values with one subject left out (Tukey 1958;
Efron & Tibshirani 1993, eq. 11.5), the quantile that of Student's t with as many degrees of freedom as the subjects'
influence on the metric leaves (few where few subjects carry it), on a scale without bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from scantune.statistics.degrees import spread
from scantune.statistics.distributions import chi2_quantile, normal_quantile, t_quantile, t_two_sided
from scantune.statistics.estimate import Estimate
from scantune.statistics.resampling import FEWEST, Distribution, Interval
from scantune.statistics.trials import OF_SHARES, at_edge, few, within_f1, within_trials


@dataclass(frozen=True)
class Scale:
    """A scale on which a metric has no bounds."""

    name: str
    forward: Callable[[np.ndarray], np.ndarray]
    back: Callable[[float], float]
    slope: Callable[[float], float]
    """Derivative of ``forward``."""


@dataclass(frozen=True)
class _Rule:
    """How the jackknife-t of a kind is made; the numbers are the least that keep the level in ``docs/intervals.md``."""

    scale: str
    factor: float | None = 1.0
    """Of the kurtosis: small samples underestimate that of what is squared. None: S − 1 degrees of freedom."""
    corrected: bool = False
    """Centred on the value less the jackknife's bias (the mean of Tukey's pseudo-values)."""


SCALES: Mapping[str, Scale] = {
    "real": Scale("", lambda x: x, lambda z: z, lambda x: 1.0),
    "correlation": Scale(
        ", on the scale of atanh", lambda x: np.arctanh(x), lambda z: math.tanh(z), lambda x: 1 / (1 - x * x)
    ),
    "unit": Scale(
        ", on the logit scale",
        lambda x: np.log(x) - np.log1p(-x),
        lambda z: 0.5 * (1 + math.tanh(z / 2)),
        lambda x: 1 / (x * (1 - x)),
    ),
    "below_one": Scale(
        ", on the scale of log(1 − x)", lambda x: -np.log1p(-x), lambda z: -math.expm1(-z), lambda x: 1 / (1 - x)
    ),
}
"""Scales without bounds, by name."""

_RULES: Mapping[str, _Rule] = {
    "real": _Rule("real"),
    "unit": _Rule("unit"),
    "area": _Rule("unit"),
    "f1_macro": _Rule("unit"),
    "auprc": _Rule("unit", None),
    "correlation": _Rule("correlation", 1.3),
    "kappa": _Rule("correlation", 2.0, corrected=True),
    "below_one": _Rule("below_one", 1.3),
}

_CONSISTENCY = "no interval: deviations are above 0 by chance alone"

IN_ITS_PLACE = (
    "; the range of a calibrated model is stated instead (consistency_lower and consistency_upper in metrics.json, "
    "with p_value)"
)
"""What such a metric has beside it instead of an interval, where that was computed."""


SAME = "the value is the same whichever subject is left out"
"""Why the jackknife gives no interval of a constant."""

#: Degrees of freedom below which a scaled chi-squared is no distribution to take an interval from: of roots and losses,
#: and of means of amounts, of which Student's t on the log scale is as often right and less than half as wide.
FEWEST_SQUARES, FEWEST_AMOUNTS = 2.0, 4.0


MOST_ERROR = 1.5
"""Standard errors above this share of a positive amount: alike subjects have 1 at most, where one alone has any."""


def interval_of(distribution: Distribution, kind: str, n_subjects: int, confidence: float = 0.95) -> Interval | None:
    """Interval of a metric by the rule of its kind; None where that rule cannot be applied.

    Args:
        distribution: the metric on all rows and with subjects left out.
        kind: ``real``, ``correlation`` and ``kappa`` (−1 … 1), ``unit``, ``area``, ``auprc`` and ``f1_macro`` (0 …
            1), ``below_one`` (R²), ``positive`` (a mean of amounts), ``loss`` (of two classes' probabilities),
            ``root_of_squares`` (RMSE, SD), ``share`` (of trials), ``f1``, ``mean_of_shares``, or ``consistency``: no
            interval, since absolute deviations are above 0 by chance.
        n_subjects: subjects that it is made from.
        confidence: level.
    """
    if kind == "consistency":
        return Interval(reason=_CONSISTENCY)
    if kind in OF_SHARES:
        return OF_SHARES[kind](distribution.shares, confidence)
    if n_subjects < FEWEST:
        return Interval(reason=few(n_subjects))
    if kind in ("unit", "area", "auprc", "f1_macro") and distribution.value in (0.0, 1.0):
        return at_edge(distribution, confidence)
    if kind in ("correlation", "kappa") and abs(distribution.value) >= 1 - 1e-12:
        if distribution.value < -1 - 1e-9:
            return Interval(reason="no interval: the value is below −1, where the scale of atanh ends")
        return Interval(reason="no interval: the value is 1 or −1, and no subject left out changes that")
    left = distribution.jackknife
    if left.size < FEWEST or not np.isfinite(left).all():
        return None
    if np.ptp(left) <= 1e-12 * max(1.0, abs(distribution.value)):
        return Interval(reason=f"no interval: {SAME}")
    if kind in _POSITIVE:
        result = scaled_chi2(distribution.value, left, confidence, *_POSITIVE[kind])
    else:
        result = jackknife_t(distribution.value, left, kind, confidence)
    if kind == "f1_macro":
        return result and within_f1(result, distribution.shares, confidence)
    return result and within_trials(result, distribution.value, distribution.shares, confidence)


def jackknife_t(value: float, left: np.ndarray, kind: str = "real", confidence: float = 0.95) -> Interval | None:
    """Jackknife-t interval on the scale of a kind, and the p-value of the value 0 there; None where it is undefined."""
    rule = _RULES[kind]
    scale = SCALES[rule.scale]
    with np.errstate(all="ignore"):
        centre = float(scale.forward(np.asarray(value)))
        moved = scale.forward(left)
        if not np.isfinite(moved).all():  # a bound is reached without one subject: to first order
            moved = centre + scale.slope(value) * (left - value)
    if not math.isfinite(centre) or not np.isfinite(moved).all():
        return None
    error, df = spread(moved, rule.factor)
    if not error > 0:
        return None
    if rule.corrected:
        centre -= (len(moved) - 1) * float(moved.mean() - centre)
    half = t_quantile((1 + confidence) / 2, df) * error
    method = f"jackknife by subject, Student's t{scale.name}{', less its bias' if rule.corrected else ''}"
    p = t_two_sided(centre / error, df) if kind in ("real", "correlation") else None
    error_and_df = (error, df) if rule.scale == "real" else (None, None)
    return Interval(scale.back(centre - half), scale.back(centre + half), method, None, p, *error_and_df)


def scaled_chi2(
    value: float, left: np.ndarray, confidence: float, power: int, factor: float, fewest: float = FEWEST_SQUARES
) -> Interval | None:
    """Interval of a positive amount whose power is like a scaled chi-squared (Satterthwaite, Biometrics 1946;2:110).

    Where one or two subjects make up almost all of it, that distribution has hardly a lower end, and its interval would
    reach a thousand times the value: Student's t on the log scale, to first order, is used instead.

    Args:
        value: the metric.
        left: with subjects left out.
        confidence: level.
        power: 1 for a mean, 2 for a root of squares.
        factor: of the kurtosis, see :func:`spread`.
        fewest: degrees of freedom from which on it is that distribution.
    """
    amount, without = value**power, left**power
    if not amount > 0:
        return None
    error, df = spread(without, factor)
    if error > MOST_ERROR * amount:
        return Interval(reason="no interval: one subject has almost all of its samples")
    wider = t_quantile((1 + confidence) / 2, df) / normal_quantile((1 + confidence) / 2)
    nu = 2 * amount**2 / (error * wider) ** 2
    if nu < fewest:
        half = t_quantile((1 + confidence) / 2, df) * error / amount
        low, high, method = math.exp(-half), math.exp(half), "jackknife by subject, Student's t, on the log scale"
    else:
        low, high = (nu / chi2_quantile(p, nu) for p in ((1 + confidence) / 2, (1 - confidence) / 2))
        method = "jackknife by subject, scaled chi-squared"
    if not math.isfinite(high):
        return None
    return Interval(float((amount * low) ** (1 / power)), float((amount * high) ** (1 / power)), method)


_POSITIVE: Mapping[str, tuple[int, float, float]] = {
    "positive": (1, 1.3, FEWEST_AMOUNTS),
    "loss": (1, 2.0, FEWEST_SQUARES),
    "root_of_squares": (2, 2.3, FEWEST_SQUARES),
}
"""Power, factor of the kurtosis and fewest degrees of freedom."""


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


def difference_of_groups(one: Estimate, other: Estimate, confidence: float = 0.95) -> Interval:
    """Interval of the difference of a metric between two groups without a common subject, and the p-value that it is 0.

    From the intervals of the two by the method of variance estimates recovery (Zou & Donner, Stat Med 2008;27:1693; of
    shares Newcombe 1998): the standard error of a small group is 0 where it has no error, its interval is not. The
    p-value is .05 where the interval of 95 % ends at 0, and by Student's t else, with the smaller group's degrees of
    freedom.

    Args:
        one: the metric in one group, with its interval at ``confidence``.
        other: in the other.
        confidence: level.
    """
    subjects = min(one.n_subjects, other.n_subjects)
    if subjects < FEWEST:
        return Interval(reason=few(subjects))
    if one.value is None or other.value is None:
        return Interval(reason=one.reason or other.reason)
    if one.lower is None or one.upper is None or other.lower is None or other.upper is None:
        return Interval(reason=(one if one.lower is None else other).reason)
    value, df = one.value - other.value, subjects - 1
    below = math.hypot(one.value - one.lower, other.upper - other.value)
    above = math.hypot(one.upper - one.value, other.value - other.lower)
    half = below if value > 0 else above
    if not half > 0:
        return Interval(reason="no interval: neither group varies")
    p = t_two_sided(t_quantile((1 + confidence) / 2, df) * value / half, df)
    return Interval(value - below, value + above, "MOVER from the intervals of both groups", None, p)


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
