"""Fine-tuning. Names are imported on first use, so that light ones do not import PyTorch."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "CachedSamples": "data",
    "CallableSink": "loggers",
    "Checkpoints": "checkpoints",
    "EarlyStopping": "early_stopping",
    "FitResult": "result",
    "Interrupted": "signals",
    "OptimizerSpec": "optimizers",
    "Partners": "data",
    "Plateau": "schedules",
    "Schedule": "schedules",
    "Settings": "settings",
    "Sink": "delivery",
    "Strategy": "strategies",
    "TensorBoardSink": "loggers",
    "WandbSink": "loggers",
    "fit": "fitting",
    "folds": "ensembles",
    "forget": "result",
    "join": "ensembles",
    "join_columns": "ensembles",
    "launch": "distributed",
    "metric": "metrics",
    "out_of_fold": "ensembles",
    "search": "trials",
    "send_left": "delivery",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"scantune.engine has no {name!r}; it has {', '.join(sorted(__all__))}")
    return getattr(importlib.import_module(f"scantune.engine.{_HOME[name]}"), name)
