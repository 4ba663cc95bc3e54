"""Normal, t, F, chi-squared and binomial distributions for scalars, by ``scipy.special`` (a quarter of a second to
import; ``scipy.stats`` takes four times as long)."""

from __future__ import annotations

import math

from scipy import special


def normal_cdf(z: float) -> float:
    """Probability that a standard normal lies below ``z``; accurate in both tails."""
    return float(special.ndtr(z))


def normal_quantile(p: float) -> float:
    """Standard normal quantile; −inf at 0 and inf at 1."""
    if p <= 0 or p >= 1:
        return math.copysign(math.inf, p - 0.5)
    return float(special.ndtri(p))


def normal_two_sided(z: float) -> float:
    """Two-sided p-value of a standard normal ``z``; NaN stays NaN."""
    return math.erfc(abs(z) / math.sqrt(2))


def beta_quantile(p: float, a: float, b: float) -> float:
    """Quantile of a Beta(a, b)."""
    return float(special.betaincinv(a, b, p))


def t_two_sided(t: float, df: float) -> float:
    """Two-sided p-value of Student's t with ``df`` degrees of freedom, which may be a fraction."""
    return float(2 * special.stdtr(df, -abs(t)))


def t_cdf(t: float, df: float) -> float:
    """Probability that Student's t lies below ``t``; normal where ``df`` is infinite."""
    return normal_cdf(t) if math.isinf(df) else float(special.stdtr(df, t))


def t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t with ``df`` degrees of freedom, which may be a fraction."""
    if p <= 0 or p >= 1:
        return math.copysign(math.inf, p - 0.5)
    return normal_quantile(p) if math.isinf(df) else float(special.stdtrit(df, p))


def f_quantile(p: float, df1: float, df2: float) -> float:
    """Quantile of F with ``df1`` and ``df2`` degrees of freedom."""
    return float(special.fdtri(df1, df2, p))


def chi2_sf(x: float, df: float) -> float:
    """Probability that a chi-squared with ``df`` degrees of freedom exceeds ``x``."""
    return float(special.chdtrc(df, x))


def chi2_quantile(p: float, df: float) -> float:
    """Quantile of chi-squared with ``df`` degrees of freedom, which may be a fraction."""
    return float(2 * special.gammaincinv(df / 2, p))


def binomial_interval(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper & Pearson, Biometrika 1934).

    Args:
        successes: number of successes, 0 … n; fractions of effective trials too (Korn & Graubard, Surv Methodol
            1998;24:193).
        n: number of trials.
        confidence: level.
    """
    alpha = 1 - confidence
    lower = 0.0 if successes <= 0 else beta_quantile(alpha / 2, successes, n - successes + 1)
    upper = 1.0 if successes >= n else beta_quantile(1 - alpha / 2, successes + 1, n - successes)
    return lower, upper


def mid_p_interval(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Mid-p interval of a proportion (Berry & Armitage, Statistician 1995;44:417): close to its level on average.

    At 0 and at n successes, where there is nothing to be close to, it is the exact one of :func:`binomial_interval`.
    """
    if successes <= 0 or successes >= n:
        return binomial_interval(successes, n, confidence)
    alpha, failures = 1 - confidence, n - successes

    def at_least(p: float) -> float:
        """P(X > x) + P(X = x) / 2."""
        return 0.5 * float(special.betainc(successes, failures + 1, p) + special.betainc(successes + 1, failures, p))

    return _root(at_least, alpha / 2), _root(at_least, 1 - alpha / 2)


def _root(rising: object, level: float) -> float:
    """Where a rising function on 0 … 1 reaches a level, by bisection to 1e-12."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if rising(middle) < level:  # type: ignore[operator]
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def binomial_two_sided_half(k: int, n: int) -> tuple[float, float]:
    """Exact and mid-p two-sided p-values of ``k`` successes in ``n`` fair trials.

    Source: Fagerland, Lydersen & Laake, BMC Med Res Methodol 2013;13:91.
    """
    if n == 0:
        return 1.0, 1.0
    low = min(k, n - k)
    exact = min(1.0, 2 * float(special.bdtr(low, n, 0.5)))
    mass = math.exp(math.lgamma(n + 1) - math.lgamma(low + 1) - math.lgamma(n - low + 1) - n * math.log(2))
    middle = 1 - mass if 2 * low == n else 2 * float(special.bdtr(low, n, 0.5)) - mass
    return exact, min(1.0, middle)
