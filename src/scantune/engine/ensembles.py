"""Ensembles of networks over seeds, folds or experiments: mean and spread of their predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scantune.amounts import number_of
from scantune.records import ScantuneError


@dataclass(frozen=True)
class EnsemblePrediction:
    """Predictions of several networks for the same samples.

    Attributes:
        mean: [N, …], over the networks.
        spread: [N, …], standard deviation between the networks (n − 1); NaN for a single network.
        members: number of networks.
    """

    mean: np.ndarray
    spread: np.ndarray
    members: int


def join(predictions: Sequence[np.ndarray]) -> EnsemblePrediction:
    """Mean and spread of the predictions of an ensemble.

    Args:
        predictions: one [N, …] per network: probabilities or predicted values, not logits.

    Raises:
        ScantuneError: no predictions, or predictions of different shapes.
    """
    shapes = {np.shape(a) for a in predictions}
    if len(shapes) != 1:
        raise ScantuneError(f"predictions of an ensemble differ in shape: {sorted(map(str, shapes)) or 'none'}")
    stacked = np.stack([np.asarray(a, float) for a in predictions])
    spread = stacked.std(axis=0, ddof=1) if len(predictions) > 1 else np.full(stacked.shape[1:], np.nan)
    return EnsemblePrediction(stacked.mean(axis=0), spread, len(predictions))


def folds(fold: np.ndarray, among: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each fold its number, the training indices and the held-out indices.

    Args:
        fold: int [N], the fold of each sample; −1 for none.
        among: bool [N], samples that take part (not those of the test set).

    Raises:
        ScantuneError: fewer than two folds.
    """
    numbers = sorted({int(f) for f in fold[among] if f >= 0})
    if len(numbers) < 2:
        raise ScantuneError("cross-validation requires a split with at least two folds (split.folds)")
    for number in numbers:
        held_out = among & (fold == number)
        yield number, np.flatnonzero(among & (fold >= 0) & ~held_out), np.flatnonzero(held_out)


def out_of_fold(n: int, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Prediction for each sample by the network that did not train on it, [N, …]; NaN where no fold held it out.

    Args:
        n: number of samples.
        parts: for each fold the held-out indices and the predictions for them.

    Raises:
        ScantuneError: a sample was held out twice.
    """
    counts = np.zeros(n, int)
    predictions = np.full((n, *np.shape(parts[0][1])[1:]), np.nan)
    for index, fold_predictions in parts:
        predictions[index] = fold_predictions
        np.add.at(counts, index, 1)
    if (counts > 1).any():
        raise ScantuneError(
            f"{number_of(int((counts > 1).sum()), 'sample is', 'samples are')} held out by more than one fold"
        )
    return predictions


def seeds(first: int, members: int) -> list[int]:
    """``first``, ``first`` + 1 …: the seeds of an ensemble over seeds."""
    return [first + i for i in range(members)]


def train_all(labels: Sequence[str], train: Callable[[str], None], is_complete: Callable[[str], bool]) -> list[str]:
    """Train the networks that are not complete, in order; returns their labels.

    Args:
        labels: one per network.
        train: trains one network.
        is_complete: whether the outputs of one are complete from an earlier run.
    """
    pending = [label for label in labels if not is_complete(label)]
    for label in pending:
        train(label)
    return pending
