"""Whether values are distributed as in a reference: numbers by Kolmogorov and Smirnov, levels by chi-square, both with
the population stability index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from scipy import stats

from scantune.statistics.comparison import holm

#: Order statistics that stand for a reference of more values.
KEPT = 200
#: Numbers of at most so many different values are levels.
FEW = 10
#: A stability index above which a shift is worth a look (Siddiqi, Credit Risk Scorecards, 2006: 0.1 to 0.25 is small).
NOTEWORTHY = 0.1
#: Fewer values than this show nothing.
FEWEST = 20
#: Expected counts from which on the chi-square distribution holds (Cochran, Ann Math Stat 1952;23:315).
FEWEST_EXPECTED = 5
#: Most draws of a test, and most counts that they make up.
DRAWS, CELLS = 99_999, 10_000_000
_SHOWN = 6  # levels in words

Kind = Literal["numbers", "levels", "share"]

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Shift:
    """One column beside its reference.

    Attributes:
        n_reference: values of the reference.
        n: new values.
        reference: median and quartiles, or the share of each level.
        now: the same of the new values.
        psi: population stability index, ∑ (q − p) ln(q / p) over the tenths of the reference or the levels, with half
            a count added to each; a number that fills two tenths is a bin by itself.
        p_value: of the hypothesis that both come from one distribution; None with a reason.
        reason: why there is no p-value.
        kind: what the values of ``reference`` and ``now`` are; a level may be named as those of numbers are.
    """

    n_reference: int
    n: int
    reference: dict[str, float]
    now: dict[str, float]
    psi: float | None
    p_value: float | None
    reason: str = ""
    kind: Kind = "levels"


def described(values: Sequence[str], *, few: int = FEW) -> dict[str, Any]:
    """A reference of the cells of a column, as JSON; empty cells do not count.

    Args:
        values: the cells.
        few: numbers of at most so many different values are levels; 0 where they are measurements.

    Returns:
        ``n`` and ``values``, at most 200 order statistics in ascending order; or ``counts``, level to number, of text
        and of numbers with few different values; or nothing where all cells are empty or most are different texts.
    """
    cells = [cell for cell in values if cell != ""]
    numbers = _numbers(cells)
    if numbers is not None and len(np.unique(numbers)) > few:
        places = np.linspace(0, len(numbers) - 1, min(KEPT, len(numbers))).round().astype(int)
        return {"n": len(numbers), "values": [_rounded(value) for value in np.sort(numbers)[places]]}
    counts = Counter(map(_level, cells))
    if not cells or (len(counts) > FEW and len(counts) > len(cells) / 4):
        return {}
    return {"n": len(cells), "counts": dict(sorted(counts.items()))}


def shift(reference: Mapping[str, Any], values: Sequence[str]) -> Shift:
    """New cells of a column against its reference of :func:`described`; empty cells do not count.

    Where the reference is of numbers and a cell is none, there is a reason and no p-value.
    """
    cells = [cell for cell in values if cell != ""]
    numbers = _numbers(cells)
    if "counts" in reference:
        return _of_levels(reference, [_level(cell) for cell in cells])
    if numbers is None:
        wrong = next(cell for cell in cells if _numbers([cell]) is None)
        before = _quartiles(np.asarray(reference["values"], np.float64))
        return Shift(int(reference["n"]), len(cells), before, {}, None, None, f"{wrong!r} is not a number", "numbers")
    return _of_numbers(int(reference["n"]), np.asarray(reference["values"], np.float64), numbers)


def judged(shifts: Mapping[K, Shift]) -> dict[K, tuple[float | None, bool | None]]:
    """p after Holm's correction for all of them, and whether a column has shifted: that p is below 0.05 and the index
    above 0.1; None where nothing can be said."""
    adjusted = holm({str(place): one.p_value for place, one in enumerate(shifts.values())})
    verdicts: dict[K, tuple[float | None, bool | None]] = {}
    for (key, one), p in zip(shifts.items(), adjusted.values(), strict=True):
        verdicts[key] = p, None if p is None or one.psi is None else p < 0.05 and one.psi > NOTEWORTHY
    return verdicts


def in_words(values: Mapping[str, float], kind: Kind) -> str:
    """Median and quartiles, or the shares of the most frequent levels, of :class:`Shift`; empty without values."""
    if not values:
        return ""
    if kind == "numbers":
        return f"{values['median']:.4g} ({values['lower_quartile']:.4g} to {values['upper_quartile']:.4g})"
    if kind == "share":
        return f"{values['above']:.1%}"
    shown = sorted(values, key=lambda level: -values[level])[:_SHOWN]
    more = f"; {len(values) - len(shown)} more levels" if len(values) > len(shown) else ""
    return "; ".join(f"{level} {values[level]:.1%}" for level in sorted(shown)) + more


def _of_numbers(n_reference: int, known: np.ndarray, now: np.ndarray) -> Shift:
    before, after = _quartiles(known), _quartiles(now)
    if min(n_reference, len(now)) < FEWEST:
        return Shift(n_reference, len(now), before, after, None, None, _too_few(n_reference, len(now)), "numbers")
    now = np.array([_rounded(value) for value in now])  # as the reference is
    edges, times = np.unique(np.quantile(known, np.linspace(0.1, 0.9, 9)), return_counts=True)
    edges = np.union1d(edges, np.nextafter(edges[times > 1], np.inf))  # a frequent value is a bin of its own
    bins = len(edges) + 1
    old = np.bincount(np.searchsorted(edges, known, side="right"), minlength=bins) * n_reference / len(known)
    new = np.bincount(np.searchsorted(edges, now, side="right"), minlength=bins)
    distance = stats.ks_2samp(known, now, method="asymp").statistic
    together = n_reference * len(now) / (n_reference + len(now))
    p_value = float(stats.kstwobign.sf(np.sqrt(together) * distance))
    return Shift(n_reference, len(now), before, after, _stability(old, new), p_value, "", "numbers")


def _of_levels(reference: Mapping[str, Any], now: Sequence[str]) -> Shift:
    known, counts = Counter[str](), Counter(now)
    for level, count in reference["counts"].items():
        known[_level(level)] += count
    levels = [*known, *sorted(counts.keys() - known.keys())]
    old, new = (np.array([of.get(level, 0) for level in levels], np.float64) for of in (known, counts))
    n_reference = int(reference["n"])
    before = {level: float(value) / n_reference for level, value in zip(levels, old, strict=True)}
    after = {level: float(value) / len(now) for level, value in zip(levels, new, strict=True)} if now else {}
    if min(n_reference, len(now)) < FEWEST:
        return Shift(n_reference, len(now), before, after, None, None, _too_few(n_reference, len(now)))
    if len(levels) == 1:
        return Shift(n_reference, len(now), before, after, 0.0, 1.0)
    return Shift(n_reference, len(now), before, after, _stability(old, new), _same_levels(old, new))


def _same_levels(old: np.ndarray, new: np.ndarray) -> float:
    """p-value of the chi-square statistic of counts [L] each; by draws of that many from both where a level is rare.

    One image of a level with a hundredth of the reference has p .0001 among 20 by the chi-square distribution.
    """
    test = stats.chi2_contingency(np.stack([old, new]), correction=False)
    expected = test.expected_freq
    if expected.min() >= FEWEST_EXPECTED or test.pvalue >= 0.05:
        return float(test.pvalue)
    draws = min(DRAWS, CELLS // len(old))
    together = (old + new).astype(np.int64)
    drawn = np.random.default_rng(42).multivariate_hypergeometric(together, int(new.sum()), draws)
    statistic = ((drawn - expected[1]) ** 2 * (1 / expected).sum(0)).sum(1)
    return float((1 + (statistic >= test.statistic * (1 - 1e-9)).sum()) / (1 + draws))


def _stability(old: np.ndarray, new: np.ndarray) -> float:
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (old, new))
    return float(((q - p) * np.log(q / p)).sum())


def _quartiles(values: np.ndarray) -> dict[str, float]:
    if not len(values):
        return {}
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return {"median": float(middle), "lower_quartile": float(low), "upper_quartile": float(high)}


def _too_few(n_reference: int, n: int) -> str:
    which, count = ("reference", n_reference) if n_reference < FEWEST else ("new", n)
    return f"too few {which} values: {count} of at least {FEWEST}"


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _level(cell: str) -> str:
    """A cell as a level: 1.0 and 1 are one, whatever the other cells are; whole numbers keep all their digits."""
    number = _numbers([cell])
    return cell if number is None else f"{number[0]:.15g}"


def _numbers(cells: Sequence[str]) -> np.ndarray | None:
    """The cells as finite numbers, ``90+`` (as ages over 89 are written) as 90; None where one is none."""
    try:
        numbers = np.array([float("90" if cell == "90+" else cell) for cell in cells], np.float64)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def share_above(values: Sequence[float], limit: float, expected: float) -> Shift:
    """The share of values above a limit, by the one-sided exact binomial test of the expected share."""
    above, n = sum(value > limit for value in values), len(values)
    before = {"above": expected}
    if n < FEWEST:
        return Shift(0, n, before, {"above": above / n} if n else {}, None, None, _too_few(FEWEST, n), "share")
    p_value = float(stats.binomtest(above, n, expected, alternative="greater").pvalue)
    psi = _stability(np.array([expected, 1 - expected]) * n, np.array([above, n - above], np.float64))
    return Shift(0, n, before, {"above": above / n}, psi, p_value, "", "share")
