"""Saving and restoring of a training: all of the state that its remaining steps depend on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from scantune.engine import distributed, durable, versions
from scantune.engine.faults import OutOfMemoryError, ResumeError
from scantune.engine.history import EXPORTED_NAME, JOURNAL_NAME, rows_in
from scantune.engine.identity import IN_COMMON, differences, identity
from scantune.engine.strategies import Entry, best_of
from scantune.engine.training import Position, Sums, Training
from scantune.records import ScantuneError

FORMAT = 2
STATE_NAME = "state.pt"
SMALLER_NAME = "smaller_batch.json"
_OTHER_FORMAT = "the saved state is of another version of scantune"


def environment(training: Training) -> dict[str, Any]:
    """Versions, precision, device and processes of this training."""
    precision = str(training.fabric.strategy.precision.precision)
    return versions.versions() | versions.circumstances(precision, training.device, training.fabric.world_size)


def loop_state(training: Training) -> dict[str, Any]:
    """The state except weights and files: what resuming from a checkpoint needs."""
    return {
        "format": FORMAT,
        "settings": identity(training),
        "circumstances": environment(training),
        "optimizer": training.plain_optimizer.state_dict(),
        "scaler": training.fabric.strategy.precision.state_dict(),
        "schedule": training.schedule.state(),
        "term_weights": _state_of(training.term_weights),
        "early_stopping": training.early_stopping.state() if training.early_stopping else {},
        "position": asdict(training.position),
        "batch_size": training.batch_size,
        "accumulation": training.accumulation,
        "finished": training.finished,
        "unfrozen": {str(epoch): list(names) for epoch, names in training.unfrozen.items()},
        "rows": len(training.history.rows),
        "checkpoints": training.checkpoints.state(),
        **({"average": training.average.state()} if training.average else {}),
    }


def _state_of(component: Any) -> dict[str, Any]:
    return component.state_dict() if hasattr(component, "state_dict") else {}


def save(training: Training) -> None:
    """Save the training durably. All processes call it; the first one writes.

    The order matters: first rows and checkpoint files, then the state that names them, then the removal of files that
    it no longer names. After a kill between any two of these, all files that the old state names still exist.

    Raises:
        DiskFullError: the disk is full; the previous state is unchanged.
    """
    shards = distributed.gather_objects(training.fabric, training.sums.arrays())
    if not training.fabric.is_global_zero or training.state_path is None:
        return
    training.history.sync()
    training.checkpoints.flush()
    state = loop_state(training) | {"network": training.trained_weights(), "sums": _sums_state(training.sums, shards)}
    durable.write_state(training.state_path, state)
    training.checkpoints.prune()


def _sums_state(sums: Sums, shards: list[Any]) -> dict[str, Any]:
    non_empty = [s for s in shards if len(s[2])]
    parts = [torch.cat([torch.from_numpy(s[k]) for s in non_empty]) if non_empty else torch.zeros(0) for k in range(3)]
    return {
        "totals": sums.totals.cpu(),
        "weights": sums.weights.cpu(),
        "reduced": parts[0],
        "targets": parts[1],
        "index": parts[2],
    }


def restore(training: Training, path: Path) -> bool:
    """Restore a saved state; False where there is none.

    Raises:
        ResumeError: the state has other settings or (``resume: exact``) another environment.
        ScantuneError: the file is damaged or not safe to read.
    """
    if not path.exists() or training.settings.resume == "never":
        return False
    state = durable.read_state(path)
    if state.get("format") != FORMAT:
        raise ResumeError(f"{path.parent}: {_OTHER_FORMAT}; remove the folder to start again")
    changed = differences(state["settings"], identity(training))
    if changed:
        raise ResumeError(
            f"{path.parent}: the saved state belongs to another training ({'; '.join(changed.values())}); remove the "
            "folder to start again"
        )
    differing = versions.compare(state["circumstances"], environment(training), training.settings.resume)
    if differing:
        training.notes.append("resumed from a state of another environment: " + "; ".join(differing))
    training.raw.load_state_dict(state["network"])
    training.history.restore(int(state["rows"]))
    _share_history(training)
    if training.fabric.is_global_zero:
        training.checkpoints.restore(state["checkpoints"])
        _restore_sums(training, state["sums"])
    else:
        training.checkpoints.entries = _saved_entries(state)
    _restore_loop(training, state)
    return True


def _share_history(training: Training) -> None:
    """Give all processes the rows that the first has read: weights of the loss go by them."""
    training.history.take(distributed.broadcast_object(training.fabric, training.history.rows))


def _saved_entries(state: dict[str, Any]) -> list[Any]:
    return [Entry(int(e), int(s), float(v)) for e, s, v in state["checkpoints"]["seen"]]


def _restore_loop(training: Training, state: dict[str, Any]) -> None:
    training.plain_optimizer.load_state_dict(state["optimizer"])
    training.fabric.strategy.precision.load_state_dict(state["scaler"])
    training.schedule.load(state["schedule"])
    if training.early_stopping and state["early_stopping"]:
        training.early_stopping.load(state["early_stopping"])
    if hasattr(training.term_weights, "load_state_dict"):
        training.term_weights.load_state_dict(state["term_weights"])
    training.position = Position(**state["position"])
    if int(state["batch_size"]) < training.batch_size:  # out of memory before
        training.batch_size, training.accumulation = int(state["batch_size"]), int(state["accumulation"])
    training.finished = state["finished"]
    if training.average is not None:
        training.average.load(state["average"], training.device)
    training.unfrozen = {int(epoch): list(names) for epoch, names in state["unfrozen"].items()}


def _restore_sums(training: Training, state: dict[str, Any]) -> None:
    sums = training.sums
    sums.totals = state["totals"].to(sums.totals)
    sums.weights = state["weights"].to(sums.weights)
    if len(state["index"]):
        sums.reduced, sums.targets, sums.index = [state["reduced"]], [state["targets"]], [state["index"]]


def request_smaller_batch(training: Training) -> ScantuneError | None:
    """Record beside the state that the next start halves the batch; returns the error. None without a state."""
    if training.state_path is None:
        return None
    smaller = {"batch_size": -(-training.batch_size // 2), "accumulation": training.accumulation * 2}
    durable.write_json(training.state_path.with_name(SMALLER_NAME), smaller)
    return OutOfMemoryError(
        f"out of memory on {training.device} with train.batch_size {training.batch_size}. All "
        f"{training.fabric.world_size} processes end; start again to resume from the last saved step with "
        f"batch_size {smaller['batch_size']} and grad_accumulation_steps {smaller['accumulation']}"
    )


def apply_smaller_batch(training: Training) -> None:
    """Apply the smaller batch that an earlier start recorded."""
    path = None if training.state_path is None else training.state_path.with_name(SMALLER_NAME)
    if path is None or not path.exists():
        return
    smaller = json.loads(path.read_text())
    if smaller["batch_size"] < training.batch_size:
        training.batch_size, training.accumulation = smaller["batch_size"], smaller["accumulation"]
        training.notes.append(
            f"out of memory at an earlier start: batch_size {training.batch_size}, grad_accumulation_steps "
            f"{training.accumulation} from here"
        )


def load_checkpoint(training: Training, weights: Path) -> None:
    """Resume from a checkpoint (``epoch-0007.safetensors`` with its ``.pt``) instead of the last state.

    Settings that changed since, as the learning rate and the number of epochs, take effect from then on.

    Raises:
        ScantuneError: the checkpoint was written without the optimizer.
        ResumeError: a setting that may not change did.
    """
    companion = weights.with_suffix(".pt")
    if not companion.exists():
        raise ScantuneError(
            f"{weights.name} has weights only; to resume from a checkpoint set train.checkpoints.save_optimizer and "
            "save_scheduler, or start from its weights by model.weights"
        )
    state = durable.read_state(companion)
    _check_average(training, state, weights.name)
    changed = _changed(training, state, weights.name)
    training.raw.load_state_dict(state["trained"] if training.average else durable.read_weights(weights)[0])
    _take_history(training, weights, int(state["rows"]))
    training.checkpoints.entries = _entries_at_hand(training, state, weights)
    options = [{name: value for name, value in g.items() if name != "params"} for g in _groups(training)]
    _restore_loop(training, state)
    for group, current in zip(_groups(training), options, strict=True):
        group.update({"initial_lr": current["lr"], **current})
    if changed:
        training.notes.append(f"resumed from {weights.name} with other settings: {'; '.join(changed)}")


def _take_history(training: Training, weights: Path, rows: int) -> None:
    """The history up to a checkpoint, from the folder above that of the weights."""
    if training.fabric.is_global_zero:
        training.history.replace(rows_in(weights.parent.parent, rows))
        if len(training.history.rows) < rows:
            training.notes.append(
                f"the history up to {weights.name} is not in the folder above it ({JOURNAL_NAME} or {EXPORTED_NAME}): "
                "that of this training begins after it"
            )
    _share_history(training)


def _groups(training: Training) -> list[dict[str, Any]]:
    return training.plain_optimizer.param_groups


def _changed(training: Training, state: dict[str, Any], name: str) -> list[str]:
    """What differs from the settings of a checkpoint's training, as text.

    Raises:
        ResumeError: it is of another version, past the last epoch, or differs in what it must have in common.
    """
    if state.get("format") != FORMAT:
        raise ResumeError(f"{name}: {_OTHER_FORMAT}; start from its weights by model.weights")
    completed, epochs = state["position"]["epoch"], training.settings.epochs
    if completed >= epochs:
        raise ResumeError(f"{name} has {completed} completed epochs and train.epochs is {epochs}: set more than that")
    changed = differences(state["settings"], identity(training))
    refused = [text for key, text in changed.items() if key in IN_COMMON and key in state["settings"]]
    if refused:
        raise ResumeError(
            f"{name} cannot be resumed from with other settings ({'; '.join(refused)}): set them as they were, or "
            "start from its weights by model.weights"
        )
    return list(changed.values())


def _entries_at_hand(training: Training, state: dict[str, Any], weights: Path) -> list[Entry]:
    """Epochs up to a checkpoint whose weights lie beside it: only these can still be retained and be the best.

    Their files become those of this training.
    """
    there: list[Entry] | None = None
    if training.fabric.is_global_zero:
        checkpoints, saved = training.checkpoints, _saved_entries(state)
        there = [e for e in saved if (weights.parent / checkpoints.path(e.epoch).name).exists()]
        checkpoints.adopt(weights.parent, [e.epoch for e in there], link=training.state_path is not None)
        best, left = best_of(saved, checkpoints.rule.mode), best_of(there, checkpoints.rule.mode)
        if best is not None and (left is None or left.epoch != best.epoch):
            training.notes.append(
                f"epoch {best.epoch} had the best {checkpoints.monitor}, {best.value:.6g}, up to {weights.name}; its "
                "weights are no longer beside that file, so that it cannot be the best epoch"
            )
    return distributed.broadcast_object(training.fabric, there)  # type: ignore[no-any-return]


def _check_average(training: Training, state: dict[str, Any], name: str) -> None:
    """Refuse a checkpoint whose weights are averaged in another way than this training averages them.

    Raises:
        ScantuneError: with both settings.
    """
    saved = state.get("average", {}).get("settings")
    current = training.average.identity if training.average else None
    if saved != current:
        raise ScantuneError(
            f"{name} was written by a training with {_average_text(saved)}, and this one has {_average_text(current)}: "
            "set train.ema and train.swa as they were, or start from its weights by model.weights"
        )


def _average_text(average: dict[str, Any] | None) -> str:
    if average is None:
        return "neither train.ema nor train.swa"
    if average["decay"] is not None:
        return f"train.ema {average['decay']:g}"
    rate = "" if average["rate"] is None else f", learning rate × {average['rate']:g}"
    return f"train.swa from epoch {average['start'] + 1}{rate}"
