"""Saving and restoring of a training: all of the state that its remaining steps depend on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from scantune import files
from scantune.engine import distributed, durable, versions
from scantune.engine.faults import OutOfMemoryError, ResumeError
from scantune.engine.strategies import Entry
from scantune.engine.training import Position, Sums, Training
from scantune.records import ScantuneError

FORMAT = 1
STATE_NAME = "state.pt"
JOURNAL_NAME = "history.jsonl"
SMALLER_NAME = "smaller_batch.json"


def identity(training: Training) -> dict[str, Any]:
    """Settings that determine the result; a state with other settings belongs to another training."""
    s = training.settings
    return {
        "epochs": s.epochs,
        "effective_batch": s.batch_size * s.grad_accumulation_steps * training.fabric.world_size,
        "steps_per_epoch": training.steps_per_epoch,
        "seed": s.seed,
        "sampler": s.sampler,
        "terms": ",".join(training.terms),
        "schedule": f"{training.schedule.name} {sorted(training.schedule.options.items())}",
        "parameters": sum(p.numel() for p in training.raw.parameters()),
        **({"average": training.average.identity} if training.average else {}),
    }


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
        "loss": sums.loss.cpu(),
        "steps": sums.steps,
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
    if state.get("format") != FORMAT or state["settings"] != identity(training):
        raise ResumeError(f"{path.parent}: {_setting_differences(state, training)}; remove the folder to start again")
    differing = versions.compare(state["circumstances"], environment(training), training.settings.resume)
    if differing:
        training.notes.append("resumed from a state of another environment: " + "; ".join(differing))
    training.raw.load_state_dict(state["network"])
    training.history.restore(int(state["rows"]))
    if training.fabric.is_global_zero:
        training.checkpoints.restore(state["checkpoints"])
        _restore_sums(training, state["sums"])
    else:
        training.checkpoints.entries = _saved_entries(state)
    _restore_loop(training, state)
    return True


def _saved_entries(state: dict[str, Any]) -> list[Any]:
    return [Entry(int(e), int(s), float(v)) for e, s, v in state["checkpoints"]["seen"]]


def _setting_differences(state: dict[str, Any], training: Training) -> str:
    current, saved = identity(training), state.get("settings", {})
    differing = [f"{k} was {saved.get(k)} and is {v}" for k, v in current.items() if saved.get(k) != v]
    return "the saved state belongs to another training (" + ("; ".join(differing) or "an older format") + ")"


def _restore_loop(training: Training, state: dict[str, Any]) -> None:
    training.plain_optimizer.load_state_dict(state["optimizer"])
    training.fabric.strategy.precision.load_state_dict(state["scaler"])
    training.schedule.load(state["schedule"])
    if training.early_stopping and state["early_stopping"]:
        training.early_stopping.load(state["early_stopping"])
    if hasattr(training.term_weights, "load_state_dict"):
        training.term_weights.load_state_dict(state["term_weights"])
    training.position = Position(**state["position"])
    training.batch_size, training.accumulation = int(state["batch_size"]), int(state["accumulation"])
    training.finished = state["finished"]
    if training.average is not None:
        training.average.load(state["average"], training.device)
    training.unfrozen = {int(epoch): list(names) for epoch, names in state["unfrozen"].items()}


def _restore_sums(training: Training, state: dict[str, Any]) -> None:
    sums = training.sums
    sums.totals = state["totals"].to(sums.totals)
    sums.weights = state["weights"].to(sums.weights)
    sums.loss = state["loss"].to(sums.loss)
    sums.steps = int(state["steps"])
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

    Raises:
        ScantuneError: the checkpoint was written without the optimizer.
    """
    companion = weights.with_suffix(".pt")
    if not companion.exists():
        raise ScantuneError(
            f"{weights.name} has weights only; to resume from a checkpoint set train.checkpoints.save_optimizer and "
            "save_scheduler, or start from its weights by model.weights"
        )
    state = durable.read_state(companion)
    _check_average(training, state, weights.name)
    training.raw.load_state_dict(state["trained"] if training.average else durable.read_weights(weights)[0])
    journal = training.history.journal
    source = weights.parent.parent / JOURNAL_NAME
    if journal is not None and source.exists() and source != journal:
        files.write_text(journal, source.read_text(encoding="utf-8"))
    training.history.restore(int(state["rows"]))
    training.checkpoints.entries = _saved_entries(state)
    _restore_loop(training, state)


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
