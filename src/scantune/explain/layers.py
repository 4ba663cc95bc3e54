"""The layer that a map is read from, and its output as a grid of cells.

Where none is named it is the deepest one whose output still has :data:`CELLS` cells along each axis of space
(:data:`MOMENTS` along time): deeper layers know more of what a thing is, but 2 × 2 cells say nothing of where it is.
"""

from __future__ import annotations

import difflib
import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from scantune.records import ScantuneError

CELLS = 7
"""Cells along rows and columns that a layer needs to be read by default: as a ResNet's last layer has of 224 pixels."""
DEEP_CELLS = 3
"""The same along each axis of a volume, whose cells are dear."""
MOMENTS = 2
"""The same along the frames of a loop."""

_chosen: weakref.WeakKeyDictionary[nn.Module, dict[tuple[int, ...], str]] = weakref.WeakKeyDictionary()


def find(network: nn.Module, layer: str | None = None, x: Tensor | None = None) -> tuple[str, nn.Module]:
    """The layer to read.

    Args:
        network: a network, with or without a ``backbone`` that knows its ``saliency_layer``.
        layer: dotted name inside the network, inside its backbone or inside the backbone's net; None finds the
            deepest that fits, see above.
        x: a sample [1, C, …space], by which cells are counted; without it the backbone's own layer is taken.

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
        if x is not None:
            layer = _deepest(network, layer, x)
    for prefix in ("", "backbone.", "backbone.net.", "net."):
        if prefix + layer in modules:
            return prefix + layer, modules[prefix + layer]
    short = {name.removeprefix("backbone.").removeprefix("net.") for name in modules}
    near = difflib.get_close_matches(layer, sorted(short), n=5, cutoff=0.3) or _candidates(network)
    raise ScantuneError(f"saliency layer: {layer!r} is no layer of this network; near it: {', '.join(near)}")


def needed(network: nn.Module, space: tuple[int, ...]) -> tuple[int, ...]:
    """Cells along each axis that a layer needs for an input of ``space``; never more than the input has."""
    recipe = getattr(getattr(network, "backbone", network), "recipe", None)
    time = getattr(recipe, "modality", "") == "video"
    wanted = (CELLS,) * len(space) if len(space) == 2 else (DEEP_CELLS,) * 3
    wanted = (MOMENTS, CELLS, CELLS) if time else wanted
    return tuple(min(cells, size) for cells, size in zip(wanted, space))


def _deepest(network: nn.Module, own: str, x: Tensor) -> str:
    """The backbone's own layer, or the last before it that has cells enough; where none has, the one nearest to it."""
    known = _chosen.setdefault(network, {})
    shape = tuple(x.shape[1:])
    if shape not in known:
        known[shape] = _searched(network, own, x)
    return known[shape]


def _searched(network: nn.Module, own: str, x: Tensor) -> str:
    last, _ = find(network, own)
    if getattr(getattr(network, "backbone", network), "layout", "") == "tokens":
        return last  # a grid of tokens is as fine in the last block as in the first
    need = needed(network, tuple(x.shape[2:]))
    grids = _grids(network, x)
    if last not in grids:
        return last
    before = list(grids)[: list(grids).index(last) + 1]
    share = {name: min(n / m for n, m in zip(grids[name], need)) for name in before}
    enough = [name for name in before if share[name] >= 1]
    return enough[-1] if enough else max(reversed(before), key=lambda name: share[name])


def _grids(network: nn.Module, x: Tensor) -> dict[str, tuple[int, ...]]:
    """Cells of every layer that a map could be read from, in the order in which they are computed."""
    backbone: Any = getattr(network, "backbone", network)
    behind = getattr(backbone, "layout", "") == "channels_last"
    found: dict[str, tuple[int, ...]] = {}

    def look(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if torch.is_tensor(output) and output.ndim == x.ndim:
                found.pop(name, None)
                found[name] = tuple(output.shape[1:-1] if behind else output.shape[2:])

        return hook

    handles = [module.register_forward_hook(look(name)) for name, module in _whole_layers(network)]
    try:
        with evaluating(network), torch.no_grad():
            network(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


_NESTED = frozenset({"SkipConnection", "AttentionLayer"})
"""MONAI's U-Nets hold each level inside the one above it."""


def _whole_layers(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Layers whose output is all that passes on: not the insides of a residual block, nor the head's."""
    backbone: Any = getattr(network, "backbone", network)
    inner = getattr(backbone, "net", backbone)
    own = getattr(backbone, "saliency_layer", None)
    blocks = [module for _, modules in getattr(backbone, "blocks", None) or [] for module in modules]
    # a list is never called itself, what is in it is
    ends = {id(m) for block in blocks for m in (block if isinstance(block, nn.ModuleList) else (block,))}
    names = {id(module): name for name, module in network.named_modules()}
    kept: list[tuple[str, nn.Module]] = []

    def walk(module: nn.Module) -> None:
        for child in module.children():
            kept.append((names[id(child)], child))
            if isinstance(child, (nn.Sequential, nn.ModuleList)) or type(child).__name__ in _NESTED:
                walk(child)

    walk(inner)
    seen = {name for name, _ in kept}
    for name, module in network.named_modules():
        asked = own is not None and name in {own, f"backbone.{own}"}
        if name not in seen and (asked or id(module) in ends):
            kept.append((name, module))
    return kept


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

    Where all tokens together are the grid (class tokens that join in later blocks) none is dropped.

    Raises:
        ScantuneError: N is no such number.
    """
    batch, count, channels = tokens.shape
    if grid is not None and math.prod(grid) == count:
        prefix = 0
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
