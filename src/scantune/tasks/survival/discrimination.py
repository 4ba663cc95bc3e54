"""Whether those with the event earlier have the higher predicted risk, and how far predicted probabilities are off.

All take weights [n, B] of n rows and give [B]; undefined is NaN. Censoring is weighted away by the Kaplan–Meier
estimate G of its own times, made anew for every draw, as in scikit-survival.
"""

from __future__ import annotations

import numpy as np

from scantune.tasks.survival.estimators import censoring

_ROWS = 256


def concordance(
    time: np.ndarray, event: np.ndarray, risk: np.ndarray, weights: np.ndarray, of_event: np.ndarray | None = None
) -> np.ndarray:
    """Share of comparable pairs in which the earlier event has the higher risk; equal risks count half.

    A pair is comparable where the earlier time ended in the event, or both are equal and one did (Harrell, JAMA
    1982;247:2543).

    Args:
        time: [n].
        event: bool [n].
        risk: [n], higher is earlier.
        weights: [n, B].
        of_event: further weights [n, B] of the earlier one of each pair; None: 1.
    """
    earlier = np.flatnonzero(event)
    right, pairs = (np.zeros(weights.shape[1]) for _ in range(2))
    for start in range(0, len(earlier), _ROWS):
        rows = earlier[start : start + _ROWS]
        comparable = (time > time[rows, None]) | ((time == time[rows, None]) & ~event)
        concordant = comparable * ((risk < risk[rows, None]) + 0.5 * (risk == risk[rows, None]))
        row_weights = weights[rows] if of_event is None else weights[rows] * of_event[rows]
        right += (row_weights * (concordant @ weights)).sum(0)
        pairs += (row_weights * (comparable.astype(float) @ weights)).sum(0)
    return np.divide(right, pairs, out=np.full_like(right, np.nan), where=pairs > 0)


def concordance_ipcw(
    time: np.ndarray, event: np.ndarray, risk: np.ndarray, weights: np.ndarray, until: float
) -> np.ndarray:
    """Concordance of events before ``until``, each weighted by 1/G² (Uno et al., Stat Med 2011;30:1105)."""
    early = event & (time < until)
    free = censoring(time, event, weights).at(time)
    inverse = np.divide(1.0, free**2, out=np.full_like(free, np.nan), where=free > 0)
    inverse[~early] = 0.0
    inverse[weights == 0] = 0.0
    return concordance(time, event, risk, weights, inverse)


def auroc_at(time: np.ndarray, event: np.ndarray, score: np.ndarray, weights: np.ndarray, by: float) -> np.ndarray:
    """AUROC of events up to ``by`` against those followed beyond it, the former weighted by 1/G (Uno et al., J Am Stat
    Assoc 2007;102:527; Hung & Chiang 2010)."""
    cases = weights * _inverse_of_events(time, event, weights, by)
    controls = weights * (time > by)[:, None]
    levels, place = np.unique(score, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(levels)))
    of_cases, of_controls = (np.add.reduceat(a[order], starts, axis=0) for a in (cases, controls))  # [levels, B]
    below = np.cumsum(of_controls, axis=0) - 0.5 * of_controls
    pairs = of_cases.sum(0) * of_controls.sum(0)
    return np.divide((of_cases * below).sum(0), pairs, out=np.full_like(pairs, np.nan), where=pairs > 0)


def brier_at(time: np.ndarray, event: np.ndarray, p: np.ndarray, weights: np.ndarray, by: float) -> np.ndarray:
    """Mean squared difference of the probability p [n] of the event by a time from what happened (Graf et al., Stat Med
    1999;18:2529)."""
    free = censoring(time, event, weights).at(np.array([by]))[0]
    followed = (time > by)[:, None] * np.divide(1.0, free, out=np.zeros_like(free), where=free > 0)
    squares = ((1 - p) ** 2)[:, None] * _inverse_of_events(time, event, weights, by) + (p**2)[:, None] * followed
    total = weights.sum(0)
    return np.divide((weights * squares).sum(0), total, out=np.full_like(total, np.nan), where=(free > 0) & (total > 0))


def _inverse_of_events(time: np.ndarray, event: np.ndarray, weights: np.ndarray, by: float) -> np.ndarray:
    """1/G at the times of events up to ``by``, else 0, [n, B]."""
    free = censoring(time, event, weights).at(time)
    case = (event & (time <= by))[:, None] & (free > 0)
    return np.divide(1.0, free, out=np.zeros_like(free), where=case)
