"""Fine-tuning. Names are imported on first use, so that light ones do not import PyTorch."""

# ruff: noqa: F401 - the names in _HOME, for type checkers
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scantune.engine.checkpoints import Checkpoints
    from scantune.engine.data import CachedSamples, Partners
    from scantune.engine.delivery import Sink, send_left
    from scantune.engine.distributed import launch
    from scantune.engine.early_stopping import EarlyStopping
    from scantune.engine.fitting import fit
    from scantune.engine.loggers import TensorBoardSink, WandbSink
    from scantune.engine.metrics import metric
    from scantune.engine.parts import Settings
    from scantune.engine.rate_sweep import RateSweep, sweep_rates
    from scantune.engine.result import FitResult
    from scantune.engine.schedule_settings import CosineSchedule, OneCycleSchedule, PlateauSchedule
    from scantune.engine.schedules import Plateau, Schedule
    from scantune.engine.settings import CheckpointsConfig, EarlyStoppingConfig, OptimizerConfig
    from scantune.engine.signals import Interrupted
    from scantune.engine.trials import search

_HOME = {
    "CachedSamples": "data",
    "Checkpoints": "checkpoints",
    "CheckpointsConfig": "settings",
    "CosineSchedule": "schedule_settings",
    "EarlyStopping": "early_stopping",
    "EarlyStoppingConfig": "settings",
    "FitResult": "result",
    "Interrupted": "signals",
    "OneCycleSchedule": "schedule_settings",
    "OptimizerConfig": "settings",
    "Partners": "data",
    "Plateau": "schedules",
    "PlateauSchedule": "schedule_settings",
    "RateSweep": "rate_sweep",
    "Schedule": "schedules",
    "Settings": "parts",
    "Sink": "delivery",
    "TensorBoardSink": "loggers",
    "TrainingManager": "manager",
    "WandbSink": "loggers",
    "fit": "fitting",
    "launch": "distributed",
    "metric": "metrics",
    "search": "trials",
    "send_left": "delivery",
    "sweep_rates": "rate_sweep",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"scantune.engine has no {name!r}; it has {', '.join(sorted(__all__))}")
    return getattr(importlib.import_module(f"scantune.engine.{_HOME[name]}"), name)
