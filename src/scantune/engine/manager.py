"""History and checkpoints for a training loop of your own: :class:`TrainingManager`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from scantune.engine import durable
from scantune.engine.checkpoints import Checkpoints
from scantune.engine.early_stopping import EarlyStopping
from scantune.engine.history import History, Row
from scantune.engine.settings import CheckpointsConfig
from scantune.engine.strategies import Entry
from scantune.records import ScantuneError

Values = Mapping[str, Tensor | float]


@dataclass
class TrainingManager:
    """Takes the steps of a loop of your own, and keeps their history and the checkpoints that a strategy chooses.

    Metrics of an epoch are means over its samples, not those of its last batch.

    Attributes:
        network: what is trained.
        optimizer: of its parameters.
        folder: ``checkpoints/`` and the exported files are written there.
        checkpoints: which epochs are kept, by which metric (with its side: ``val_dice`` for the ``dice`` of
            :meth:`validation_step`; ``val_loss`` where null), and whether the optimizer and the scheduler's state are
            kept with them, so that training may go on from one; all of it by default.
        scheduler: stepped at the end of each epoch; the plateau scheduler alone with the monitored metric.
        early_stopping: where it ends the training, :attr:`finished` is true. It watches the metric of the checkpoints,
            in the same direction unless it states its own.
        epochs: of the whole training; the strategy ``time`` requires it.

    Raises:
        ScantuneError: early stopping names another metric.

    Example:
        >>> network = nn.Linear(2, 1)
        >>> manager = TrainingManager(network, torch.optim.SGD(network.parameters(), 0.1), Path("run"))
        >>> x = torch.ones(4, 2)
        >>> values = manager.train_step(network(x).square().mean(), samples=4)
        >>> manager.validation_step({"loss": network(x).square().mean()}, samples=4)
        >>> sorted(manager.end_epoch())
        ['epoch', 'learning_rate', 'step', 'train_loss', 'val_loss']
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    folder: Path
    checkpoints: CheckpointsConfig = field(
        default_factory=lambda: CheckpointsConfig(save_optimizer=True, save_scheduler=True)
    )
    scheduler: Any = None
    early_stopping: EarlyStopping | None = None
    epoch: int = 0
    step: int = 0
    finished: bool = False
    epochs: int = 0
    _sums: dict[str, list[float]] = field(default_factory=dict)
    _went_back: bool = False

    def __post_init__(self) -> None:
        self.folder = Path(self.folder)
        self.history = History()
        self.kept = Checkpoints(self.folder / "checkpoints", self.checkpoints, self.epochs)
        if self.early_stopping is not None:
            self._watch_the_same(self.early_stopping)

    def _watch_the_same(self, stopping: EarlyStopping) -> None:
        """Let early stopping watch the metric of the checkpoints, in its direction where it states none."""
        stated, metric = stopping.settings, self.kept.monitor
        if stated.monitor not in (None, metric):
            raise ScantuneError(
                f"early_stopping.monitor is {stated.monitor!r}, and the checkpoints go by {metric!r}: a manager "
                "watches one metric; leave it out, or name the same"
            )
        mode = self.kept.rule.mode if stated.mode == "auto" else stated.mode
        stopping.settings = stated.model_copy(update={"monitor": metric, "mode": mode})

    def train_step(self, losses: Tensor | Values, samples: int = 1) -> dict[str, float]:
        """One step: gradients of the loss, the optimizer, the history.

        Args:
            losses: the loss, or values by name of which ``loss`` is minimised and the others are recorded.
            samples: in the batch; the epoch's mean weighs by them.

        Returns:
            The values as numbers.

        Raises:
            ScantuneError: there is no tensor ``loss`` among them.
        """
        self._forget_later_epochs()
        values = {"loss": losses} if isinstance(losses, Tensor) else dict(losses)
        loss = values.get("loss")
        if not isinstance(loss, Tensor):
            raise ScantuneError(f"train_step: 'loss' must be a tensor with a gradient; there are {', '.join(values)}")
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.step += 1
        numbers = self._add("train", values, samples)
        self.history.step(self.step, self.epoch + 1, numbers)
        return numbers

    def validation_step(self, values: Values, samples: int = 1) -> None:
        """Metrics of a validation batch, as means over its samples: ``{"loss": …, "dice": …}``."""
        self._add("val", values, samples)

    def end_epoch(self) -> Row:
        """Close the epoch: its means, the checkpoint if the strategy selects it, scheduler and early stopping.

        Returns:
            The epoch's row in the history: ``epoch`` (from 1), ``step``, ``train_…``, ``val_…``, ``learning_rate``.

        Raises:
            ScantuneError: the monitored metric was not recorded in this epoch.
        """
        means = {name: total / weight for name, (total, weight) in self._sums.items()}
        monitor = self.kept.monitor
        if monitor not in means:
            raise ScantuneError(f"monitor: {monitor!r} was not recorded; there are {', '.join(sorted(means))}")
        self._forget_later_epochs()
        self._sums = {}
        self.epoch += 1
        self.history.epoch(self.epoch, self.step, means | {"learning_rate": self.optimizer.param_groups[0]["lr"]})
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(means[monitor])
        elif self.scheduler is not None:
            self.scheduler.step()
        if self.early_stopping is not None:
            self.finished = self.early_stopping.update(means[monitor])
        self.kept.add(
            self.epoch,
            self.step,
            means[monitor],
            self.network.state_dict,
            facts={"metrics": means},
            training=self._kept_state if self.checkpoints.save_optimizer else None,
        )
        self.kept.flush()
        self.kept.prune()
        return self.history.epochs()[-1]

    def save_checkpoint(self, name: str) -> Path:
        """Write all as it is now under a name of your own, whatever the strategy and its settings keep; the file."""
        path = self.folder / "checkpoints" / f"{name}.safetensors"
        durable.write_weights(path, self.network.state_dict(), {"epoch": self.epoch, "step": self.step})
        durable.write_state(path.with_suffix(".pt"), self._state())
        return path

    def load_checkpoint(self, checkpoint: int | Path) -> None:
        """Go on from a kept epoch, or from a file of :meth:`save_checkpoint`: weights, optimizer, scheduler, place.

        The next step is that after the checkpoint: later epochs are then no longer of this training. In a new process
        the epochs before it come back, and those whose files are still there remain among the kept; steps do not.

        Raises:
            ScantuneError: it has weights only, or not the state of the optimizer or of the scheduler, so that training
                would go on otherwise; nothing is loaded then.
        """
        path = checkpoint if isinstance(checkpoint, Path) else self.kept.path(checkpoint)
        weights, state = durable.read_weights(path)[0], self._read_state(path)
        self.network.load_state_dict(weights)
        self.epoch, self.step = int(state["epoch"]), int(state["step"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        if self.early_stopping is not None and state["early_stopping"]:
            self.early_stopping.load(state["early_stopping"])
        self.finished, self._sums, self._went_back = False, {}, True
        if not any(row["epoch"] >= self.epoch for row in self.history.epochs()):  # a new process
            self.history.take([{"kind": "epoch", **row} for row in state["epochs"]])
            entries = [Entry(int(e), int(s), float(v)) for e, s, v in state["checkpoints"]["seen"]]
            self.kept.entries = [entry for entry in entries if self.kept.path(entry.epoch).exists()]

    def _read_state(self, path: Path) -> dict[str, Any]:
        companion = path.with_suffix(".pt")
        state = durable.read_state(companion) if companion.exists() else {}
        needed = {"optimizer": self.optimizer, "scheduler": self.scheduler}
        absent = [name for name, part in needed.items() if part is not None and state.get(name) is None]
        if absent:
            raise ScantuneError(
                f"{path}: without the state of the {' and the '.join(absent)} training would not go on as before: keep "
                f"checkpoints with CheckpointsConfig({', '.join(f'save_{name}=True' for name in absent)}), or load its "
                "weights alone by network.load_state_dict(safetensors.torch.load_file(path))"
            )
        return state

    def _forget_later_epochs(self) -> None:
        """Drop epochs after the present one, of which there are some where an earlier checkpoint was loaded."""
        if self._went_back:
            self._went_back = False
            self.kept.entries = [entry for entry in self.kept.entries if entry.epoch <= self.epoch]
            self.history.take([row for row in self.history.rows if row["epoch"] <= self.epoch])

    def get_training_summary(self) -> dict[str, Any]:
        """Epochs, steps, the best epoch with its metrics, the last one, and the checkpoints that are kept."""
        best, rows = self.kept.best(), self.history.epochs()
        of_best = next((row for row in rows if best is not None and row["epoch"] == best.epoch), None)
        return {
            "epochs": self.epoch,
            "steps": self.step,
            "best": of_best,
            "last": rows[-1] if rows else None,
            "checkpoints": self.kept.summary(),
        }

    def export_training_data(self, folder: Path | None = None) -> Path:
        """Write ``history.csv`` (by epoch), ``steps.csv``, ``history.json`` (both) and ``summary.json``; the folder."""
        target = Path(folder) if folder is not None else self.folder
        target.mkdir(parents=True, exist_ok=True)
        self.history.export(target)
        durable.write_json(target / "summary.json", self.get_training_summary())
        return target

    def _add(self, side: str, values: Values, samples: int) -> dict[str, float]:
        numbers = {n: float(v.detach()) if isinstance(v, Tensor) else float(v) for n, v in values.items()}
        for name, value in numbers.items():
            total = self._sums.setdefault(f"{side}_{name}", [0.0, 0.0])
            total[0] += value * samples
            total[1] += samples
        return numbers

    def _kept_state(self) -> dict[str, Any]:
        return self._state() | ({} if self.checkpoints.save_scheduler else {"scheduler": None})

    def _state(self) -> dict[str, Any]:
        return {
            "epoch": self.epoch,
            "step": self.step,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler is not None else None,
            "early_stopping": self.early_stopping.state() if self.early_stopping else {},
            "epochs": self.history.epochs(),
            "checkpoints": self.kept.state(),
        }
