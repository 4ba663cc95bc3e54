"""What a training gives: the network, how it came about, and the files that say so."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from scantune.engine import distributed, durable
from scantune.engine.history import Row
from scantune.engine.training import Training


@dataclass(frozen=True)
class FitResult:
    """What a training gave.

    Attributes:
        network: with the best epoch's weights (or the last's, where that was asked for), on the CPU.
        best_epoch: counted from 1; 0 where no figure was ever a number.
        best_value: the monitored figure there.
        monitor: its name.
        metrics: the row of the epoch whose weights the network has.
        history: a row an epoch.
        finished: why it ended: ``all epochs`` or ``early stopping``.
        epochs: epochs done.
        steps: optimizer steps done.
        skipped: steps left out because they were not finite.
        resumed: whether it went on from a saved state.
        precision: ``32-true``, ``bf16-mixed`` or ``16-mixed``.
        device: kind of device.
        world_size: processes.
        batch_size: at the end (smaller than asked for, where memory was short and halving allowed).
        unfrozen: epoch (from 1) to the names of what began to train then.
        trained: numbers that train at the end, and all there are.
        checkpoints: :meth:`Checkpoints.summary`.
        notes: what a reader should know.
    """

    network: nn.Module
    best_epoch: int
    best_value: float
    monitor: str
    metrics: dict[str, Any]
    history: list[Row]
    finished: str
    epochs: int
    steps: int
    skipped: int
    resumed: bool
    precision: str
    device: str
    world_size: int
    batch_size: int
    unfrozen: dict[int, list[str]]
    trained: tuple[int, int]
    checkpoints: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def result_of(training: Training, out_dir: Path | None, resumed: bool) -> FitResult:
    """The result of a finished training; its files land in ``out_dir``."""
    best = training.checkpoints.best()
    keeps_best = training.early_stopping is None or training.early_stopping.restore_best_weights
    rows = training.history.epochs()
    last = {name: tensor.cpu() for name, tensor in training.raw.state_dict().items()}
    loaded = training.checkpoints.load(best.epoch) if best and training.fabric.is_global_zero else None
    own = distributed.from_first(training.fabric, loaded)
    if best is not None and keeps_best and own is not None:
        training.raw.load_state_dict(own)
    if training.fabric.is_global_zero and out_dir is not None:
        _write_outputs(training, out_dir, last, own or last)
    epoch = best.epoch if best and keeps_best else training.position.epoch
    return FitResult(
        network=training.raw.cpu().eval(),
        best_epoch=best.epoch if best else 0,
        best_value=best.value if best else float("nan"),
        monitor=training.checkpoints.monitor,
        metrics=next((row for row in rows if row["epoch"] == epoch), {}),
        history=rows,
        finished=training.finished,
        epochs=training.position.epoch,
        steps=training.position.step,
        skipped=training.position.skipped,
        resumed=resumed,
        precision=str(training.fabric.strategy.precision.precision),
        device=training.device.type,
        world_size=training.fabric.world_size,
        batch_size=training.batch_size,
        unfrozen=training.unfrozen,
        trained=_counted(training.raw),
        checkpoints=training.checkpoints.summary(),
        notes=training.notes,
    )


def _counted(network: nn.Module) -> tuple[int, int]:
    sizes = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return sum(n for n, trains in sizes if trains), sum(n for n, _ in sizes)


def _write_outputs(training: Training, out_dir: Path, last: dict[str, Any], best: dict[str, Any]) -> None:
    """History and checkpoints, with no time and no path in them, so that a repeated run writes the same bytes."""
    training.history.export(out_dir)
    folder, keeper = out_dir / "checkpoints", training.checkpoints
    keeper.flush()
    for path in (f for e in keeper.wanted() for f in keeper.folder.glob(f"{keeper.path(e.epoch).stem}.*")):
        if keeper.folder != folder:
            durable.link(path, folder / path.name)
    durable.write_weights(folder / "last.safetensors", last, {"epoch": training.position.epoch})
    found = keeper.best()
    durable.write_weights(
        folder / "best.safetensors", best, {"epoch": found.epoch if found else training.position.epoch}
    )
    durable.write_json(out_dir / "checkpoints.json", keeper.summary())


def forget(state_dir: Path) -> None:
    """Remove the state of a training whose outputs are all written; the next one starts anew."""
    for path in state_dir.glob("*") if state_dir.exists() else ():
        if path.name != "undelivered.jsonl":  # figures that a server has yet to take
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if state_dir.exists() and not any(state_dir.iterdir()):
        state_dir.rmdir()
