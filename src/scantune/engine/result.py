"""Result of a training: the network, the facts of the training, and the output files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from scantune.engine import distributed, durable
from scantune.engine.history import Row
from scantune.engine.training import Training


@dataclass(frozen=True)
class FitResult:
    """Result of a training.

    Attributes:
        network: with the weights of the best epoch (or of the last, without ``restore_best_weights``), on the CPU.
        best_epoch: counted from 1; 0 where the metric was NaN in every epoch.
        best_value: of the monitored metric in that epoch.
        monitor: name of the monitored metric.
        metrics: row of the epoch whose weights the network has.
        history: a row per epoch.
        finished: reason of the end: ``all epochs`` or ``early stopping``.
        epochs: number of epochs.
        steps: number of optimizer steps.
        skipped: steps skipped because loss or gradient was not finite.
        resumed: whether it was resumed from a saved state.
        precision: ``32-true``, ``bf16-mixed`` or ``16-mixed``.
        device: type of device.
        world_size: number of processes.
        batch_size: at the end (smaller than configured, where ``on_out_of_memory: halve`` applied).
        unfrozen: epoch (from 1) to the names of the layers unfrozen in it.
        trained: number of trainable parameters at the end, and of all parameters.
        checkpoints: :meth:`Checkpoints.summary`.
        notes: remarks for the reader.
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
    """The result of a finished training; writes its files into ``out_dir``."""
    best = training.checkpoints.best()
    restores_best = training.settings.early_stopping.restore_best_weights  # whether or not it stops early
    if training.average is not None and not training.average.weights:
        start = training.average.start
        training.notes.append(
            f"no averaged weights: the training ended after epoch {training.position.epoch} ({training.finished}), and "
            f"train.swa averages from epoch {start + 1} on"
        )
    elif training.average is not None and restores_best and best is not None and best.epoch <= training.average.start:
        training.notes.append(
            f"no averaged weights: the best epoch is {best.epoch}, and train.swa averages from epoch "
            f"{training.average.start + 1} on; train.early_stopping.restore_best_weights: false takes the averages"
        )
    if best is None:
        training.notes.append(
            f"{training.checkpoints.monitor} was undefined in every epoch, so that none is the best: the weights "
            "are those of the last"
        )
    rows = training.history.epochs()
    # a copy on the CPU too: the best weights are loaded into these tensors
    last = {name: tensor.to("cpu", copy=True) for name, tensor in training.served_weights().items()}
    training.raw.load_state_dict(last)
    checkpoint = training.checkpoints.load(best.epoch) if best and training.fabric.is_global_zero else None
    best_weights = distributed.broadcast_object(training.fabric, checkpoint)
    if best is not None and restores_best and best_weights is not None:
        training.raw.load_state_dict(best_weights)
    if training.fabric.is_global_zero and out_dir is not None:
        _write_outputs(training, out_dir, last, best_weights or last)
    epoch = best.epoch if best and restores_best else training.position.epoch
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
        trained=_parameter_counts(training.raw),
        checkpoints=training.checkpoints.summary(),
        notes=training.notes,
    )


def _parameter_counts(network: nn.Module) -> tuple[int, int]:
    sizes = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return sum(n for n, trains in sizes if trains), sum(n for n, _ in sizes)


def _write_outputs(training: Training, out_dir: Path, last: dict[str, Any], best: dict[str, Any]) -> None:
    """History and checkpoints, without times and paths, so that a repeated run writes identical bytes."""
    training.history.export(out_dir)
    folder, checkpoints = out_dir / "checkpoints", training.checkpoints
    checkpoints.flush()
    for entry in checkpoints.retained() if checkpoints.folder != folder else ():
        for path in checkpoints.folder.glob(f"{checkpoints.path(entry.epoch).stem}.*"):
            durable.link(path, folder / path.name)
    durable.write_weights(folder / "last.safetensors", last, {"epoch": training.position.epoch})
    best_entry = checkpoints.best()
    durable.write_weights(
        folder / "best.safetensors", best, {"epoch": best_entry.epoch if best_entry else training.position.epoch}
    )
    durable.write_json(out_dir / "checkpoints.json", checkpoints.summary())
