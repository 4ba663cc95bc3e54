"""Which samples make which step: a function of seed, epoch and step alone, so that any step can be found again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scantune.engine.randomness import derive
from scantune.records import ScantuneError

#: ``order(epoch)``: the samples of an epoch in the order they are seen, int64 [N].
Order = Callable[[int], np.ndarray]


def shuffled(n: int, seed: int) -> Order:
    """Every sample once an epoch, in an order of the epoch's own."""

    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng(derive(seed, "order", epoch)).permutation(n)

    return order


def balanced(classes: np.ndarray, seed: int) -> Order:
    """As many samples as there are, every class equally often (to within one); small classes repeat.

    Args:
        classes: int [N], the class of each sample.
        seed: of the run.
    """
    codes = np.asarray(classes)
    members = [np.flatnonzero(codes == code) for code in np.unique(codes)]

    def order(epoch: int) -> np.ndarray:
        random = np.random.default_rng(derive(seed, "balanced", epoch))
        shares = [len(part) for part in np.array_split(np.arange(len(codes)), len(members))]
        drawn = [_repeated(own, share, random) for own, share in zip(members, shares)]
        return random.permutation(np.concatenate(drawn))

    return order


def _repeated(members: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """``n`` of ``members``: whole permutations one after the other, so that none is drawn twice before all are once."""
    rounds = -(-n // len(members))
    return np.concatenate([random.permutation(members) for _ in range(rounds)])[:n]


def steps_in_epoch(n: int, batch_size: int, accumulation: int, world_size: int = 1) -> int:
    """Optimizer steps that an epoch of ``n`` samples takes."""
    return -(-n // (batch_size * accumulation * world_size))


def epoch_steps(order: np.ndarray, steps: int, accumulation: int, world_size: int, rank: int) -> list[list[np.ndarray]]:
    """The samples that one process sees, by step and batch.

    A step's samples depend on the effective batch alone: how it is shared between accumulation and processes changes
    nothing. Steps differ in size by at most one sample, so no step (and no batch norm) rests on a lonely rest.

    Args:
        order: the epoch's samples.
        steps: optimizer steps in the epoch.
        accumulation: batches a step.
        world_size: processes.
        rank: this process.

    Returns:
        For each step its batches, each an array of sample indices.

    Raises:
        ScantuneError: fewer samples in a step than processes.
    """
    planned = []
    for chunk in np.array_split(order, steps):
        if len(chunk) < world_size:
            raise ScantuneError(
                f"a step has {len(chunk)} samples and there are {world_size} processes: each needs at least one; "
                "use fewer devices or more training samples"
            )
        batches = min(accumulation, len(chunk) // world_size)
        planned.append(np.array_split(chunk, batches * world_size)[rank::world_size])
    return planned


def shard(n: int, batch_size: int, world_size: int, rank: int) -> list[np.ndarray]:
    """Batches of the samples 0 … n − 1 that one process judges; over all processes each sample once."""
    own = np.arange(rank, n, world_size)
    return [own[i : i + batch_size] for i in range(0, len(own), batch_size)]
