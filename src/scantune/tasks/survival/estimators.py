"""Kaplan–Meier, Cox and Breslow for weighted rows: n rows, B draws of their weights, m distinct times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune.statistics.sums import cumulate

_STEPS = 50


@dataclass(frozen=True)
class Steps:
    """A step function of time, constant from each time on, 1 before the first.

    Attributes:
        times: ascending, [m].
        values: [m, B].
    """

    times: np.ndarray
    values: np.ndarray

    def at(self, times: np.ndarray) -> np.ndarray:
        """Values at ``times`` [k], [k, B]."""
        place = np.searchsorted(self.times, times, "right") - 1
        return np.where((place >= 0)[:, None], self.values[np.maximum(place, 0)], 1.0)


def survival(time: np.ndarray, event: np.ndarray, weights: np.ndarray) -> Steps:
    """Probability of no event up to and at each time (Kaplan & Meier, J Am Stat Assoc 1958;53:457).

    Args:
        time: [n].
        event: bool [n].
        weights: [n, B].
    """
    return survival_and_censoring(time, event, weights)[0]


def survival_and_censoring(time: np.ndarray, event: np.ndarray, weights: np.ndarray) -> tuple[Steps, Steps]:
    """:func:`survival`, and the probability of not being censored; at one time events come before censoring."""
    times, failed, left, at_risk = _counts(time, event, weights)
    return (
        Steps(times, np.cumprod(1 - _ratio(failed, at_risk), axis=0)),
        Steps(times, np.cumprod(1 - _ratio(left, at_risk - failed), axis=0)),
    )


def _counts(time: np.ndarray, event: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Distinct times; weights of events, of the censored, and of those at risk at each, [m, B]."""
    order = np.argsort(time, kind="stable")
    times, starts = np.unique(time[order], return_index=True)
    all_of = weights[order]
    failed = all_of * event[order, None]
    if len(times) < len(time):
        all_of, failed = (np.add.reduceat(a, starts, axis=0) for a in (all_of, failed))
    return times, failed, all_of - failed, cumulate(all_of[::-1].copy())[::-1]


def _ratio(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.divide(part, total, out=np.zeros_like(part), where=part > 0)


@dataclass(frozen=True)
class CoxFit:
    """Coefficients [q], the partial log likelihood there, and whether the steps came to an end."""

    coefficients: np.ndarray
    log_likelihood: float
    converged: bool


def fit_cox(time: np.ndarray, event: np.ndarray, x: np.ndarray, ridge: float = 0.0) -> CoxFit:
    """Cox's regression by Newton's method, ties by Efron.

    Args:
        time: [n].
        event: bool [n].
        x: covariates [n, q], of about unit size.
        ridge: weight of the penalty ½ Σβ² on the log likelihood.
    """
    order = np.argsort(-time, kind="stable")
    time, event, x = time[order], event[order], x[order]
    beta = np.zeros(x.shape[1])
    value, gradient, information = _partial(time, event, x, beta)
    for _ in range(_STEPS):
        step = np.linalg.lstsq(information + ridge * np.eye(len(beta)), gradient - ridge * beta, rcond=None)[0]
        if np.abs(step).max(initial=0.0) < 1e-9:
            return CoxFit(beta, value, True)
        objective = value - ridge / 2 * beta @ beta
        for _ in range(30):  # a step that overshoots is halved
            trial = beta + step
            attempt = _partial(time, event, x, trial)
            if attempt[0] - ridge / 2 * trial @ trial >= objective - 1e-12:
                break
            step = step / 2
        beta, (value, gradient, information) = trial, attempt
    return CoxFit(beta, value, False)


def _partial(
    time: np.ndarray, event: np.ndarray, x: np.ndarray, beta: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Partial log likelihood, its gradient [q] and information [q, q]; rows by falling time."""
    score = x @ beta
    top = score.max(initial=0.0)
    theta = np.exp(score - top)
    first = x * theta[:, None]
    second = first[:, :, None] * x[:, None, :]
    sums = [np.cumsum(a, axis=0) for a in (theta, first, second)]
    value, gradient, information = 0.0, np.zeros(len(beta)), np.zeros((len(beta), len(beta)))
    for moment in np.unique(time[event]):
        last = np.searchsorted(-time, -moment, "right") - 1
        tied = np.flatnonzero(event & (time == moment))
        value += float((score[tied] - top).sum())
        gradient += x[tied].sum(0)
        for share in np.arange(len(tied)) / len(tied):
            zero, one, two = (
                s[last] - share * a[tied].sum(0) for s, a in zip(sums, (theta, first, second), strict=True)
            )
            value -= float(np.log(zero))
            gradient -= one / zero
            information += two / zero - np.outer(one, one) / zero**2
    return value, gradient, information


def breslow(time: np.ndarray, event: np.ndarray, score: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Cumulative hazard of a sample of score 0 (Breslow 1972) at some times [k]; NaN beyond the last follow-up.

    Args:
        time: [n].
        event: bool [n].
        score: log relative hazard, [n].
        at: ascending, [k].
    """
    theta = np.exp(score)[:, None]
    times, _, _, at_risk = _counts(time, event, theta)
    deaths = np.bincount(np.searchsorted(times, time[event]), minlength=len(times))
    cumulative = np.cumsum(deaths / at_risk[:, 0])
    place = np.searchsorted(times, at, "right") - 1
    hazard = np.where(place >= 0, cumulative[np.maximum(place, 0)], 0.0)
    return np.where(at <= times[-1], hazard, np.nan)
