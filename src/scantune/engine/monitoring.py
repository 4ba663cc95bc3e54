"""Monitoring of an epoch beside the losses: metrics, errors by target range, histograms, gradient norms, memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scantune.engine import distributed, validation
from scantune.engine.loading import to_device
from scantune.engine.metrics import summarise
from scantune.engine.training import Sums, Training
from scantune.tasks.directions import named_ranges


@dataclass(frozen=True)
class Histogram:
    """Counts between edges."""

    name: str
    counts: list[int]
    edges: list[float]


@dataclass(frozen=True)
class EpochView:
    """View of an epoch for sinks.

    Attributes:
        epoch: counted from 1.
        metrics: additional metrics by name (gradient norms by parameter, memory in bytes).
        histograms: of predictions and targets.
        texts: name to text (the parameters without gradient).
        images: name to uint8 [H, W] or [H, W, 3].
        model: file of the final weights.
    """

    epoch: int
    metrics: dict[str, float] = field(default_factory=dict)
    histograms: list[Histogram] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    model: Path | None = None


def training_metrics(training: Training) -> dict[str, float]:
    """Losses of the epoch's samples as of :func:`scantune.engine.validation.loss_metrics`, and the task's metrics, on
    the training samples as they were augmented."""
    sums, fabric = training.sums, training.fabric
    totals = distributed.sum_over_processes(fabric, sums.totals.clone())
    weights = distributed.sum_over_processes(fabric, sums.weights.clone())
    metrics = validation.loss_metrics(training, totals, weights)
    shards = [arrays for arrays in distributed.gather_objects(fabric, sums.arrays()) if len(arrays[2])]
    if not shards:
        return metrics
    reduced, targets, index = (np.concatenate(arrays) for arrays in zip(*shards))
    order = np.argsort(index, kind="stable")
    return metrics | summarise(training.task, reduced[order], targets[order])


def metric_names(training: Training) -> set[str]:
    """Names of all metrics, from one batch of the validation set, without an update of the network."""
    loader = training.validation_loader
    planned = [np.arange(min(len(loader.samples), training.validation_batch))]
    sums = Sums.empty(len(training.terms), training.device)
    training.network.eval()
    with torch.no_grad():
        for loaded in loader.batches(0, planned):
            batch = to_device(loaded, training.device, training.settings.channels_last)
            output = training.validated(batch)
            sums.append(training.task.reduce(output, batch), training.task.reduced_target(batch), batch["index"])
    reduced, targets, _ = sums.arrays()
    metrics = set(summarise(training.task, reduced, targets))
    prefixed = {f"{side}_{name}" for side in ("train", "val") for name in metrics}
    by_range = error_by_range(reduced, targets, training.settings.monitoring.error_ranges)
    return {n for n in prefixed if training.mixing is None or n.startswith("val_")} | set(by_range)


def error_by_range(reduced: np.ndarray, targets: np.ndarray, cuts: Sequence[float]) -> dict[str, float]:
    """Mean absolute error of the samples whose target lies in each range; NaN for a range without samples.

    Empty without ``cuts``, or where predictions are not one number per sample.
    """
    prediction = _scalar_prediction(reduced, targets)
    if prediction is None or not cuts:
        return {}
    errors, reference = np.abs(prediction - targets.reshape(-1)), targets.reshape(-1)
    by_range = {}
    for name, low, high in named_ranges(cuts):
        range_errors = errors[(reference >= low) & (reference < high)]
        by_range[f"val_mae_{name}"] = float(range_errors.mean()) if len(range_errors) else math.nan
    return by_range


def _scalar_prediction(reduced: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
    if not len(reduced) or reduced.size != len(reduced) or targets.size != len(reduced):
        return None
    return reduced.reshape(-1)


def epoch_view(training: Training, row: Mapping[str, Any], reduced: np.ndarray, targets: np.ndarray) -> EpochView:
    """View of an epoch for the sinks, beside its row."""
    metrics, texts = gradient_norms(training) if training.settings.monitoring.gradient_norms else ({}, {})
    return EpochView(
        int(row["epoch"]), metrics | memory(training.device), _histograms(training, reduced, targets), texts
    )


def _histograms(training: Training, reduced: np.ndarray, targets: np.ndarray) -> list[Histogram]:
    prediction = _scalar_prediction(reduced, targets)
    if prediction is None:
        return []
    reference = targets.reshape(-1).astype(float)
    low, high = training.settings.monitoring.range or (float(reference.min()), float(reference.max()))
    edges = np.linspace(low, high if high > low else low + 1, training.settings.monitoring.bins + 1)
    distributions = {"prediction": prediction, "target": reference}
    return [
        Histogram(name, np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].tolist(), edges.tolist())
        for name, values in distributions.items()
    ]


def gradient_norms(training: Training) -> tuple[dict[str, float], dict[str, str]]:
    """Gradient norm of the last step by parameter, and a list of trainable parameters without gradient."""
    norms = training.last_norms
    if not norms:  # resumed right before validation: an earlier process did the last step
        return {}, {}
    without = [n for n, p in training.raw.named_parameters() if p.requires_grad and n not in norms]
    metrics = {f"gradient_norm/{name}": value for name, value in norms.items()}
    return metrics, {"parameters without gradient": "\n".join(without)} if without else {}


def memory(device: torch.device) -> dict[str, float]:
    """Allocated, reserved and peak memory of a GPU in bytes; empty on a CPU."""
    if device.type != "cuda":
        return {}
    return {
        "gpu_memory_allocated": float(torch.cuda.memory_allocated(device)),
        "gpu_memory_reserved": float(torch.cuda.memory_reserved(device)),
        "gpu_memory_peak": float(torch.cuda.max_memory_allocated(device)),
    }
