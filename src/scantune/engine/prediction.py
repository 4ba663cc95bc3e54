"""What a network says of samples, in their order, each once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from scantune.engine import distributed, half
from scantune.engine.data import Samples
from scantune.engine.loading import Loader, to_device
from scantune.engine.randomness import generator, preserved, reseed
from scantune.engine.samplers import shard
from scantune.records import ScantuneError
from scantune.tasks.protocol import Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Predicted:
    """What the task keeps of each sample.

    Attributes:
        reduced: [N, …] as :meth:`Task.reduce` gives it, in the data set's order.
        targets: [N, …]; zeros for dense tasks, whose targets are in ``reduced``.
        spread: [N, …], standard deviation over the augmented copies; None without them.
    """

    reduced: np.ndarray
    targets: np.ndarray
    spread: np.ndarray | None = None


def predict(
    network: nn.Module,
    task: Task,
    data: Samples,
    *,
    batch_size: int = 8,
    workers: int = 0,
    augment: Callable[[Tensor, Tensor | None, Generator], Any] | None = None,
    num_augmentations: int = 0,
    mirrors: bool = False,
    seed: int = 42,
    fabric: Fabric | None = None,
    precision: str = "auto",
) -> Predicted:
    """Answers of a network.

    Args:
        network: put in evaluation mode; on the device of ``fabric`` afterwards.
        task: what is predicted.
        data: samples.
        batch_size: samples at once.
        workers: processes that load.
        augment: test-time augmentation: a change of one sample that leaves its answer as it is.
        num_augmentations: augmented copies, averaged with the sample itself; 0 for none.
        mirrors: dense tasks: average over mirrorings along every axis, each answer mirrored back.
        seed: of the augmentation.
        fabric: from :func:`~scantune.engine.distributed.launch`; one is made where None.
        precision: of that one.

    Raises:
        ScantuneError: augmentation for a dense task (its answers cannot be put back), or one that swaps sides.
    """
    if num_augmentations and task.dense:
        raise ScantuneError("test-time augmentation of a dense task is by mirrors: its answers must be turned back")
    used = fabric or distributed.launch(devices=1, precision=precision)
    called = used.setup_module(network, move_to_device=True) if not hasattr(network, "_forward_module") else network
    called.eval()
    loader = Loader(data, workers=workers)
    kept = []
    with preserved(), torch.no_grad(), half.guarded(called, distributed.is_bf16_on_cpu(used)):
        reseed(seed, "predict")
        for held in loader.batches(0, shard(len(data), batch_size, used.world_size, used.global_rank)):
            batch = to_device(held, used.device)
            answers = _answers(called, task, batch, augment, num_augmentations, mirrors, seed)
            target = batch["index"] if task.dense else batch["target"]
            kept.append(
                [*(a.float().cpu().numpy() for a in answers), target.cpu().numpy(), batch["index"].cpu().numpy()]
            )
    mean, spread, targets, index = _in_order([row for rank in distributed.gathered(used, kept) for row in rank])
    targets = np.zeros(len(index)) if task.dense else targets
    return Predicted(mean, targets, spread if num_augmentations else None)


def _in_order(rows: list[list[np.ndarray]]) -> tuple[np.ndarray, ...]:
    if not rows:
        return tuple(np.zeros(0) for _ in range(4))
    joined = [np.concatenate(parts) for parts in zip(*rows)]
    order = np.argsort(joined[-1], kind="stable")
    return tuple(part[order] for part in joined)


def _answers(
    network: nn.Module, task: Task, batch: dict[str, Any], augment: Any, copies: int, mirrors: bool, seed: int
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the sample and its copies, each [B, …]."""
    if mirrors and task.dense:
        reduced = task.reduce(_mirrored(network, batch["input"]), batch)
        return reduced, torch.zeros_like(reduced)
    held = [task.reduce(network(batch["input"]), batch)]
    for copy in range(copies if augment is not None else 0):
        changed = torch.stack([_changed(augment, x, i, seed, copy) for x, i in zip(batch["input"], batch["index"])])
        held.append(task.reduce(network(changed), batch))
    stacked = torch.stack(held)
    return stacked.mean(0), stacked.std(0, unbiased=False)


def _changed(augment: Any, sample: Tensor, index: Tensor, seed: int, copy: int) -> Tensor:
    changed, _, events = augment(sample, None, generator(seed, "test time", int(index), copy))
    if events.flipped:
        raise ScantuneError("test-time augmentation may not mirror: left and right answers would change places")
    return changed


def _mirrored(network: nn.Module, inputs: Tensor) -> Tensor:
    """Mean answer [B, K, …space] over all mirrorings of the space axes, each turned back."""
    axes = tuple(range(2, inputs.dim()))
    choices = [tuple(a for a, use in zip(axes, uses) if use) for uses in product((False, True), repeat=len(axes))]
    answers = [network(inputs.flip(c) if c else inputs).flip(c) if c else network(inputs) for c in choices]
    return torch.stack(answers).mean(0)
