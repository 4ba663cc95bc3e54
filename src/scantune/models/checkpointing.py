"""Gradient checkpointing: activations of a block are computed again in the backward pass instead of kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from scantune.models.backbone import Backbone


def enable(backbone: Backbone) -> list[str]:
    """Checkpoint every block of the backbone while it trains; weights and statistics stay those without.

    The second forward pass of a block would move the running statistics of its batch norms twice; they are held still
    in it.

    Returns:
        The names of the modules that are checkpointed.
    """
    names = {module: name for name, module in backbone.named_modules()}
    chosen = [part for _, modules in backbone.blocks for module in modules for part in _parts(module)]
    for module in chosen:
        _wrap(module)
    return [names[module] for module in chosen]


def _parts(module: nn.Module) -> list[nn.Module]:
    """The blocks in a stage, or the module itself; nothing where there is nothing worth computing twice."""
    children = list(module.children())
    if isinstance(module, nn.Sequential | nn.ModuleList) and any(len(list(child.children())) > 1 for child in children):
        return [part for child in children for part in _parts(child)]
    return [module] if len(children) > 1 else []


def _wrap(module: nn.Module) -> None:
    plain: Callable[..., Any] = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        if not (module.training and torch.is_grad_enabled()):
            return plain(*args, **kwargs)
        contexts = lambda: (contextlib.nullcontext(), _still(module))  # noqa: E731
        return checkpoint(plain, *args, use_reentrant=False, context_fn=contexts, **kwargs)

    module.forward = forward  # type: ignore[method-assign]


@contextlib.contextmanager
def _still(module: nn.Module) -> Iterator[None]:
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    before = [(norm.running_mean, norm.running_var, norm.num_batches_tracked) for norm in norms]
    for norm in norms:  # copies move, the statistics themselves do not
        norm.running_mean = _copy(norm.running_mean)
        norm.running_var = _copy(norm.running_var)
        norm.num_batches_tracked = _copy(norm.num_batches_tracked)
    try:
        yield
    finally:
        for norm, (mean, var, count) in zip(norms, before):
            norm.running_mean, norm.running_var, norm.num_batches_tracked = mean, var, count


def _copy(value: torch.Tensor | None) -> torch.Tensor | None:
    return None if value is None else value.clone()
