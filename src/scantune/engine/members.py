"""Several networks for one question: by seed, by fold, by experiment; their mean and how far they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scantune.records import ScantuneError


@dataclass(frozen=True)
class Joined:
    """Answers of several networks to the same samples.

    Attributes:
        mean: [N, …].
        spread: [N, …], standard deviation between the members (n − 1); NaN where there is but one.
        members: how many.
    """

    mean: np.ndarray
    spread: np.ndarray
    members: int


def join(answers: Sequence[np.ndarray]) -> Joined:
    """Mean and spread of the members' answers.

    Args:
        answers: one [N, …] a member: probabilities or predicted values, whose mean means something; not logits.

    Raises:
        ScantuneError: no members, or members of different shapes.
    """
    shapes = {np.shape(a) for a in answers}
    if len(shapes) != 1:
        raise ScantuneError(f"an ensemble's members answer in different shapes: {sorted(map(str, shapes)) or 'none'}")
    stacked = np.stack([np.asarray(a, float) for a in answers])
    spread = stacked.std(axis=0, ddof=1) if len(answers) > 1 else np.full(stacked.shape[1:], np.nan)
    return Joined(stacked.mean(axis=0), spread, len(answers))


def join_columns(tables: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Columns of predictions averaged: ``p/…`` and ``prediction``, whose spread becomes ``prediction_sd``.

    Args:
        tables: the members' columns, rows in the same order.

    Raises:
        ScantuneError: members that name different columns.
    """
    names = [n for n in tables[0] if n == "prediction" or n.startswith("p/")]
    for table in tables[1:]:
        if {n for n in table if n == "prediction" or n.startswith("p/")} != set(names):
            raise ScantuneError("an ensemble's members predict different columns; they must be of one task")
    made: dict[str, np.ndarray] = {}
    for name in names:
        joined = join([np.asarray(table[name], float) for table in tables])
        made[name] = joined.mean
        if name == "prediction":
            made["prediction_sd"] = joined.spread
    return made


def folds(fold: np.ndarray, among: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each fold its number, the samples that train and those that are held out.

    Args:
        fold: int [N], the fold of each sample; −1 for none.
        among: bool [N], the samples that take part (not the test side).

    Raises:
        ScantuneError: fewer than two folds.
    """
    numbers = sorted({int(f) for f in fold[among] if f >= 0})
    if len(numbers) < 2:
        raise ScantuneError("cross-validation needs a split with at least two folds (split.folds)")
    for number in numbers:
        held_out = among & (fold == number)
        yield number, np.flatnonzero(among & (fold >= 0) & ~held_out), np.flatnonzero(held_out)


def out_of_fold(n: int, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Each sample's answer by the one network that did not train on it, [N, …]; NaN where none held it out.

    Args:
        n: samples.
        parts: for each fold the indices held out and the answers to them.

    Raises:
        ScantuneError: a sample held out twice.
    """
    seen = np.zeros(n, int)
    made = np.full((n, *np.shape(parts[0][1])[1:]), np.nan)
    for index, answers in parts:
        made[index] = answers
        np.add.at(seen, index, 1)
    if (seen > 1).any():
        raise ScantuneError(f"{int((seen > 1).sum())} samples are held out by more than one fold")
    return made


def seeds(first: int, members: int) -> list[int]:
    """``first``, ``first`` + 1 …: the seeds of an ensemble over seeds."""
    return [first + i for i in range(members)]


def train_all(labels: Sequence[str], train: Callable[[str], None], done: Callable[[str], bool]) -> list[str]:
    """Train the members that are not done, in order; those trained now.

    Args:
        labels: one a member.
        train: trains one.
        done: whether one's outputs are whole, from a run that was killed between two members.
    """
    fresh = [label for label in labels if not done(label)]
    for label in fresh:
        train(label)
    return fresh
