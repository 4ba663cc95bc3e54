"""Other intervals of the same metrics, from the same cohorts: beside them stand the widths of the coverage bench.

Each function takes a :class:`Distribution` and returns bounds by the name of the method; what is not defined is absent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from scantune.statistics.degrees import standard_error
from scantune.statistics.discrimination import delong
from scantune.statistics.distributions import binomial_interval, chi2_quantile, normal_quantile, t_quantile
from scantune.statistics.intervals import SCALES, scaled_chi2
from scantune.statistics.resampling import Distribution, interval
from scantune.statistics.trials import effective_trials

Bounds = dict[str, tuple[float, float]]
Z = normal_quantile(0.975)

_SCALE_OF = {
    "unit": "unit",
    "area": "unit",
    "auprc": "unit",
    "below_one": "below_one",
    "correlation": "correlation",
    "kappa": "correlation",
}
_SQUARES = {"positive": 1, "loss": 1, "root_of_squares": 2}


def rivals(name: str, kind: str | None, distribution: Distribution, n_subjects: int, alone: bool) -> Bounds:
    """Bounds of one metric by each method that is defined for its kind.

    Args:
        name: of the metric.
        kind: rule of its interval.
        distribution: the metric, with subjects left out, and in draws where there are any.
        n_subjects: subjects that it is made from.
        alone: one sample a subject.
    """
    out: Bounds = {}
    if distribution.draws.size:
        for percentile, method in ((True, "bootstrap, percentile"), (False, "bootstrap, BCa")):
            drawn = interval(distribution, n_subjects, percentile=percentile)
            if drawn.lower is not None and drawn.upper is not None:
                out[method] = (drawn.lower, drawn.upper)
    if distribution.jackknife.size >= 3 and np.isfinite(distribution.jackknife).all():
        out |= _of_jackknife(kind or "real", distribution)
    if len(distribution.shares) == 1 and kind == "share":
        k, n, _ = effective_trials(distribution.shares[0])
        out |= {method: make(k, n) for method, make in _OF_SHARES.items() if n > 0}
    if alone and name in _NORMAL and n_subjects > 3 and abs(distribution.value) < 1:
        out[_NORMAL[name][0]] = _NORMAL[name][1](distribution.value, n_subjects)
    return out


def of_areas(scores: np.ndarray, positive: np.ndarray) -> Bounds:
    """DeLong's interval of AUROC with the normal quantile, on its own scale and on the logit scale."""
    areas = delong(scores, positive)
    auc, se = float(areas.auc[0]), float(areas.se[0])
    if not se > 0 or not 0 < auc < 1:
        return {}
    low, high = _around(math.log(auc / (1 - auc)), Z * se / (auc * (1 - auc)))
    logit = SCALES["unit"]
    return {"DeLong": _around(auc, Z * se), "DeLong, normal on the logit scale": (logit.back(low), logit.back(high))}


def _of_jackknife(kind: str, distribution: Distribution) -> Bounds:
    """Student's t with S − 1 degrees of freedom, plain and on a scale without bounds, and scaled chi-squared."""
    value, left = distribution.value, distribution.jackknife
    t = t_quantile(0.975, len(left) - 1)
    out = {"jackknife, t": _around(value, t * standard_error(left))}
    with np.errstate(all="ignore"):
        if kind in _SCALE_OF:
            scale = SCALES[_SCALE_OF[kind]]
            moved, centre = scale.forward(left), float(scale.forward(np.asarray(value)))
            if math.isfinite(centre) and np.isfinite(moved).all():
                low, high = _around(centre, t * standard_error(moved))
                out["jackknife, t on a scale without bounds"] = (scale.back(low), scale.back(high))
        if kind in _SQUARES and value > 0 and (left > 0).all():
            low, high = _around(math.log(value), t * standard_error(np.log(left)))
            out["jackknife, t on the log scale"] = (math.exp(low), math.exp(high))
            out["jackknife, t by Hall's transformation"] = _hall(value, left, t)
            squares = scaled_chi2(value, left, 0.95, _SQUARES[kind], 1.0)
            if squares is not None and squares.lower is not None and squares.upper is not None:
                out["jackknife, scaled chi-squared, kurtosis as it is"] = (squares.lower, squares.upper)
    return out


def _hall(value: float, left: np.ndarray, t: float) -> tuple[float, float]:
    """Student's t corrected for skewness by a cubic that always rises (Hall, J R Stat Soc B 1992;54:221)."""
    n, influence = len(left), left.mean() - left
    skewness = float((influence**3).mean() / (influence**2).mean() ** 1.5)
    a, b, root = skewness / 3 or 1e-9, skewness / 6, math.sqrt(n)
    high, low = (root / a * (np.cbrt(1 + 3 * a / root * (q - b / root)) - 1) for q in (t, -t))
    return value - standard_error(left) * high, value - standard_error(left) * low


def _around(centre: float, half: float) -> tuple[float, float]:
    return centre - half, centre + half


def _wilson(k: float, n: float) -> tuple[float, float]:
    """Wilson, J Am Stat Assoc 1927;22:209."""
    p, z2 = k / n, Z * Z / n
    return _around((p + z2 / 2) / (1 + z2), Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n)) / (1 + z2))


def _agresti_coull(k: float, n: float) -> tuple[float, float]:
    """Agresti & Coull, Am Stat 1998;52:119."""
    m = n + Z * Z
    p = (k + Z * Z / 2) / m
    low, high = _around(p, Z * math.sqrt(p * (1 - p) / m))
    return max(0.0, low), min(1.0, high)


def _fisher(r: float, n: int) -> tuple[float, float]:
    low, high = _around(math.atanh(r), Z / math.sqrt(n - 3))
    return math.tanh(low), math.tanh(high)


def _bonett_wright(r: float, n: int) -> tuple[float, float]:
    """Bonett & Wright, Psychometrika 2000;65:23."""
    low, high = _around(math.atanh(r), Z * math.sqrt((1 + r * r / 2) / (n - 3)))
    return math.tanh(low), math.tanh(high)


def _normal_sd(sd: float, n: int) -> tuple[float, float]:
    low, high = (math.sqrt((n - 1) / chi2_quantile(p, n - 1)) for p in (0.975, 0.025))
    return sd * low, sd * high


_OF_SHARES: Mapping[str, Callable[[float, float], tuple[float, float]]] = {
    "Wilson": _wilson,
    "Agresti–Coull": _agresti_coull,
    "Clopper–Pearson": binomial_interval,
}

_NORMAL: Mapping[str, tuple[str, Callable[[float, int], tuple[float, float]]]] = {
    "pearson_r": ("Fisher's z", _fisher),
    "spearman_rho": ("Fisher's z, variance of Bonett & Wright", _bonett_wright),
    "mean_score_spearman_rho": ("Fisher's z, variance of Bonett & Wright", _bonett_wright),
    "bland_altman_sd": ("chi-squared of normal errors", _normal_sd),
}
"""Intervals that normal data have, of one sample a subject."""
