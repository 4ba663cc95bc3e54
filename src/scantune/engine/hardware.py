"""What a device needs told: kernels, memory order, compilation, computing again instead of keeping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from scantune.engine.loading import memory_format
from scantune.engine.settings import Settings


@contextmanager
def backends(settings: Settings) -> Iterator[None]:
    """The process-wide switches, put back as they were at the end."""
    benchmark = torch.backends.cudnn.benchmark
    flash = torch.backends.cuda.flash_sdp_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.backends.cudnn.benchmark = settings.cudnn_benchmark
    torch.backends.cuda.enable_flash_sdp(settings.flash_attention)
    torch.use_deterministic_algorithms(settings.deterministic or deterministic, warn_only=True)
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = benchmark
        torch.backends.cuda.enable_flash_sdp(flash)
        torch.use_deterministic_algorithms(deterministic)


def prepare(network: nn.Module, settings: Settings, device: torch.device) -> None:
    """Memory order and gradient checkpointing, in place."""
    if settings.channels_last:
        dims = max((p.dim() for p in network.parameters()), default=0)
        network.to(memory_format=memory_format(dims))  # type: ignore[call-overload]
    if settings.gradient_checkpointing:
        checkpoint_blocks(network)


def compiled(network: nn.Module, settings: Settings) -> nn.Module:
    """The compiled network where asked for; its weights are the network's own."""
    return torch.compile(network) if settings.compile else network  # type: ignore[return-value]


def move(term: Any, device: torch.device) -> None:
    """Put a term's own tensors (class weights, a teacher) on the device."""
    if hasattr(term, "to"):
        term.to(device)


def free_memory(device: torch.device) -> None:
    """Give cached memory back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def checkpoint_blocks(network: nn.Module) -> int:
    """Make the blocks of a network compute their inside again in the backward pass instead of keeping it.

    Blocks are ``backbone.blocks`` where the network names them, else its children that have children of their own.
    Batch norm's running figures move in the first pass alone, as without checkpointing.

    Returns:
        How many blocks.
    """
    blocks = _blocks(network)
    for block in blocks:
        block.forward = _again(block, block.forward)  # type: ignore[method-assign]
    return len(blocks)


def restore(network: nn.Module) -> None:
    """Take off what :func:`checkpoint_blocks` put on."""
    for module in network.modules():
        if getattr(vars(module).get("forward"), "computes_again", False):
            del module.forward


def _blocks(network: nn.Module) -> list[nn.Module]:
    backbone = getattr(network, "backbone", network)
    named = getattr(backbone, "blocks", None)
    if isinstance(named, list):
        return [module for _, modules in named for module in modules if any(True for _ in module.children())]
    return [module for module in network.children() if any(True for _ in module.children())]


def _again(block: nn.Module, forward: Any) -> Any:
    def run(*inputs: Any, **options: Any) -> Any:
        if not (block.training and torch.is_grad_enabled()):
            return forward(*inputs, **options)
        return checkpoint(forward, *inputs, use_reentrant=False, context_fn=lambda: _contexts(block), **options)

    run.computes_again = True  # type: ignore[attr-defined]
    return run


def _contexts(block: nn.Module) -> tuple[AbstractContextManager, AbstractContextManager]:
    return nullcontext(), _still(block)


@contextmanager
def _still(block: nn.Module) -> Iterator[None]:
    """Batch norm that computes as in training, and leaves its running figures as they are."""
    norms = [m for m in block.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    held = [(m, m.momentum, m.num_batches_tracked.clone()) for m in norms if m.num_batches_tracked is not None]
    for module, _, _ in held:
        module.momentum = 0.0
    try:
        yield
    finally:
        for module, momentum, count in held:
            module.momentum = momentum
            module.num_batches_tracked.copy_(count)  # type: ignore[union-attr]
