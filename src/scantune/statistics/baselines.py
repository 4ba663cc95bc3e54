"""What a model must beat: the mean, the prevalence, and a linear or logistic model on a few covariates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_STEPS = 50


def design(train: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Covariates as numbers: standardised by the training rows, categories as indicators of the training levels.

    A missing number becomes the training mean; a category not seen in training has all its indicators 0.

    Args:
        train: covariate to float64 or text [n].
        test: the same covariates, [m].

    Returns:
        float64 [n, q] and [m, q] without intercept, and the q names.
    """
    columns: list[np.ndarray] = []
    others: list[np.ndarray] = []
    names: list[str] = []
    for name, values in train.items():
        if values.dtype == object:
            levels = sorted(set(values.tolist()))[1:]  # the first is the reference
            columns += [(values == level).astype(np.float64) for level in levels]
            others += [(test[name] == level).astype(np.float64) for level in levels]
            names += [f"{name}={level}" for level in levels]
            continue
        known = values[np.isfinite(values)]
        if len(known) < 2 or known.std() == 0:
            continue
        mean, sd = known.mean(), known.std()
        for into, source in ((columns, values), (others, test[name])):
            into.append(np.where(np.isfinite(source), (source - mean) / sd, 0.0))
        names.append(name)
    n, m = (len(next(iter(side.values()), np.empty(0))) for side in (train, test))
    return (
        np.stack(columns, 1) if columns else np.empty((n, 0)),
        np.stack(others, 1) if others else np.empty((m, 0)),
        names,
    )


def linear(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Predictions [m] for ``new`` [m, q] of a least-squares fit of y [n] on x [n, q] with intercept."""
    with_one = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    beta = np.linalg.lstsq(with_one, y, rcond=None)[0]
    return beta[0] + new @ beta[1:]


def logistic(x: np.ndarray, y: np.ndarray, new: np.ndarray, classes: int, ridge: float = 1.0) -> np.ndarray:
    """Probabilities [m, K] for ``new`` [m, q] of a multinomial logistic regression of y [n] on x [n, q].

    Newton's method on the log likelihood less ``ridge``/2 · Σβ² (intercepts free up to 1e-6), so that separated classes
    keep finite coefficients.

    Args:
        x: float64 [n, q], standardised.
        y: int [n], class indices.
        new: float64 [m, q].
        classes: K.
        ridge: weight of the penalty.
    """
    with_one = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    q = with_one.shape[1]
    hit = np.eye(classes)[y]
    penalty = np.tile(np.r_[1e-6, np.full(q - 1, ridge)], classes)
    beta = np.zeros((classes, q))
    for _ in range(_STEPS):
        p = _softmax(with_one @ beta.T)
        gradient = ((hit - p).T @ with_one).ravel() - penalty * beta.ravel()
        hessian = np.zeros((classes * q, classes * q))
        for a in range(classes):
            for b in range(classes):
                weight = p[:, a] * ((a == b) - p[:, b])
                hessian[a * q : a * q + q, b * q : b * q + q] = (with_one * weight[:, None]).T @ with_one
        hessian[np.diag_indices_from(hessian)] += penalty
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        beta += np.clip(step, -5, 5).reshape(classes, q)
        if np.abs(step).max() < 1e-8:
            break
    return _softmax(np.concatenate([np.ones((len(new), 1)), new], axis=1) @ beta.T)


def _softmax(z: np.ndarray) -> np.ndarray:
    z = np.exp(z - z.max(1, keepdims=True))
    return z / z.sum(1, keepdims=True)


def prevalence(y: np.ndarray, classes: int, m: int) -> np.ndarray:
    """The training shares of the classes, for each of ``m`` rows: [m, K]."""
    return np.tile(np.bincount(y, minlength=classes) / max(1, len(y)), (m, 1))
