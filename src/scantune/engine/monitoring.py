"""What is looked at every epoch beside the losses: figures, errors by range, histograms, gradient norms, memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scantune.engine import distributed
from scantune.engine.figures import summarise
from scantune.engine.loading import to_device
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
    """What an epoch looked like, for sinks.

    Attributes:
        epoch: counted from 1.
        figures: further figures by name (gradient norms by parameter, memory in bytes).
        histograms: of predictions and targets.
        texts: name to words (the parameters without gradient).
        images: name to uint8 [H, W] or [H, W, 3].
        model: the weights that the training ends with.
    """

    epoch: int
    figures: dict[str, float] = field(default_factory=dict)
    histograms: list[Histogram] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    model: Path | None = None


def training_figures(training: Training) -> dict[str, float]:
    """The epoch's losses, as means over all of it, and the task's figures on the training samples as they were seen."""
    sums, fabric = training.sums, training.fabric
    totals = distributed.total(fabric, sums.totals.clone())
    weights = distributed.total(fabric, sums.weights.clone())
    loss = distributed.total(fabric, sums.loss.clone())
    parts = {f"{n}_loss": float(t / w) if w > 0 else math.nan for n, t, w in zip(training.terms, totals, weights)}
    figures = {"loss": float(loss) / sums.steps if sums.steps else math.nan, **parts}
    shards = [held for held in distributed.gathered(fabric, sums.arrays()) if len(held[2])]
    if not shards:
        return figures
    reduced, targets, index = (np.concatenate(held) for held in zip(*shards))
    order = np.argsort(index, kind="stable")
    return figures | summarise(training.task, reduced[order], targets[order])


def names(training: Training) -> set[str]:
    """Names of all figures, from one batch of the validation side; nothing is learned from it."""
    loader = training.validation_loader
    planned = [np.arange(min(len(loader.samples), training.batch_size))]
    sums = Sums.empty(len(training.terms), training.device)
    training.network.eval()
    with torch.no_grad():
        for held in loader.batches(0, planned):
            batch = to_device(held, training.device, training.settings.channels_last)
            output = training.network(batch["input"])
            sums.keep(training.task.reduce(output, batch), training.task.kept_target(batch), batch["index"])
    reduced, targets, _ = sums.arrays()
    found = set(summarise(training.task, reduced, targets))
    both = {f"{side}_{name}" for side in ("train", "val") for name in found}
    by_range = error_by_range(reduced, targets, training.settings.error_ranges)
    return {n for n in both if training.mixing is None or n.startswith("val_")} | set(by_range)


def error_by_range(reduced: np.ndarray, targets: np.ndarray, cuts: Sequence[float]) -> dict[str, float]:
    """Mean absolute error of the samples whose target lies in each range; NaN where there is none.

    Empty where there are no cuts, or where the answers are not one number a sample.
    """
    prediction = _one_number(reduced, targets)
    if prediction is None or not cuts:
        return {}
    errors, truth = np.abs(prediction - targets.reshape(-1)), targets.reshape(-1)
    named = {}
    for name, low, high in named_ranges(cuts):
        inside = errors[(truth >= low) & (truth < high)]
        named[f"val_mae_{name}"] = float(inside.mean()) if len(inside) else math.nan
    return named


def _one_number(reduced: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
    if reduced.size != len(reduced) or targets.size != len(reduced):
        return None
    return reduced.reshape(-1)


def pictures(training: Training, row: Mapping[str, Any], reduced: np.ndarray, targets: np.ndarray) -> EpochView:
    """What the sinks are given at an epoch's end beside its row."""
    figures, texts = gradient_norms(training) if training.settings.gradient_norms else ({}, {})
    return EpochView(
        int(row["epoch"]), figures | memory(training.device), _histograms(training, reduced, targets), texts
    )


def _histograms(training: Training, reduced: np.ndarray, targets: np.ndarray) -> list[Histogram]:
    prediction = _one_number(reduced, targets)
    if prediction is None:
        return []
    truth = targets.reshape(-1).astype(float)
    low, high = training.settings.histogram_range or (float(truth.min()), float(truth.max()))
    edges = np.linspace(low, high if high > low else low + 1, training.settings.histogram_bins + 1)
    held = {"prediction": prediction, "target": truth}
    return [
        Histogram(name, np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].tolist(), edges.tolist())
        for name, values in held.items()
    ]


def gradient_norms(training: Training) -> tuple[dict[str, float], dict[str, str]]:
    """Norm of the last step's gradient by parameter, and in words which trainable ones had none."""
    norms = training.last_norms
    if not norms:  # gone on right before validation: the last step was another process's
        return {}, {}
    without = [n for n, p in training.raw.named_parameters() if p.requires_grad and n not in norms]
    figures = {f"gradient_norm/{name}": value for name, value in norms.items()}
    return figures, {"parameters without gradient": "\n".join(without)} if without else {}


def memory(device: torch.device) -> dict[str, float]:
    """Bytes of a GPU that are allocated, reserved and were at the peak; empty on a CPU."""
    if device.type != "cuda":
        return {}
    return {
        "gpu_memory_allocated": float(torch.cuda.memory_allocated(device)),
        "gpu_memory_reserved": float(torch.cuda.memory_reserved(device)),
        "gpu_memory_peak": float(torch.cuda.max_memory_allocated(device)),
    }
