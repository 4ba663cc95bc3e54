"""A training to a file and back: everything that the rest of it depends on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from scantune import files
from scantune.engine import distributed, durable, versions
from scantune.engine.faults import OutOfMemoryError, ResumeError
from scantune.engine.training import Position, Sums, Training
from scantune.records import ScantuneError

FORMAT = 1
STATE_NAME = "state.pt"
JOURNAL_NAME = "history.jsonl"
SMALLER_NAME = "smaller_batch.json"


def settings_of(training: Training) -> dict[str, Any]:
    """The settings that decide the end result; a state made under others belongs to another training."""
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
    }


def circumstances_of(training: Training) -> dict[str, Any]:
    """Versions and circumstances of this process."""
    precision = str(training.fabric.strategy.precision.precision)
    return versions.versions() | versions.circumstances(precision, training.device, training.fabric.world_size)


def loop_state(training: Training) -> dict[str, Any]:
    """All but the network's weights and what hangs on files: what a checkpoint needs to be gone on from."""
    return {
        "format": FORMAT,
        "settings": settings_of(training),
        "circumstances": circumstances_of(training),
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
    }


def _state_of(held: Any) -> dict[str, Any]:
    return held.state_dict() if hasattr(held, "state_dict") else {}


def save(training: Training) -> None:
    """Make what was done so far durable. All processes call it; the first one writes.

    The order matters: rows and checkpoint files first, then the state that names them, then files that it no longer
    names are removed. Killed between any two of these, the old state still finds all it names.

    Raises:
        DiskFullError: no room; the state before is untouched.
    """
    shards = distributed.gathered(training.fabric, training.sums.arrays())
    if not training.fabric.is_global_zero or training.state_path is None:
        return
    training.history.sync()
    training.checkpoints.flush()
    state = loop_state(training) | {"network": training.raw.state_dict(), "sums": _sums_state(training.sums, shards)}
    durable.write_state(training.state_path, state)
    training.checkpoints.prune()


def _sums_state(sums: Sums, shards: list[Any]) -> dict[str, Any]:
    held = [s for s in shards if len(s[2])]
    parts = [torch.cat([torch.from_numpy(s[k]) for s in held]) if held else torch.zeros(0) for k in range(3)]
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
    """Go on from a saved state; False where there is none.

    Raises:
        ResumeError: the state belongs to other settings, or (``resume: exact``) to other versions or circumstances.
        ScantuneError: the file is damaged or is not safe to read.
    """
    if not path.exists() or training.settings.resume == "never":
        return False
    state = durable.read_state(path)
    if state.get("format") != FORMAT or state["settings"] != settings_of(training):
        raise ResumeError(f"{path.parent}: {_other_settings(state, training)}; remove the folder to start anew")
    differing = versions.compare(state["circumstances"], circumstances_of(training), training.settings.resume)
    if differing:
        training.notes.append("gone on from a state made under other circumstances: " + "; ".join(differing))
    training.raw.load_state_dict(state["network"])
    training.history.restore(int(state["rows"]))
    if training.fabric.is_global_zero:
        training.checkpoints.restore(state["checkpoints"])
        _restore_sums(training, state["sums"])
    else:
        training.checkpoints.seen = _seen(state)
    _restore_loop(training, state)
    return True


def _seen(state: dict[str, Any]) -> list[Any]:
    from scantune.engine.strategies import Entry

    return [Entry(int(e), int(s), float(v)) for e, s, v in state["checkpoints"]["seen"]]


def _other_settings(state: dict[str, Any], training: Training) -> str:
    now, saved = settings_of(training), state.get("settings", {})
    differing = [f"{k} was {saved.get(k)} and is {v}" for k, v in now.items() if saved.get(k) != v]
    return "the saved training was another one (" + ("; ".join(differing) or "an older format") + ")"


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
    training.unfrozen = {int(epoch): list(names) for epoch, names in state["unfrozen"].items()}


def _restore_sums(training: Training, state: dict[str, Any]) -> None:
    sums = training.sums
    sums.totals = state["totals"].to(sums.totals)
    sums.weights = state["weights"].to(sums.weights)
    sums.loss = state["loss"].to(sums.loss)
    sums.steps = int(state["steps"])
    if len(state["index"]):
        sums.reduced, sums.targets, sums.index = [state["reduced"]], [state["targets"]], [state["index"]]


def halve_at_next_start(training: Training) -> ScantuneError | None:
    """Leave word beside the state that the next start takes half the batch; what is said now. None without a state."""
    if training.state_path is None:
        return None
    smaller = {"batch_size": -(-training.batch_size // 2), "accumulation": training.accumulation * 2}
    durable.write_json(training.state_path.with_name(SMALLER_NAME), smaller)
    return OutOfMemoryError(
        f"out of memory on {training.device} with train.batch_size {training.batch_size}. All "
        f"{training.fabric.world_size} processes end; started again, the training goes on from its last saved step "
        f"with batch_size {smaller['batch_size']} and grad_accumulation_steps {smaller['accumulation']}"
    )


def take_smaller(training: Training) -> None:
    """The smaller batch that an earlier start left word of."""
    path = None if training.state_path is None else training.state_path.with_name(SMALLER_NAME)
    if path is None or not path.exists():
        return
    held = json.loads(path.read_text())
    if held["batch_size"] < training.batch_size:
        training.batch_size, training.accumulation = held["batch_size"], held["accumulation"]
        training.notes.append(
            f"out of memory at an earlier start: batch_size {training.batch_size}, grad_accumulation_steps "
            f"{training.accumulation} from here"
        )


def load_checkpoint(training: Training, weights: Path) -> None:
    """Go on from a kept epoch (``epoch-0007.safetensors`` with its ``.pt`` beside it) instead of the last state.

    Raises:
        ScantuneError: the checkpoint was kept without the optimizer.
    """
    companion = weights.with_suffix(".pt")
    if not companion.exists():
        raise ScantuneError(
            f"{weights.name} holds weights alone; to go on from a checkpoint set train.checkpoints.save_optimizer and "
            "save_scheduler, or start from its weights by model.weights"
        )
    state = durable.read_state(companion)
    training.raw.load_state_dict(durable.read_weights(weights)[0])
    journal = training.history.journal
    source = weights.parent.parent / JOURNAL_NAME
    if journal is not None and source.exists() and source != journal:
        files.write_text(journal, source.read_text(encoding="utf-8"))
    training.history.restore(int(state["rows"]))
    training.checkpoints.seen = _seen(state)
    _restore_loop(training, state)
