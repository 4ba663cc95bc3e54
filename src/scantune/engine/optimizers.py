"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from scantune.engine.settings import TrainingSettings


def _adam_builder(kind: type[Optimizer]) -> Callable[..., Optimizer]:
    def make(groups: Iterable[dict[str, Any]], settings: TrainingSettings, fused: bool) -> Optimizer:
        block = settings.optimizer
        options: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
        return kind(groups, betas=block.betas, eps=block.eps, fused=fused, **options)  # type: ignore[call-arg]

    return make


def _sgd(groups: Iterable[dict[str, Any]], settings: TrainingSettings, fused: bool) -> Optimizer:
    block = settings.optimizer
    options: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    # PyTorch's fused kernel fails where some parameters of a group have momentum and others, just unfrozen or used for
    # the first time, have none.
    fused = fused and block.momentum == 0
    return torch.optim.SGD(groups, momentum=block.momentum, nesterov=block.nesterov, fused=fused, **options)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": _adam_builder(torch.optim.Adam),
    "adamw": _adam_builder(torch.optim.AdamW),
    "sgd": _sgd,
}

_FUSED_ON = {"cpu", "cuda"}


def build(
    settings: TrainingSettings,
    network: nn.Module,
    groups: list[dict[str, Any]] | None,
    device: torch.device,
    scaled: bool,
) -> Optimizer:
    """The optimizer of ``network``.

    Frozen parameters are in it from the start: without a gradient they have no cost and do not change, and a layer that
    is unfrozen later needs no new group.

    Args:
        settings: ``optimizer``, ``learning_rate`` (of groups without a separate one) and ``weight_decay``.
        network: its parameters are one group where ``groups`` is None.
        groups: ``{"params": [...], "lr": ..., "name": ...}`` each.
        device: of the parameters; fused kernels where it has them.
        scaled: gradients are scaled (fp16), which excludes fused kernels.
    """
    base_groups = groups if groups is not None else [{"params": list(network.parameters()), "name": "all"}]
    named_groups = [dict(group, name=group.get("name", str(i))) for i, group in enumerate(base_groups)]
    return OPTIMIZERS[settings.optimizer.name](named_groups, settings, fused=device.type in _FUSED_ON and not scaled)
