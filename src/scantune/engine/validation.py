"""Validation: every sample is evaluated once, independently of the number of processes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from scantune.amounts import number_of
from scantune.engine import distributed
from scantune.engine.loading import to_device
from scantune.engine.metrics import summarise
from scantune.engine.randomness import reseed
from scantune.engine.samplers import shard
from scantune.engine.training import Sums, Training

log = logging.getLogger(__name__)

#: Rows of the samples evaluated so far, by the number of a term that compares samples with each other.
Compared = dict[int, list[torch.Tensor]]


def validate(
    training: Training, between: Callable[[int, int], None] = lambda batch, batches: None
) -> tuple[dict[str, float], Any, Any]:
    """Losses and metrics of the task on the validation samples.

    Args:
        training: its network is put in evaluation mode.
        between: called after each batch with its number, from 1, and the number of batches.

    Returns:
        Metrics without prefix, those of the task NaN where an output is not finite; reduced outputs of all samples
        [N, …]; their targets. Order of the data set.
    """
    fabric, loader = training.fabric, training.validation_loader
    distributed.broadcast_buffers(fabric, training.raw)
    reseed(training.settings.seed, "validation", training.position.epoch)
    training.network.eval()
    sums = Sums.empty(len(training.terms), training.device)
    compared: Compared = {k: [] for k, term in enumerate(training.terms.values()) if hasattr(term, "of_all")}
    planned = shard(len(loader.samples), training.validation_batch, fabric.world_size, fabric.global_rank)
    non_finite = torch.zeros((), device=training.device)
    with torch.no_grad():
        for number, batch in enumerate(loader.batches(0, planned), start=1):
            moved = to_device(batch, training.device, training.settings.channels_last)
            output = _evaluate_batch(training, sums, moved, compared)
            non_finite += (~torch.isfinite(output)).reshape(len(output), -1).any(1).sum()
            between(number, len(planned))
    totals = distributed.sum_over_processes(fabric, sums.totals)
    weights = distributed.sum_over_processes(fabric, sums.weights)
    for k, rows in compared.items():
        totals[k], weights[k] = _of_all(training, k, rows)
    metrics = loss_metrics(training, totals, weights)
    reduced, targets = gather_predictions(training, sums)
    of_task = summarise(training.task, reduced, targets)
    count = int(distributed.sum_over_processes(fabric, non_finite))
    if count:  # ranks, and the largest of several, would be numbers all the same
        of_task = dict.fromkeys(of_task, math.nan)
        log.warning(
            "epoch %d: of %s in validation the prediction is not a finite number: its metrics are undefined",
            training.position.epoch + 1,
            number_of(count, "sample"),
        )
    return metrics | of_task, reduced, targets


def _evaluate_batch(training: Training, sums: Sums, batch: dict[str, Any], compared: Compared) -> torch.Tensor:
    """Add a batch to the sums; the network's output."""
    output = training.validated(batch)
    for k, term in enumerate(training.terms.values()):
        if k in compared:
            compared[k].append(term.rows(batch, output).cpu())  # type: ignore[attr-defined]
            continue
        sums.totals[k] += term.total(training.network, batch, output).to(sums.totals)
        sums.weights[k] += term.weight(batch).to(sums.weights)
    sums.append(training.task.reduce(output, batch), training.task.reduced_target(batch), batch["index"])
    return output


def _of_all(training: Training, number: int, rows: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Numerator and denominator of a term that compares the samples of all batches and processes."""
    term: Any = list(training.terms.values())[number]
    shards = distributed.gather_objects(training.fabric, torch.cat(rows) if rows else None)
    return term.of_all(torch.cat([shard for shard in shards if shard is not None]))


def loss_metrics(training: Training, totals: torch.Tensor, weights: torch.Tensor) -> dict[str, float]:
    """``<name>_loss`` of each term and their weighted sum ``loss``; a term with zero weight is NaN and excluded."""
    parts = {
        f"{name}_loss": float(t / w) if w > 0 else float("nan") for name, t, w in zip(training.terms, totals, weights)
    }
    factors = training.current_weights()
    weighted = [factors[name] * part for name, part in zip(training.terms, parts.values()) if part == part]
    non_finite = any(bool(w > 0) and part != part for w, part in zip(weights, parts.values()))
    return {"loss": float("nan") if non_finite or not weighted else float(sum(weighted)), **parts}


def gather_predictions(training: Training, sums: Sums) -> tuple[np.ndarray, np.ndarray]:
    """``reduced`` and ``targets`` of all processes in the order of the data set."""
    shards = [arrays for arrays in distributed.gather_objects(training.fabric, sums.arrays()) if len(arrays[2])]
    if not shards:
        return np.zeros(0), np.zeros(0)
    reduced, targets, index = (np.concatenate(parts) for parts in zip(*shards))
    order = np.argsort(index, kind="stable")
    return reduced[order], targets[order]
