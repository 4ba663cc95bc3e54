"""Assignment of samples to steps: a function of seed, epoch and step only, so that any step can be reproduced."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scantune.engine.randomness import derive
from scantune.records import ScantuneError

#: ``order(epoch)``: indices of the samples of an epoch in their order, int64 [N].
Order = Callable[[int], np.ndarray]


def shuffled(n: int, seed: int) -> Order:
    """Every sample once per epoch, in a random order that differs by epoch."""

    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng(derive(seed, "order", epoch)).permutation(n)

    return order


def balanced(classes: np.ndarray, seed: int) -> Order:
    """As many samples as the data set has, every class equally often (to within one); small classes repeat.

    Args:
        classes: int [N], the class of each sample.
        seed: of the run.
    """
    codes = np.asarray(classes)
    by_class = [np.flatnonzero(codes == code) for code in np.unique(codes)]

    def order(epoch: int) -> np.ndarray:
        random = np.random.default_rng(derive(seed, "balanced", epoch))
        shares = [len(part) for part in np.array_split(np.arange(len(codes)), len(by_class))]
        drawn = [_repeated(indices, share, random) for indices, share in zip(by_class, shares)]
        return random.permutation(np.concatenate(drawn))

    return order


def _repeated(indices: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """``n`` of ``indices`` from successive permutations, so that none is drawn twice before all are drawn once."""
    rounds = -(-n // len(indices))
    return np.concatenate([random.permutation(indices) for _ in range(rounds)])[:n]


def steps_in_epoch(n: int, batch_size: int, accumulation: int, world_size: int = 1) -> int:
    """Optimizer steps in an epoch of ``n`` samples."""
    return -(-n // (batch_size * accumulation * world_size))


def epoch_steps(order: np.ndarray, steps: int, batch_size: int, world_size: int, rank: int) -> list[list[np.ndarray]]:
    """The samples of one process by step and batch.

    The samples of a step depend only on the effective batch, not on its division between accumulation and processes.
    Steps differ in size by at most one sample, so that no step has a small remainder, and a step that is not full has
    fewer batches, not smaller ones: batch norm sees as many samples as it can.

    Args:
        order: indices of the samples of the epoch.
        steps: optimizer steps in the epoch.
        batch_size: most samples of a batch.
        world_size: number of processes.
        rank: of this process.

    Returns:
        Batches of each step, each an array of sample indices.

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
        batches = min(-(-len(chunk) // (batch_size * world_size)), len(chunk) // world_size)
        planned.append(np.array_split(chunk, batches * world_size)[rank::world_size])
    return planned


def shard(n: int, batch_size: int, world_size: int, rank: int) -> list[np.ndarray]:
    """Batches of one process of the samples 0 … n − 1; each sample is in one process."""
    indices = np.arange(rank, n, world_size)
    return [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]
