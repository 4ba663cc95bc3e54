"""Prediction: from tensors to columns and masks, the same for evaluation and serving.

Names are imported on first use, without PyTorch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Augmentation": "augmentation",
    "AveragedNetwork": "averaging",
    "Output": "predictor",
    "Predicted": "predictor",
    "TensorPredictor": "predictor",
    "Windows": "windows",
    "averaged": "averaging",
    "mean_output": "averaging",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"scantune.prediction has no {name!r}; it has {', '.join(sorted(__all__))}")
    return getattr(importlib.import_module(f"scantune.prediction.{_HOME[name]}"), name)
