"""The validation side: every sample judged once, whatever the number of processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from scantune.engine import distributed
from scantune.engine.figures import summarise
from scantune.engine.loading import to_device
from scantune.engine.randomness import reseed
from scantune.engine.samplers import shard
from scantune.engine.training import Sums, Training

#: Rows of the samples judged so far, by the number of a term that compares samples with each other.
Compared = dict[int, list[torch.Tensor]]


def validate(training: Training, between: Callable[[], None] = lambda: None) -> tuple[dict[str, float], Any, Any]:
    """Losses and the task's figures on the validation samples.

    Args:
        training: its network is put in evaluation mode.
        between: called between two batches.

    Returns:
        Figures without prefix; what the task keeps of all samples [N, …]; their targets, both in the data set's order.
    """
    fabric, loader = training.fabric, training.validation_loader
    distributed.share_buffers(fabric, training.raw)
    reseed(training.settings.seed, "validation", training.position.epoch)
    training.network.eval()
    sums = Sums.empty(len(training.terms), training.device)
    compared: Compared = {k: [] for k, term in enumerate(training.terms.values()) if hasattr(term, "of_all")}
    planned = shard(len(loader.samples), training.batch_size, fabric.world_size, fabric.global_rank)
    with torch.no_grad():
        for batch in loader.batches(0, planned):
            _judge(training, sums, to_device(batch, training.device, training.settings.channels_last), compared)
            between()
    totals, weights = distributed.total(fabric, sums.totals), distributed.total(fabric, sums.weights)
    for k, rows in compared.items():
        totals[k], weights[k] = _of_all(training, k, rows)
    figures = loss_figures(training, totals, weights)
    reduced, targets = joined(training, sums)
    return figures | summarise(training.task, reduced, targets), reduced, targets


def _judge(training: Training, sums: Sums, batch: dict[str, Any], compared: Compared) -> None:
    output = training.network(batch["input"])
    for k, term in enumerate(training.terms.values()):
        if k in compared:
            compared[k].append(term.rows(batch, output).cpu())  # type: ignore[attr-defined]
            continue
        sums.totals[k] += term.total(training.network, batch, output).to(sums.totals)
        sums.weights[k] += term.weight(batch).to(sums.weights)
    sums.keep(training.task.reduce(output, batch), training.task.kept_target(batch), batch["index"])


def _of_all(training: Training, number: int, rows: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Numerator and denominator of a term that compares the samples of all batches and processes."""
    term: Any = list(training.terms.values())[number]
    shards = distributed.gathered(training.fabric, torch.cat(rows) if rows else None)
    return term.of_all(torch.cat([shard for shard in shards if shard is not None]))


def loss_figures(training: Training, totals: torch.Tensor, weights: torch.Tensor) -> dict[str, float]:
    """``<name>_loss`` of each term and their weighted sum ``loss``; a term without any weight is NaN and left out."""
    parts = {
        f"{name}_loss": float(t / w) if w > 0 else float("nan") for name, t, w in zip(training.terms, totals, weights)
    }
    factors = training.weights_now()
    held = [factors[name] * part for name, part in zip(training.terms, parts.values()) if part == part]
    broken = any(bool(w > 0) and part != part for w, part in zip(weights, parts.values()))
    return {"loss": float("nan") if broken or not held else float(sum(held)), **parts}


def joined(training: Training, sums: Sums) -> tuple[np.ndarray, np.ndarray]:
    """``reduced`` and ``targets`` of all processes in the order of the data set."""
    shards = [held for held in distributed.gathered(training.fabric, sums.arrays()) if len(held[2])]
    if not shards:
        return np.zeros(0), np.zeros(0)
    reduced, targets, index = (np.concatenate(parts) for parts in zip(*shards))
    order = np.argsort(index, kind="stable")
    return reduced[order], targets[order]
