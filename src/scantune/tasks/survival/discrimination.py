"""Whether those with the event earlier have the higher predicted risk, and how far predicted probabilities are off.

All take weights [n, B] of n rows and give [B]; undefined is NaN. Censoring is weighted away by the Kaplan–Meier
estimate G of its own times, made anew for every draw, as in scikit-survival.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scantune.statistics.sums import cumulate
from scantune.tasks.survival.estimators import Steps


def concordance(time: np.ndarray, event: np.ndarray, risk: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of comparable pairs in which the earlier event has the higher risk; equal risks count half.

    A pair is comparable where the earlier time ended in the event, or both are equal and one did (Harrell, JAMA
    1982;247:2543).

    Args:
        time: [n].
        event: bool [n].
        risk: [n], higher is earlier.
        weights: [n, B].
    """
    return _concordant(time, event, risk, weights, [weights])[0]


def concordances(
    time: np.ndarray, event: np.ndarray, risk: np.ndarray, weights: np.ndarray, until: float, censoring: Steps
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`concordance`, and that of events before ``until``, each weighted by 1/G² (Uno et al., Stat Med
    2011;30:1105).

    Args:
        time: [n].
        event: bool [n].
        risk: [n], higher is earlier.
        weights: [n, B].
        until: a time.
        censoring: G.
    """
    free = censoring.at(time)
    inverse = np.divide(1.0, free**2, out=np.full_like(free, np.nan), where=free > 0)
    inverse[~(event & (time < until))] = 0.0
    inverse[weights == 0] = 0.0
    harrell, uno = _concordant(time, event, risk, weights, [weights, weights * inverse])
    return harrell, uno


def _concordant(
    time: np.ndarray, event: np.ndarray, risk: np.ndarray, weights: np.ndarray, of_events: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Share of concordant pairs for each of some weights [n, B] of the earlier event, by log2(n) sorts.

    Rows later than an event are those whose ``key`` is greater: at one time events come before the censored. At each
    level rows whose keys share all but the last bits form a block, and each event of its lower half is compared with
    the rows of the upper half that have a lower risk, which every pair of different keys is exactly once.
    """
    n = len(time)
    order = np.lexsort((~event, time))
    new = (np.diff(time[order]) > 0) | np.diff(event[order])
    key = np.empty(n, np.int64)
    key[order] = np.concatenate([[0], np.cumsum(new)])
    level_of_risk = np.unique(risk, return_inverse=True)[1]
    total = cumulate(weights[order])
    earlier = np.flatnonzero(event)
    later = total[-1] - total[np.searchsorted(key[order], key[earlier], "right") - 1]
    pairs = [np.einsum("nb,nb->b", w[earlier], later) for w in of_events]
    right = [np.zeros(weights.shape[1]) for _ in of_events]
    by_risk = np.argsort(level_of_risk, kind="stable")
    for bit in range(int(key.max(initial=0)).bit_length()):
        order = by_risk[np.argsort(key[by_risk] >> (bit + 1), kind="stable")]  # by block, then by risk
        block, in_upper = key[order] >> (bit + 1), (key[order] >> bit) & 1 == 1
        place = block * n + level_of_risk[order]  # ascending
        mine = np.flatnonzero(~in_upper & event[order])
        before = np.concatenate([[0], np.cumsum(in_upper)])  # rows of upper halves before each place
        less, upto = (before[np.searchsorted(place, place[mine], side)] for side in ("left", "right"))
        first = before[np.searchsorted(block, block[mine], "left")]
        sums = np.concatenate([np.zeros((1, weights.shape[1])), cumulate(weights[order[in_upper]])])
        lower = 0.5 * (sums[less] + sums[upto]) - sums[first]
        for concordant, w in zip(right, of_events, strict=True):
            concordant += np.einsum("nb,nb->b", w[order[mine]], lower)
    return [np.divide(r, p, out=np.full_like(r, np.nan), where=p > 0) for r, p in zip(right, pairs, strict=True)]


def auroc_at(
    time: np.ndarray, event: np.ndarray, score: np.ndarray, weights: np.ndarray, by: float, censoring: Steps
) -> np.ndarray:
    """AUROC of events up to ``by`` against those followed beyond it, the former weighted by 1/G (Uno et al., J Am Stat
    Assoc 2007;102:527; Hung & Chiang 2010)."""
    order = np.argsort(score, kind="stable")
    levels, starts = np.unique(score[order], return_index=True)
    cases = weights * _inverse_of_events(time, event, by, censoring)
    controls = weights * (time > by)[:, None]
    of_cases, of_controls = cases[order], controls[order]  # [n, B]
    if len(levels) < len(score):
        of_cases, of_controls = (np.add.reduceat(a, starts, axis=0) for a in (of_cases, of_controls))  # [levels, B]
    below = cumulate(of_controls.copy())
    total = below[-1].copy()
    below -= 0.5 * of_controls
    pairs = of_cases.sum(0) * total
    right = np.einsum("nb,nb->b", of_cases, below)
    return np.divide(right, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0)


def brier_at(
    time: np.ndarray, event: np.ndarray, p: np.ndarray, weights: np.ndarray, by: float, censoring: Steps
) -> np.ndarray:
    """Mean squared difference of the probability p [n] of the event by a time from what happened (Graf et al., Stat Med
    1999;18:2529)."""
    free = censoring.at(np.array([by]))[0]
    beyond = np.where(time > by, p**2, 0.0) @ weights
    followed = np.divide(beyond, free, out=np.zeros_like(free), where=free > 0)
    events = np.einsum("nb,nb->b", ((1 - p) ** 2)[:, None] * weights, _inverse_of_events(time, event, by, censoring))
    total = weights.sum(0)
    defined = (free > 0) & (total > 0)
    return np.divide(events + followed, total, out=np.full_like(total, np.nan), where=defined)


def _inverse_of_events(time: np.ndarray, event: np.ndarray, by: float, censoring: Steps) -> np.ndarray:
    """1/G at the times of events up to ``by``, else 0, [n, B]."""
    free = censoring.at(time)
    case = (event & (time <= by))[:, None] & (free > 0)
    return np.divide(1.0, free, out=np.zeros_like(free), where=case)
