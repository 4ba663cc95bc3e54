"""Checkpoints in a folder: what a strategy keeps, and the best in any case. Usable in any loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from scantune.engine import durable
from scantune.engine.strategies import Entry, Strategy, best_of
from scantune.files import STAGED
from scantune.tasks.directions import direction

#: What a checkpoint holds beside the weights where training is to go on from it: nested primitives and tensors.
Training = Mapping[str, Any]


@dataclass
class Checkpoints:
    """Weights of chosen epochs in a folder.

    A new checkpoint waits in memory until :meth:`flush`: then those that are still wanted are written, and
    :meth:`prune` removes the files that no longer are. A loop that records its state between the two never loses a
    file that the recorded state names.

    Attributes:
        folder: where ``epoch-0007.safetensors`` (and ``epoch-0007.pt`` with the optimizer's state) go.
        strategy: which epochs.
        monitor: name of the figure they are ranked by.
        seen: every epoch so far.
    """

    folder: Path
    strategy: Strategy = field(default_factory=Strategy)
    monitor: str = "val_loss"
    seen: list[Entry] = field(default_factory=list)
    _waiting: dict[int, tuple[dict[str, Tensor], dict[str, Any], Training | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.strategy.mode == "auto":  # a loop without a task
            self.strategy = replace(self.strategy, mode=direction(self.monitor))

    def wanted(self) -> list[Entry]:
        """Epochs whose weights are kept now, in order: the strategy's choice and the best."""
        best = best_of(self.seen, self.strategy.mode)
        chosen = {e.epoch: e for e in self.strategy.kept(self.seen)} | ({best.epoch: best} if best else {})
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
        """Consider an epoch; True where it is kept.

        Args:
            epoch: counted from 1.
            step: optimizer steps done.
            value: the monitored figure.
            weights: gives the weights; called only where they are kept, and copied.
            facts: what the file's header says of it.
            training: gives what is needed to train on from it; None keeps weights alone.
        """
        self.seen.append(Entry(epoch, step, float(value)))
        wanted = {e.epoch for e in self.wanted()}
        self._waiting = {e: held for e, held in self._waiting.items() if e in wanted}
        if epoch not in wanted:
            return False
        copied = {name: tensor.detach().cpu().clone() for name, tensor in weights().items()}
        described = dict(facts or {}, epoch=epoch, step=step, monitor=self.monitor, value=float(value))
        self._waiting[epoch] = (copied, described, training() if training else None)
        return True

    def note(self, epoch: int, step: int, value: float) -> None:
        """Remember an epoch's figure without keeping weights: what processes other than the first do."""
        self.seen.append(Entry(epoch, step, float(value)))

    def flush(self) -> None:
        """Write what waits. Raises :class:`~scantune.files.DiskFullError` where there is no room."""
        for epoch, (weights, facts, training) in list(self._waiting.items()):
            if training is not None:
                durable.write_state(self.path(epoch).with_suffix(".pt"), training)
            durable.write_weights(self.path(epoch), weights, facts)
            del self._waiting[epoch]

    def prune(self) -> None:
        """Remove the files of epochs that are not wanted."""
        wanted = {self.path(e.epoch).stem for e in self.wanted()}
        for path in self.folder.glob("epoch-*"):
            if path.stem not in wanted:
                path.unlink(missing_ok=True)
        for path in self.folder.glob(f".*{STAGED}"):
            path.unlink(missing_ok=True)

    def path(self, epoch: int) -> Path:
        """The weights of an epoch."""
        return self.folder / f"epoch-{epoch:04d}.safetensors"

    def files(self) -> list[Path]:
        """The weight files that there are, oldest first."""
        return sorted(self.folder.glob("epoch-*.safetensors"))

    def best(self) -> Entry | None:
        """The best epoch; None where no figure was ever a number."""
        return best_of(self.seen, self.strategy.mode)

    def load(self, epoch: int) -> dict[str, Tensor]:
        """The weights of an epoch, from memory or file."""
        if epoch in self._waiting:
            return self._waiting[epoch][0]
        return durable.read_weights(self.path(epoch))[0]

    def summary(self) -> dict[str, Any]:
        """The strategy, the best and what is kept, as JSON-able values with file names alone."""
        best = self.best()
        rows = [dict(asdict(e), file=self.path(e.epoch).name) for e in self.wanted()]
        return {
            "strategy": self.strategy.name,
            "max_checkpoints": self.strategy.limit,
            "monitor": self.monitor,
            "mode": self.strategy.mode,
            "best": {"epoch": best.epoch, "value": best.value} if best else None,
            "checkpoints": rows,
        }

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        return {"seen": [[e.epoch, e.step, e.value] for e in self.seen]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state`; files of epochs that it does not name are removed."""
        self.seen = [Entry(int(e), int(s), float(v) if v is not None else math.nan) for e, s, v in state["seen"]]
        self._waiting.clear()
        self.prune()
