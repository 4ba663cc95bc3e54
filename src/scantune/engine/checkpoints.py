"""Checkpoints in a folder: those that a strategy selects, and always the best. Usable in any training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from scantune.engine import durable
from scantune.engine.settings import CheckpointsConfig
from scantune.engine.strategies import Entry, Rule, best_of
from scantune.files import STAGED
from scantune.records import ScantuneError
from scantune.tasks.directions import direction

#: The part of a checkpoint, beside the weights, that resuming needs: nested primitives and tensors.
Training = Mapping[str, Any]


@dataclass
class Checkpoints:
    """Weights of chosen epochs in a folder.

    A new checkpoint stays in memory until :meth:`flush` writes those that are still retained; :meth:`prune` removes
    the files of all others. A loop that saves its state between the two calls never loses a file that the state names.

    Attributes:
        folder: where ``epoch-0007.safetensors`` (and ``epoch-0007.pt`` with the optimizer's state) go.
        settings: the ``checkpoints:`` block; ``monitor`` is ``val_loss`` where null.
        epochs: of the training, for the strategy ``time``.
        entries: every epoch so far.

    Raises:
        ScantuneError: the strategy ``time`` without the number of epochs.
    """

    folder: Path
    settings: CheckpointsConfig = field(default_factory=CheckpointsConfig)
    epochs: int = 0
    entries: list[Entry] = field(default_factory=list)
    _waiting: dict[int, tuple[dict[str, Tensor], dict[str, Any], Training | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.settings.strategy == "time" and self.epochs < 1:
            raise ScantuneError(
                "checkpoints.strategy: time keeps epochs at shares of the training: set epochs, the number of them"
            )
        self.monitor = self.settings.monitor or "val_loss"
        self.rule = Rule(self.settings, direction(self.monitor, self.settings.mode), self.epochs)

    def retained(self) -> list[Entry]:
        """Epochs whose weights are retained, in order: the strategy's selection and the best."""
        best = best_of(self.entries, self.rule.mode)
        chosen = {e.epoch: e for e in self.rule.select(self.entries)} | ({best.epoch: best} if best else {})
        return [chosen[epoch] for epoch in sorted(chosen)]

    def add(
        self,
        epoch: int,
        step: int,
        value: float,
        weights: Callable[[], Mapping[str, Tensor]],
        *,
        facts: Mapping[str, Any] | None = None,
        training: Callable[[], Training] | None = None,
    ) -> bool:
        """Add an epoch; True where its weights are retained.

        Args:
            epoch: counted from 1.
            step: optimizer steps done.
            value: of the monitored metric.
            weights: returns the weights; called only where they are retained, and copied.
            facts: written into the file's header.
            training: returns the state that resuming needs; None keeps the weights only.
        """
        self.entries.append(Entry(epoch, step, float(value)))
        retained = {e.epoch for e in self.retained()}
        self._waiting = {e: pending for e, pending in self._waiting.items() if e in retained}
        if epoch not in retained:
            return False
        weights_copy = {name: tensor.detach().cpu().clone() for name, tensor in weights().items()}
        header = dict(facts or {}, epoch=epoch, step=step, monitor=self.monitor, value=float(value))
        self._waiting[epoch] = (weights_copy, header, training() if training else None)
        return True

    def note(self, epoch: int, step: int, value: float) -> None:
        """Record an epoch's metric without weights, in processes other than the first."""
        self.entries.append(Entry(epoch, step, float(value)))

    def adopt(self, source: Path, epochs: Sequence[int], *, link: bool) -> None:
        """Take over the files of epochs from another folder: by links, or into memory until :meth:`flush`."""
        for epoch in epochs:
            weights = source / self.path(epoch).name
            companion = weights.with_suffix(".pt")
            if not link:
                training = durable.read_state(companion) if companion.exists() else None
                self._waiting[epoch] = (*durable.read_weights(weights), training)
            elif source.resolve() != self.folder.resolve():
                for file in filter(Path.exists, (weights, companion)):
                    durable.link(file, self.folder / file.name)

    def flush(self) -> None:
        """Write the pending checkpoints. Raises :class:`~scantune.files.DiskFullError` where the disk is full."""
        for epoch, (weights, facts, training) in list(self._waiting.items()):
            if training is not None:
                durable.write_state(self.path(epoch).with_suffix(".pt"), training)
            durable.write_weights(self.path(epoch), weights, facts)
            del self._waiting[epoch]

    def prune(self) -> None:
        """Remove the files of epochs that are not retained."""
        retained = {self.path(e.epoch).stem for e in self.retained()}
        for path in self.folder.glob("epoch-*"):
            if path.stem not in retained:
                path.unlink(missing_ok=True)
        for path in self.folder.glob(f".*{STAGED}"):
            path.unlink(missing_ok=True)

    def path(self, epoch: int) -> Path:
        """File of an epoch's weights."""
        return self.folder / f"epoch-{epoch:04d}.safetensors"

    def files(self) -> list[Path]:
        """Existing weight files, oldest first."""
        return sorted(self.folder.glob("epoch-*.safetensors"))

    def best(self) -> Entry | None:
        """The best epoch; None where the metric was NaN in every epoch."""
        return best_of(self.entries, self.rule.mode)

    def load(self, epoch: int) -> dict[str, Tensor]:
        """The weights of an epoch, from memory or file."""
        if epoch in self._waiting:
            return self._waiting[epoch][0]
        return durable.read_weights(self.path(epoch))[0]

    def summary(self) -> dict[str, Any]:
        """Strategy, best epoch and retained checkpoints as JSON-serialisable values; files by name without folder."""
        best = self.best()
        rows = [dict(asdict(e), file=self.path(e.epoch).name) for e in self.retained()]
        return {
            "strategy": self.settings.strategy,
            "max_checkpoints": self.settings.limit,
            "monitor": self.monitor,
            "mode": self.rule.mode,
            "best": {"epoch": best.epoch, "value": best.value} if best else None,
            "checkpoints": rows,
        }

    def state(self) -> dict[str, Any]:
        """State for :meth:`restore`."""
        return {"seen": [[e.epoch, e.step, e.value] for e in self.entries]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore :meth:`state`; files of epochs that it does not name are removed."""
        self.entries = [Entry(int(e), int(s), float(v) if v is not None else math.nan) for e, s, v in state["seen"]]
        self._waiting.clear()
        self.prune()
