"""What a model answers: the one way from tensors to the columns and masks that are evaluated and served.

Names are looked up when asked for: PyTorch is not imported for this alone.
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
    "averaged": "averaging",
    "mean_output": "averaging",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"scantune.prediction has no {name!r}; it has {', '.join(sorted(__all__))}")
    return getattr(importlib.import_module(f"scantune.prediction.{_HOME[name]}"), name)
