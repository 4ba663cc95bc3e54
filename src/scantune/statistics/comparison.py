"""Two models on the same subjects: McNemar, non-inferiority, equivalence, Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scantune.statistics.distributions import binomial_two_sided_half, t_cdf, t_quantile


@dataclass(frozen=True)
class McNemar:
    """McNemar's test: rows that only the first gets right, only the second, and the two-sided p-values."""

    only_first: int
    only_second: int
    p_exact: float
    p_mid: float


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """Whether two classifiers, right or wrong on the same rows (bool [n]), are right equally often.

    Exact and mid-p (Fagerland, Lydersen & Laake, BMC Med Res Methodol 2013;13:91). Rows must be independent.
    """
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    exact, middle = binomial_two_sided_half(only_first, only_first + only_second)
    return McNemar(only_first, only_second, exact, middle)


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """p-values corrected for their number (Holm, Scand J Stat 1979;6:65); None stays None and does not count."""
    known = sorted((p, name) for name, p in p_values.items() if p is not None)
    out: dict[str, float | None] = dict.fromkeys(p_values)
    largest = 0.0
    for i, (p, name) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - i) * p))
        out[name] = largest
    return out


@dataclass(frozen=True)
class NonInferiority:
    """Whether a challenger is not worse by more than a margin.

    Attributes:
        margin: in units of the metric.
        bound: the worse end of the interval of challenger − reference, counted so that higher is better.
        holds: bound > −margin; None where there is no interval.
        superior: bound > 0.
    """

    margin: float
    bound: float | None
    holds: bool | None
    superior: bool | None


def non_inferiority(
    lower: float | None, upper: float | None, margin: float, *, lower_is_better: bool
) -> NonInferiority:
    """Reads non-inferiority off the interval of challenger − reference (Piaggio et al., CONSORT, JAMA 2012;308:2594).

    Args:
        lower: of the difference.
        upper: of the difference.
        margin: the loss that is accepted, 0 or above.
        lower_is_better: the metric is an error.
    """
    if lower is None or upper is None:
        return NonInferiority(margin, None, None, None)
    bound = -upper if lower_is_better else lower
    return NonInferiority(margin, bound, bound > -margin, bound > 0)


def non_inferiority_p(value: float, error: float, df: float, margin: float, *, lower_is_better: bool) -> float:
    """One-sided p-value of a loss of ``margin`` or more, of the difference ``value`` = challenger − reference.

    Below .025 exactly where the 95 % interval by Student's t excludes that loss.

    Args:
        value: the difference.
        error: its standard error.
        df: degrees of freedom; infinite for the normal distribution.
        margin: the loss that is accepted, 0 or above.
        lower_is_better: the metric is an error.
    """
    gain = -value if lower_is_better else value
    return t_cdf(-(gain + margin) / error, df)


@dataclass(frozen=True)
class Equivalence:
    """Whether a difference lies within ± a margin, by two one-sided tests.

    Attributes:
        margin: in units of the metric.
        lower: of the interval at 1 − 2 α, that lies within the margins where both tests reject.
        upper: of that interval.
        confidence: its level.
        p_value: the larger of the two one-sided p-values.
        holds: p_value < α.
    """

    margin: float
    lower: float
    upper: float
    confidence: float
    p_value: float
    holds: bool


def equivalence(value: float, error: float, df: float, margin: float, alpha: float = 0.05) -> Equivalence:
    """Two one-sided tests of |difference| ≥ margin (Schuirmann, J Pharmacokinet Biopharm 1987;15:657).

    Args:
        value: the difference.
        error: its standard error, above 0.
        df: degrees of freedom; infinite for the normal distribution.
        margin: above 0.
        alpha: level of each test.
    """
    p = max(t_cdf(-(value + margin) / error, df), t_cdf((value - margin) / error, df))
    half = t_quantile(1 - alpha, df) * error
    return Equivalence(margin, value - half, value + half, 1 - 2 * alpha, p, p < alpha)
