"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from scantune.records import ScantuneError


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer by name.

    Attributes:
        name: ``adam``, ``adamw`` or ``sgd``.
        learning_rate: of parameter groups without a separate one.
        weight_decay: decoupled from the gradient in adamw, added to it in the others.
        betas: decay of the running means (adam, adamw).
        eps: added to the denominator (adam, adamw).
        momentum: of sgd.
        nesterov: Nesterov's momentum (sgd).
    """

    name: str = "adamw"
    learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum: float = 0.9
    nesterov: bool = False


def _adam_builder(kind: type[Optimizer]) -> Callable[..., Optimizer]:
    def make(groups: Iterable[dict[str, Any]], spec: OptimizerSpec, fused: bool) -> Optimizer:
        options: dict[str, Any] = {"lr": spec.learning_rate, "weight_decay": spec.weight_decay}
        return kind(groups, betas=spec.betas, eps=spec.eps, fused=fused, **options)  # type: ignore[call-arg]

    return make


def _sgd(groups: Iterable[dict[str, Any]], spec: OptimizerSpec, fused: bool) -> Optimizer:
    options: dict[str, Any] = {"lr": spec.learning_rate, "weight_decay": spec.weight_decay}
    # PyTorch's fused kernel fails where some parameters of a group have momentum and others, just unfrozen or used for
    # the first time, have none.
    fused = fused and spec.momentum == 0
    return torch.optim.SGD(groups, momentum=spec.momentum, nesterov=spec.nesterov, fused=fused, **options)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": _adam_builder(torch.optim.Adam),
    "adamw": _adam_builder(torch.optim.AdamW),
    "sgd": _sgd,
}

_FUSED_ON = {"cpu", "cuda"}


def build(
    spec: OptimizerSpec, network: nn.Module, groups: list[dict[str, Any]] | None, device: torch.device, scaled: bool
) -> Optimizer:
    """The optimizer of ``network``.

    Frozen parameters are in it from the start: without a gradient they have no cost and do not change, and a layer that
    is unfrozen later needs no new group.

    Args:
        spec: name and options.
        network: its parameters are one group where ``groups`` is None.
        groups: ``{"params": [...], "lr": ..., "name": ...}`` each.
        device: of the parameters; fused kernels where it has them.
        scaled: gradients are scaled (fp16), which excludes fused kernels.

    Raises:
        ScantuneError: no optimizer of that name.
    """
    if spec.name not in OPTIMIZERS:
        raise ScantuneError(f"optimizer: {spec.name!r} is not one of {', '.join(OPTIMIZERS)}")
    base_groups = groups if groups is not None else [{"params": list(network.parameters()), "name": "all"}]
    named_groups = [dict(group, name=group.get("name", str(i))) for i, group in enumerate(base_groups)]
    return OPTIMIZERS[spec.name](named_groups, spec, fused=device.type in _FUSED_ON and not scaled)
