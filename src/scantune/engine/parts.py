"""What a training takes: its settings, parts of the loss, what is frozen, what mixes a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from pydantic import ConfigDict
from torch import Generator, Tensor, nn

from scantune.engine.schedule_settings import Positive
from scantune.engine.settings import TrainingSettings
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

    def apply(self, network: Any, epoch: int) -> Sequence[str]:
        """Set what trains from ``epoch`` (from 0) on; the names of what begins to train now."""
        ...

    def train_mode(self, network: Any) -> None:
        """Training mode, but frozen batch norm stays in evaluation mode."""
        ...


#: ``schedule(epoch, step, history)``: the weight of each term now; epochs and steps from 0, history by epoch.
TermWeights = Callable[[int, int, list[dict[str, Any]]], Mapping[str, float]]

#: ``mixing(inputs, targets, generator)``: inputs, targets, the other targets, share of the first.
Mixing = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor, Tensor, float]]

#: ``whole(network, inputs)``: the output of a network for samples [B, C, …space], computed from windows of them.
WholeOutput = Callable[[nn.Module, Tensor], Tensor]


class Settings(TrainingSettings):
    """What the loop takes: the settings of a training, and how this run of it is watched and saved."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    classes: np.ndarray | None = None
    """int [N], what ``balanced`` balances."""
    save_every_steps: Positive | None = None
    """Save after this number of steps as well; None saves by time alone."""
    log_every: Positive = 10
    """Steps between points sent to the sinks (the history has all)."""
    progress: bool | None = None
    """Show a progress bar; None where a terminal is watching."""
    watch_parent: bool | None = None
    """Stop when the parent process ends; None where DVC is the parent."""
