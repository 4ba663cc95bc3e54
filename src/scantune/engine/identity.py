"""Settings that determine the result of a training: what a saved state must share with the training that resumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scantune.digests import SHORT, text_digest
from scantune.engine.data import Samples
from scantune.engine.training import Training

#: Settings that do not determine the result, or (batch and accumulation, averages) by what is derived from them alone.
_WITHOUT_EFFECT = {
    "batch_size", "grad_accumulation_steps", "ema", "swa", "classes", "workers", "pin_memory", "clear_cache", "resume",
    "save_every_minutes", "save_every_steps", "log_every", "progress", "watch_parent", "on_out_of_memory",
    "on_non_finite", "monitoring",
}  # fmt: skip
#: What a training that resumes from a checkpoint must have in common with that of the checkpoint.
IN_COMMON = (
    "effective_batch", "steps_per_epoch", "optimizer", "groups", "parameters", "monitor", "ranked_by", "stopped_by",
)  # fmt: skip


def identity(training: Training) -> dict[str, Any]:
    """Settings that determine the result; a state with other settings belongs to another training."""
    s, groups = training.settings, training.plain_optimizer.param_groups
    chosen = s.model_dump(mode="json", exclude=_WITHOUT_EFFECT)
    return {
        **chosen,
        "effective_batch": s.batch_size * s.grad_accumulation_steps * training.fabric.world_size,
        "steps_per_epoch": training.steps_per_epoch,
        "terms": ",".join(training.terms),
        "schedule": f"{training.schedule.name} {sorted(training.schedule.options.items())}",
        "parameters": sum(p.numel() for p in training.raw.parameters()),
        "optimizer": s.optimizer.name,
        "optimizer_options": {k: v for k, v in chosen["optimizer"].items() if k != "name"},
        "groups": ", ".join(f"{g['name']} {sum(p.numel() for p in g['params'])}" for g in groups),
        "rates": [g.get("initial_lr", g["lr"]) for g in groups],
        "ranked_by": f"{training.checkpoints.monitor} ({training.checkpoints.rule.mode})",
        **({"stopped_by": training.early_stopping.monitor} if training.early_stopping else {}),
        "samples": [_samples(loader.samples) for loader in (training.train_loader, training.validation_loader)],
        **({"classes": text_digest(repr(s.classes.tolist()), SHORT)} if s.classes is not None else {}),
        **({"average": training.average.identity} if training.average else {}),
    }


def _samples(samples: Samples) -> str:
    """Number of samples, and a digest of their ids and targets where they have some."""
    ids, targets = (getattr(samples, name, None) for name in ("ids", "targets"))
    if ids is None:
        return str(len(samples))
    stated = [list(map(str, ids)), None if targets is None else np.asarray(targets).tolist()]
    return f"{len(samples)} {text_digest(repr(stated), SHORT)}"


def differences(saved: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, str]:
    """Key to text of each difference between two identities."""
    keys = [key for key in sorted({*saved, *current}) if saved.get(key) != current.get(key)]
    return {key: f"{key} was {saved.get(key)} and is {current.get(key)}" for key in keys}
