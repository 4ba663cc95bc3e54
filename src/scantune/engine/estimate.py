"""Estimate of time and memory of a training before its first epoch, from two batches that change nothing."""

from __future__ import annotations

import logging
import time

import numpy as np
import torch
from torch import nn

from scantune.amounts import number_of
from scantune.engine import hardware
from scantune.engine.faults import is_out_of_memory
from scantune.engine.loading import to_device
from scantune.engine.pace import seconds_left
from scantune.engine.step import forward, mixed_batch
from scantune.engine.training import Training
from scantune.progress import duration

log = logging.getLogger(__name__)

#: Time of a batch in validation as a share of its time in training: forward pass alone.
VALIDATION_SHARE = 1 / 3
#: Seconds after which the first batch is enough; it is slower than the others.
ENOUGH_SECONDS = 5.0


def report(training: Training) -> None:
    """Log how long the training will take and how much memory it needs.

    Forward and backward pass of two batches, with the layers that train in the last epoch; buffers, gradients and
    random state are as before afterwards. Not with several processes, which exchange gradients in each such pass, and
    not where a batch does not fit into memory: the loop has the message for that.
    """
    if training.fabric.world_size > 1 or training.finished:
        return
    seconds = _batch_seconds(training)
    if seconds is None:
        return
    settings, position = training.settings, training.position
    step_seconds = seconds * training.accumulation
    batches = -(-len(training.validation_loader.samples) // training.validation_batch)
    stops = training.early_stopping is not None and (
        settings.validations_after(position.epoch) > training.early_stopping.settings.patience
    )
    log.info(
        "about %s for %s of %s (%.2g s a step), %.1f GB of memory%s",
        duration(seconds_left(training, step_seconds, batches * VALIDATION_SHARE * seconds)),
        number_of(settings.epochs - position.epoch, "epoch"),
        number_of(training.steps_per_epoch, "step"),
        step_seconds,
        # what the optimizer will add: two numbers per parameter
        (hardware.peak_memory(training.device) + 2 * _bytes(training.raw)) / 1e9,
        "; early stopping may end it sooner" if stops else "",
    )


def _batch_seconds(training: Training) -> float | None:
    """Seconds of a batch, loading included where this process loads; None where memory does not suffice."""
    samples = training.train_loader.samples
    size = min(training.batch_size, len(samples))
    planned = [np.arange(size), np.arange(len(samples) - size, len(samples))]
    buffers = [(buffer, buffer.clone()) for buffer in training.raw.buffers()]
    epoch, seconds = training.position.epoch, None
    # a compiled network would be compiled again for other layers
    _set_epoch(training, epoch if training.settings.compile else max(training.settings.epochs - 1, epoch))
    try:
        with torch.random.fork_rng(devices=[training.device] if training.device.type == "cuda" else []):
            began = time.monotonic()
            for loaded in training.train_loader.batches(epoch, planned):
                _pass(training, to_device(loaded, training.device, training.settings.channels_last))
                seconds, began = time.monotonic() - began, time.monotonic()
                if seconds > ENOUGH_SECONDS and not training.train_loader.workers:
                    break
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return None
    finally:
        training.optimizer.zero_grad(set_to_none=True)
        _set_epoch(training, epoch)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
    return seconds


def _set_epoch(training: Training, epoch: int) -> None:
    """The layers that train in an epoch, in training mode."""
    training.network.train()
    if training.freezing is not None:
        training.freezing.apply(training.raw, epoch)
        training.freezing.train_mode(training.raw)


def _pass(training: Training, plain_batch: dict[str, torch.Tensor]) -> None:
    """Forward and backward pass, without a step."""
    output, batch = forward(training, mixed_batch(training, plain_batch, 0))
    loss = sum(term.total(training.network, batch, output) for term in training.terms.values())
    training.fabric.backward(loss)  # type: ignore[arg-type]
    if training.device.type == "cuda":
        torch.cuda.synchronize(training.device)


def _bytes(network: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
