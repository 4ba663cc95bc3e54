"""Normal, t, F, chi-squared and binomial distributions for scalars, from the incomplete beta and gamma functions.

SciPy has them all, but importing ``scipy.special`` costs half a second, and ``scantune score`` is to answer within one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300
_EPS = 1e-16


def normal_cdf(z: float) -> float:
    """Probability that a standard normal lies below ``z``; accurate in both tails."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def normal_quantile(p: float) -> float:
    """Standard normal quantile; −inf at 0 and inf at 1."""
    if p <= 0 or p >= 1:
        return math.copysign(math.inf, p - 0.5)
    return _NORMAL.inv_cdf(p)


def normal_two_sided(z: float) -> float:
    """Two-sided p-value of a standard normal ``z``; NaN stays NaN."""
    return math.erfc(abs(z) / math.sqrt(2))


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta I_x(a, b), by Lentz's continued fraction (DLMF 8.17.22)."""
    if math.isnan(x):
        return math.nan
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1 - front * _beta_fraction(1 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 + term * d
            c = 1 + term / c
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = c if abs(c) > _TINY else _TINY
            value *= c * d
        if abs(c * d - 1) < _EPS * 10:
            break
    return value


def gamma_cdf(x: float, a: float) -> float:
    """Regularised lower incomplete gamma P(a, x), by its series or its continued fraction (DLMF 8.11.4, 8.9.2)."""
    if math.isnan(x):
        return math.nan
    if x <= 0:
        return 0.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for n in range(1, 10_000):
            term *= x / (a + n)
            total += term
            if term < total * _EPS:
                break
        return front * total
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    value = d
    for n in range(1, 10_000):
        an = -n * (n - a)
        b += 2
        d = 1 / (an * d + b)
        c = b + an / c
        value *= c * d
        if abs(c * d - 1) < _EPS * 10:
            break
    return 1 - front * value


def _invert(cdf: Callable[[float], float], p: float, low: float, high: float) -> float:
    """The x in [low, high] with cdf(x) = p, by bisection to the last bits."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if cdf(middle) < p:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def beta_quantile(p: float, a: float, b: float) -> float:
    """Quantile of a Beta(a, b)."""
    return _invert(lambda x: beta_cdf(x, a, b), p, 0.0, 1.0)


def t_two_sided(t: float, df: float) -> float:
    """Two-sided p-value of Student's t with ``df`` degrees of freedom."""
    if math.isinf(t):
        return 0.0
    return beta_cdf(df / (df + t * t), df / 2, 0.5)


def t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t with ``df`` degrees of freedom."""
    tail = min(p, 1 - p)
    if tail <= 0:
        return math.copysign(math.inf, p - 0.5)
    x = beta_quantile(2 * tail, df / 2, 0.5)
    return math.copysign(math.sqrt(df * (1 - x) / x), p - 0.5)


def f_quantile(p: float, df1: float, df2: float) -> float:
    """Quantile of F with ``df1`` and ``df2`` degrees of freedom."""
    x = beta_quantile(p, df1 / 2, df2 / 2)
    return df2 * x / (df1 * (1 - x)) if x < 1 else math.inf


def chi2_sf(x: float, df: float) -> float:
    """Probability that a chi-squared with ``df`` degrees of freedom exceeds ``x``."""
    return 1 - gamma_cdf(x / 2, df / 2)


def chi2_quantile(p: float, df: float) -> float:
    """Quantile of chi-squared with ``df`` degrees of freedom."""
    high = df + 10.0
    while gamma_cdf(high / 2, df / 2) < p:
        high *= 2
    return _invert(lambda x: gamma_cdf(x / 2, df / 2), p, 0.0, high)


def binomial_interval(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper & Pearson, Biometrika 1934).

    Args:
        successes: number of successes, 0 … n.
        n: number of trials.
        confidence: level.
    """
    alpha = 1 - confidence
    lower = 0.0 if successes <= 0 else beta_quantile(alpha / 2, successes, n - successes + 1)
    upper = 1.0 if successes >= n else beta_quantile(1 - alpha / 2, successes + 1, n - successes)
    return lower, upper


def binomial_two_sided_half(k: int, n: int) -> tuple[float, float]:
    """Exact and mid-p two-sided p-values of ``k`` successes in ``n`` fair trials.

    Source: Fagerland, Lydersen & Laake, BMC Med Res Methodol 2013;13:91.
    """
    if n == 0:
        return 1.0, 1.0
    low = min(k, n - k)
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2) for i in range(low + 1)]
    masses = [math.exp(v) for v in logs]
    exact = min(1.0, 2 * math.fsum(masses))
    middle = 1 - masses[-1] if 2 * low == n else 2 * math.fsum(masses) - masses[-1]
    return exact, min(1.0, middle)
