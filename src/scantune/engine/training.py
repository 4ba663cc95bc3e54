"""State and components of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from scantune.batches import network_inputs
from scantune.engine.averaging import WeightAverage
from scantune.engine.checkpoints import Checkpoints
from scantune.engine.early_stopping import EarlyStopping
from scantune.engine.history import History
from scantune.engine.loading import Loader
from scantune.engine.parts import Freezing, Mixing, Settings, Term, TermWeights, WholeOutput
from scantune.engine.schedules import Schedule
from scantune.tasks.protocol import Batch, Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass
class Sums:
    """Sums over an epoch: numerators and denominators of the loss terms, and reduced outputs of the samples.

    Attributes:
        totals: float64 [terms].
        weights: float64 [terms].
        reduced: outputs of :meth:`Task.reduce`, by batch.
        targets: by batch.
        index: of the samples in the data set, by batch.
    """

    totals: Tensor
    weights: Tensor
    reduced: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)
    index: list[Tensor] = field(default_factory=list)

    @classmethod
    def empty(cls, terms: int, device: torch.device) -> Sums:
        """Empty sums."""
        dtype = torch.float32 if device.type == "mps" else torch.float64  # Apple's GPUs have no float64
        zeros = torch.zeros(terms, dtype=dtype, device=device)
        return cls(zeros, zeros.clone())

    def append(self, reduced: Tensor, target: Tensor, index: Tensor) -> None:
        """Append the outputs of a batch."""
        self.reduced.append(reduced.detach())
        self.targets.append(target)
        self.index.append(index)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``reduced``, ``targets``, ``index`` of this process as arrays; empty without batches."""
        parts = (self.reduced, self.targets, self.index)
        return tuple(torch.cat([t.cpu() for t in ts]).numpy() if ts else np.zeros(0) for ts in parts)  # type: ignore[return-value]


@dataclass
class Position:
    """Position in a training.

    Attributes:
        epoch: completed epochs.
        in_epoch: completed steps of the current epoch; all of them before validation.
        step: completed steps of the training.
        skipped: steps skipped because loss or gradient was not finite.
    """

    epoch: int = 0
    in_epoch: int = 0
    step: int = 0
    skipped: int = 0


@dataclass
class Training:
    """A training: its components and its position."""

    fabric: Fabric
    raw: nn.Module
    """The network without wrappers: parameter names are those of the saved weights."""
    network: nn.Module
    """The network as wrapped by Fabric, DDP and the compiler, for calls."""
    optimizer: Any
    task: Task
    terms: dict[str, Term]
    term_weights: TermWeights
    schedule: Schedule
    settings: Settings
    train_loader: Loader
    validation_loader: Loader
    history: History
    checkpoints: Checkpoints
    early_stopping: EarlyStopping | None
    freezing: Freezing | None
    mixing: Mixing | None
    mode: str
    steps_per_epoch: int
    batch_size: int
    accumulation: int
    sums: Sums
    average: WeightAverage | None = None
    state_path: Path | None = None
    position: Position = field(default_factory=Position)
    unfrozen: dict[int, list[str]] = field(default_factory=dict)
    finished: str = ""
    notes: list[str] = field(default_factory=list)
    last_norms: dict[str, float] = field(default_factory=dict)
    """Gradient norm by parameter in the epoch's last step."""
    whole_output: WholeOutput | None = None
    """Of validation samples that are larger than what the network is trained on; None: they go through it whole."""

    @property
    def device(self) -> torch.device:
        """Device of the computation."""
        return self.fabric.device

    @property
    def validation_batch(self) -> int:
        """Validation samples at once: one where they may differ in size."""
        return self.batch_size if self.whole_output is None else 1

    def validated(self, batch: Batch) -> Tensor:
        """The network's output for a batch of validation samples."""
        if self.whole_output is None:
            return self.network(*network_inputs(batch))
        return self.whole_output(self.network, batch["input"])

    @property
    def plain_optimizer(self) -> Optimizer:
        """The optimizer without Fabric's wrapper."""
        return self.optimizer.optimizer

    def trained_weights(self) -> Mapping[str, Tensor]:
        """The weights that the optimizer updates, also while the averaged ones are in the network."""
        return self.raw.state_dict() if self.average is None else self.average.trained(self.raw)

    def served_weights(self) -> Mapping[str, Tensor]:
        """The weights of the result: averaged where there is an average."""
        averaged = self.average.weights if self.average is not None else None
        return averaged or self.raw.state_dict()

    def current_weights(self) -> dict[str, float]:
        """Weights of the loss terms in the next step."""
        weights = self.term_weights(self.position.epoch, self.position.step, self.history.epochs())
        return {name: float(weights.get(name, 1.0)) for name in self.terms}
