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

from scantune.losses import classes, masks, regression
from scantune.losses.combined import PRESETS, Combined, build
from scantune.losses.loss import Loss
from scantune.losses.registry import names, register
from scantune.losses.terms import (
    Distillation,
    OnTarget,
    PairTerm,
    ScannerConsistency,
    Term,
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
    "classes",
    "masks",
    "names",
    "on_target",
    "probabilities",
    "register",
    "regression",
]
