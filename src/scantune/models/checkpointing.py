"""Gradient checkpointing: recomputation of activations in the backward pass to save memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from scantune import running_statistics
from scantune.models.backbone import Backbone


def enable(backbone: Backbone) -> list[str]:
    """Checkpoint every block of the backbone during training; weights and statistics are the same as without.

    The second forward pass of a block does not update the running statistics of its batch norms.

    Returns:
        Names of the checkpointed modules.
    """
    names = {module: name for name, module in backbone.named_modules()}
    checkpointed = [part for _, modules in backbone.blocks for module in modules for part in _parts(module)]
    for module in checkpointed:
        _wrap(module)
    return [names[module] for module in checkpointed]


def _parts(module: nn.Module) -> list[nn.Module]:
    """The blocks of a stage, or the module itself; empty for a module too small to be worth recomputing."""
    children = list(module.children())
    if isinstance(module, nn.Sequential | nn.ModuleList) and any(len(list(child.children())) > 1 for child in children):
        return [part for child in children for part in _parts(child)]
    return [module] if len(children) > 1 else []


def _wrap(module: nn.Module) -> None:
    original_forward: Callable[..., Any] = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        if not (module.training and torch.is_grad_enabled()):
            return original_forward(*args, **kwargs)
        contexts = lambda: (contextlib.nullcontext(), running_statistics.kept(module))  # noqa: E731
        return checkpoint(original_forward, *args, use_reentrant=False, context_fn=contexts, **kwargs)

    module.forward = forward  # type: ignore[method-assign]
