"""The plain numbers of a training, and what it takes beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Generator, Tensor, nn

from scantune.tasks.protocol import Batch


class Term(Protocol):
    """A part of the loss as numerator and denominator, so that both can be summed over batches and processes.

    One that compares samples with each other may have ``rows(batch, output)``, [B, …], and ``of_all(rows)``: numerator
    and denominator of all samples of the validation side at once.
    """

    def weight(self, batch: Batch) -> Tensor:
        """The denominator: a scalar of the batch's targets alone."""
        ...

    def total(self, network: nn.Module, batch: Batch, output: Tensor) -> Tensor:
        """The numerator: a scalar that gradients flow through."""
        ...


class Freezing(Protocol):
    """Which parameters train in which epoch."""

    def apply(self, network: nn.Module, epoch: int) -> Sequence[str]:
        """Set what trains from ``epoch`` (from 0) on; the names of what begins to train now."""
        ...

    def train_mode(self, network: nn.Module) -> None:
        """Training mode, but frozen batch norm stays in evaluation mode."""
        ...


#: ``schedule(epoch, step, history)``: the weight of each term now; epochs and steps from 0, history by epoch.
TermWeights = Callable[[int, int, list[dict[str, Any]]], Mapping[str, float]]

#: ``mixing(inputs, targets, generator)``: inputs, targets, the other targets, share of the first.
Mixing = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor, Tensor, float]]


@dataclass(frozen=True)
class Settings:
    """How long, how many at once, and what to do when something goes wrong.

    Attributes:
        epochs: passes over the training data.
        batch_size: samples a device takes at once.
        grad_accumulation_steps: batches a step.
        seed: of order, augmentation, mixing, dropout.
        monitor: the figure by which checkpoints, early stopping and the plateau go.
        mode: ``min``, ``max`` or ``auto`` (by the name).
        sampler: ``shuffled`` or ``balanced``.
        classes: int [N], what ``balanced`` balances.
        clip_norm: largest norm of a step's gradient.
        clip_value: largest absolute value in it.
        workers: processes that load samples.
        pin_memory: page-locked memory (GPU).
        channels_last: memory order.
        compile: compile the network.
        gradient_checkpointing: compute again instead of keeping.
        cudnn_benchmark: let cuDNN try its algorithms.
        flash_attention: allow fused attention kernels.
        clear_cache: give cached GPU memory back after every epoch.
        deterministic: only algorithms that repeat.
        save_every_seconds: how often, at the least, the training is saved; a save is put off while saving takes more
            than one part in fifty of the time.
        save_every_steps: save after so many steps as well; None by time alone.
        save_optimizer: keep the optimizer with each checkpoint.
        save_scheduler: keep the scheduler's state with each checkpoint.
        resume: ``exact``, ``lenient`` or ``never``.
        on_out_of_memory: ``stop`` or ``halve``.
        on_non_finite: ``stop`` or ``skip``.
        log_every: steps between points sent to the sinks (the history has all).
        progress: show a progress bar; None where a terminal is watching.
        watch_parent: stop when the process that started us ends; None where DVC started us.
        histogram_bins: of the histograms of prediction and target.
        histogram_range: their range; the targets' own where None.
        error_ranges: cut points between which the mean absolute error is given.
        gradient_norms: gradient norm by parameter, every epoch.
    """

    epochs: int = 30
    batch_size: int = 8
    grad_accumulation_steps: int = 1
    seed: int = 42
    monitor: str = "val_loss"
    mode: str = "auto"
    sampler: str = "shuffled"
    classes: np.ndarray | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    workers: int = 0
    pin_memory: bool = True
    channels_last: bool = False
    compile: bool = False
    gradient_checkpointing: bool = False
    cudnn_benchmark: bool = False
    flash_attention: bool = True
    clear_cache: bool = False
    deterministic: bool = False
    save_every_seconds: float = 30.0
    save_every_steps: int | None = None
    save_optimizer: bool = False
    save_scheduler: bool = False
    resume: str = "exact"
    on_out_of_memory: str = "stop"
    on_non_finite: str = "stop"
    log_every: int = 10
    progress: bool | None = None
    watch_parent: bool | None = None
    histogram_bins: int = 35
    histogram_range: tuple[float, float] | None = None
    error_ranges: tuple[float, ...] = ()
    gradient_norms: bool = True
