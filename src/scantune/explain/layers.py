"""The layer that a map is read from, and its output as a grid of cells."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from scantune.records import ScantuneError


def find(network: nn.Module, layer: str | None = None) -> tuple[str, nn.Module]:
    """The layer to read.

    Args:
        network: a network, with or without a ``backbone`` that knows its ``saliency_layer``.
        layer: dotted name inside the network, inside its backbone or inside the backbone's net; None finds the
            backbone's own.

    Returns:
        Dotted name inside ``network``, and the module.

    Raises:
        ScantuneError: no such layer (with the nearest names), or none that fits is known.
    """
    modules = {name: module for name, module in network.named_modules() if name}
    if layer is None:
        backbone: Any = getattr(network, "backbone", network)
        layer = getattr(backbone, "saliency_layer", None)
        if layer is None:
            raise ScantuneError(
                f"saliency layer: none is known for {_name(backbone)}; name one. Layers that keep a grid: "
                f"{', '.join(_candidates(network)) or 'none'}"
            )
    for prefix in ("", "backbone.", "backbone.net.", "net."):
        if prefix + layer in modules:
            return prefix + layer, modules[prefix + layer]
    short = {name.removeprefix("backbone.").removeprefix("net.") for name in modules}
    near = difflib.get_close_matches(layer, sorted(short), n=5, cutoff=0.3) or _candidates(network)
    raise ScantuneError(f"saliency layer: {layer!r} is no layer of this network; near it: {', '.join(near)}")


def _name(backbone: Any) -> str:
    recipe = getattr(backbone, "recipe", None)
    return str(getattr(recipe, "name", type(backbone).__name__))


def _candidates(network: nn.Module, last: int = 5) -> list[str]:
    kinds = (nn.Conv2d, nn.Conv3d)
    return [name for name, module in network.named_modules() if isinstance(module, kinds)][-last:]


def as_grid(network: nn.Module, space: int) -> Callable[[Tensor], Tensor]:
    """How an output of the layer becomes [B, C, …cells] with ``space`` axes of cells.

    Maps of channels in front, channels behind and token sequences are known; class and register tokens are dropped.
    """
    backbone: Any = getattr(network, "backbone", network)
    layout = getattr(backbone, "layout", "channels_first")
    prefix = int(getattr(backbone, "prefix_tokens", 0) or 0)
    grid = getattr(backbone, "token_grid", None)

    def reshape(output: Tensor) -> Tensor:
        if output.ndim == 3:
            return tokens_to_grid(output, prefix, grid, space)
        if output.ndim != space + 2:
            raise ScantuneError(
                f"saliency layer: its output {list(output.shape)} has no grid of {space} axes; choose an earlier layer"
            )
        return output.movedim(-1, 1) if layout == "channels_last" else output

    return reshape


def tokens_to_grid(tokens: Tensor, prefix: int, grid: tuple[int, ...] | None, space: int) -> Tensor:
    """Tokens [B, prefix + N, C] as [B, C, …grid]; where ``grid`` does not fit, N must be a square or cube.

    Raises:
        ScantuneError: N is no such number.
    """
    batch, count, channels = tokens.shape
    n = count - prefix
    if grid is None or math.prod(grid) != n:
        side = round(n ** (1 / space))
        grid = (side,) * space
        if side**space != n:
            raise ScantuneError(f"saliency layer: {n} tokens do not make a grid of {space} equal sides")
    return tokens[:, prefix:].transpose(1, 2).reshape(batch, channels, *grid)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """In it every module is in eval mode; afterwards each is back in its own mode."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def device_of(network: nn.Module) -> torch.device:
    """Where the network's parameters are; the CPU where it has none."""
    parameter = next(network.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
