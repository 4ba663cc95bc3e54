"""Losses by name, their weighted combinations and schedules, and the terms that a training sums.

A new loss is one function and a name:

    >>> from scantune import losses
    >>> @losses.register("log_cosh")
    ... def log_cosh(output, target):
    ...     return (output.reshape(target.shape) - target).cosh().log()
    >>> loss = losses.build("log_cosh")
    >>> loss(torch.zeros(4, 1), torch.ones(4))
    tensor(0.4338)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scantune.losses.parts import PRESETS
from scantune.losses.registry import names, register

if TYPE_CHECKING:
    from scantune.losses import classes, masks, regression
    from scantune.losses.combined import Combined, build
    from scantune.losses.counted import of_counted
    from scantune.losses.loss import Loss
    from scantune.losses.several import by_target
    from scantune.losses.terms import (
        Distillation,
        OnTarget,
        PairTerm,
        ScannerConsistency,
        Term,
        in_units,
        on_target,
        probabilities,
    )

__all__ = [
    "PRESETS",
    "Combined",
    "Distillation",
    "Loss",
    "OnTarget",
    "PairTerm",
    "ScannerConsistency",
    "Term",
    "build",
    "by_target",
    "classes",
    "in_units",
    "masks",
    "names",
    "of_counted",
    "on_target",
    "probabilities",
    "register",
    "regression",
]

#: Names imported on first use, so that names are checked and plugins registered without torch.
_LATER = {
    "Combined": "combined",
    "build": "combined",
    "Loss": "loss",
    "Distillation": "terms",
    "OnTarget": "terms",
    "PairTerm": "terms",
    "ScannerConsistency": "terms",
    "Term": "terms",
    "by_target": "several",
    "in_units": "terms",
    "of_counted": "counted",
    "on_target": "terms",
    "probabilities": "terms",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
