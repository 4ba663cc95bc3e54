"""The ``train:`` block as what the engine takes: settings, schedule, early stopping, checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from scantune.config.train import TrainConfig
    from scantune.engine import EarlyStopping, Schedule, Settings, Strategy


def settings_of(block: TrainConfig, seed: int, classes: np.ndarray | None) -> Settings:
    """Scalar settings of the loop; ``classes`` are the strata of a balanced sampler."""
    from scantune.engine import Settings
    from scantune.engine.settings import TrainingSettings

    numbers: dict[str, Any] = {name: getattr(block, name) for name in TrainingSettings.model_fields}
    return Settings(
        **numbers | {"seed": seed},
        classes=classes,
        save_optimizer=block.checkpoints.save_optimizer,
        save_scheduler=block.checkpoints.save_scheduler,
    )


def schedule_of(block: TrainConfig) -> Schedule:
    """The schedule of the learning rate."""
    from scantune.engine import Schedule

    scheduler = block.scheduler
    options = {} if scheduler is None else scheduler.model_dump(exclude={"name"}, exclude_none=True)
    if scheduler is not None and scheduler.name == "plateau":
        options.setdefault("patience", max(1, block.early_stopping.patience // 2))
    if "max_lr" in options:  # a ratio, so that slower groups stay proportional
        options["max_share"] = options.pop("max_lr") / block.learning_rate
    return Schedule(
        name="constant" if scheduler is None else scheduler.name,
        options=options,
        warmup_epochs=block.warmup_epochs,
        warmup_lr=block.warmup_lr,
    )


def early_stopping_of(block: TrainConfig) -> EarlyStopping | None:
    """When to end before the last epoch; None never."""
    from scantune.engine import EarlyStopping

    stopping = block.early_stopping
    if not stopping.enabled:
        return None
    return EarlyStopping(**stopping.model_dump(exclude={"enabled", "monitor"}), monitor=stopping.monitor or "")


def strategy_of(block: TrainConfig) -> Strategy:
    """Which epochs' weights are kept."""
    from scantune.engine import Strategy

    checkpoints = block.checkpoints
    options = checkpoints.model_dump(exclude={"strategy", "monitor", "save_optimizer", "save_scheduler"})
    return Strategy(checkpoints.strategy, **options)
