"""What a model must beat: the mean, the prevalence, a linear or logistic model on a few covariates; of masks one
intensity threshold, and the mask that fits on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scantune.statistics.logits import softmax

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
        p = softmax(with_one @ beta.T)
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
    return softmax(np.concatenate([np.ones((len(new), 1)), new], axis=1) @ beta.T)


def prevalence(y: np.ndarray, classes: int, m: int) -> np.ndarray:
    """The training shares of the classes, for each of ``m`` rows: [m, K]."""
    return np.tile(np.bincount(y, minlength=classes) / max(1, len(y)), (m, 1))


@dataclass(frozen=True)
class Threshold:
    """A mask by intensity alone.

    Attributes:
        value: the threshold, in the images' unit.
        above: whether the mask is what is at least as bright, or what is at most as bright.
        dice: mean over the images that it was chosen on.
    """

    value: float
    above: bool
    dice: float

    def mask(self, image: np.ndarray) -> np.ndarray:
        """Bool of the image's shape."""
        return image >= self.value if self.above else image <= self.value


def best_threshold(images: Sequence[np.ndarray], masks: Sequence[np.ndarray], steps: int = 128) -> Threshold:
    """The intensity, and the side of it, whose masks have the highest mean Dice on some images.

    Args:
        images: float, each of any shape.
        masks: bool, each of its image's shape.
        steps: thresholds tried, at quantiles of the images' intensities.
    """
    pooled = np.concatenate([image.ravel()[:: max(1, image.size // 4000)] for image in images])
    cuts = np.unique(np.quantile(pooled, np.linspace(0, 1, steps)))
    dice = np.zeros((2, len(cuts)))
    counted = 0
    for image, mask in zip(images, masks, strict=True):
        if not mask.any():
            continue
        counted += 1
        below = [[np.searchsorted(np.sort(v), cuts, end) for v in (image[mask], image.ravel())] for end in _ENDS]
        size, pixels = int(mask.sum()), image.size
        both, prediction = size - below[0][0], pixels - below[0][1]  # at least as bright: what is not below
        dice[0] += 2 * both / (prediction + size)
        dice[1] += 2 * below[1][0] / (below[1][1] + size)
    dice /= max(1, counted)
    side, place = divmod(int(dice.argmax()), len(cuts))
    return Threshold(float(cuts[place]), side == 0, float(dice[side, place]))


_ENDS: tuple[Literal["left"], Literal["right"]] = ("left", "right")


def mean_mask(masks: Sequence[np.ndarray], classes: int, steps: int = 19) -> np.ndarray:
    """The one labelled mask that serves for every image: where a class is frequent among the masks.

    The frequency from which a place is labelled is the one with the highest mean Dice on these masks.

    Args:
        masks: integer labels 0 … classes − 1, all of one shape.
        classes: number of classes, background included.
        steps: frequencies tried, as shares of the highest one.
    """
    share = np.stack([sum((mask == k).astype(np.float32) for mask in masks) / len(masks) for k in range(1, classes)])
    label, peak = share.argmax(0) + 1, share.max(0)
    best, best_mask = -1.0, np.zeros_like(label)
    for cut in np.linspace(0.05, 0.95, steps) * peak.max():
        tried = np.where((peak >= cut) & (peak > 0), label, 0)
        score = float(np.mean([_foreground_dice(tried, mask, classes) for mask in masks]))
        if score > best:
            best, best_mask = score, tried
    return best_mask.astype(np.uint8)


def _foreground_dice(prediction: np.ndarray, truth: np.ndarray, classes: int) -> float:
    """Mean Dice over the classes but the background that either mask has; 0 where neither has any."""
    scores = []
    for k in range(1, classes):
        a, b = prediction == k, truth == k
        total = int(a.sum()) + int(b.sum())
        if total:
            scores.append(2 * int((a & b).sum()) / total)
    return sum(scores) / len(scores) if scores else 0.0
