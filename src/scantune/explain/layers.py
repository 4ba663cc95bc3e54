"""The layer of a map, and its output as a grid of cells.

The default is the deepest layer whose output has at least :data:`CELLS` cells along each spatial axis (:data:`MOMENTS`
along time): deeper layers represent more abstract features, but 2 × 2 cells do not localise them.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from scantune.models.named import convolutions, named_layer
from scantune.records import ScantuneError

CELLS = 7
"""Smallest number of cells along rows and columns of the default layer: that of a ResNet's last layer at 224 pixels."""
DEEP_CELLS = 3
"""The same along each axis of a volume, where networks have coarser grids."""
MOMENTS = 2
"""The same along the frames of a video."""

_chosen: weakref.WeakKeyDictionary[nn.Module, dict[tuple[int, ...], str]] = weakref.WeakKeyDictionary()


def find(network: nn.Module, layer: str | None = None, x: Tensor | None = None) -> tuple[str, nn.Module]:
    """The layer of a map.

    Args:
        network: a network, with or without a ``backbone`` with a ``saliency_layer``.
        layer: dotted name inside the network, its backbone or the net of its backbone; None is the default layer, see
            this module.
        x: a sample [1, C, …space], to count cells; None uses the ``saliency_layer`` of the backbone.

    Returns:
        Dotted name inside ``network``, and the module.

    Raises:
        ScantuneError: an unknown layer (with the nearest names), or no default layer.
    """
    if layer is None:
        backbone: Any = getattr(network, "backbone", network)
        layer = getattr(backbone, "saliency_layer", None)
        if layer is None:
            raise ScantuneError(
                f"saliency layer: {_name(backbone)} has no default; set layer. Layers with a spatial grid: "
                f"{', '.join(convolutions(network)) or 'none'}"
            )
        if x is not None:
            layer = _deepest(network, layer, x)
    try:
        return named_layer(network, layer)
    except ScantuneError as error:
        raise ScantuneError(f"saliency layer: {error}") from error


def min_cells(network: nn.Module, space: tuple[int, ...]) -> tuple[int, ...]:
    """Smallest number of cells along each axis for an input of ``space``, at most that of the input."""
    recipe = getattr(getattr(network, "backbone", network), "recipe", None)
    time = getattr(recipe, "modality", "") == "video"
    minimum = (CELLS,) * len(space) if len(space) == 2 else (DEEP_CELLS,) * 3
    minimum = (MOMENTS, CELLS, CELLS) if time else minimum
    return tuple(min(cells, size) for cells, size in zip(minimum, space))


def _deepest(network: nn.Module, default: str, x: Tensor) -> str:
    """The default layer of the backbone, or the last one before it with enough cells; else that with the most."""
    known = _chosen.setdefault(network, {})
    shape = tuple(x.shape[1:])
    if shape not in known:
        known[shape] = _search(network, default, x)
    return known[shape]


def _search(network: nn.Module, default: str, x: Tensor) -> str:
    last, _ = find(network, default)
    if getattr(getattr(network, "backbone", network), "layout", "") == "tokens":
        return last  # the grid of tokens is the same in all blocks
    required = min_cells(network, tuple(x.shape[2:]))
    grids = _grids(network, x)
    if last not in grids:
        return last
    candidates = list(grids)[: list(grids).index(last) + 1]
    share = {name: min(n / m for n, m in zip(grids[name], required)) for name in candidates}
    sufficient = [name for name in candidates if share[name] >= 1]
    return sufficient[-1] if sufficient else max(reversed(candidates), key=lambda name: share[name])


def _grids(network: nn.Module, x: Tensor) -> dict[str, tuple[int, ...]]:
    """Cells of every candidate layer, in the order of computation."""
    backbone: Any = getattr(network, "backbone", network)
    channels_last = getattr(backbone, "layout", "") == "channels_last"
    frames = x.shape[2:3] if getattr(backbone, "frames", False) else ()
    grids: dict[str, tuple[int, ...]] = {}

    def record_grid(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if torch.is_tensor(output) and output.ndim == x.ndim - len(frames):
                grids.pop(name, None)
                grids[name] = (*frames, *(output.shape[1:-1] if channels_last else output.shape[2:]))

        return hook

    handles = [
        module.register_forward_hook(record_grid(name)) for name, module in _layers_with_complete_output(network)
    ]
    try:
        with evaluating(network), torch.no_grad():
            network(x)
    finally:
        for handle in handles:
            handle.remove()
    return grids


_NESTED = frozenset({"SkipConnection", "AttentionLayer"})
"""Modules of MONAI's U-Nets, in which each level contains the next."""


def _layers_with_complete_output(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Layers whose output is the only input of the next: not those inside a residual block or the head."""
    backbone: Any = getattr(network, "backbone", network)
    inner = getattr(backbone, "net", backbone)
    default = getattr(backbone, "saliency_layer", None)
    blocks = [module for _, modules in getattr(backbone, "blocks", None) or [] for module in modules]
    # a ModuleList is not called itself, only its modules are
    ends = {id(m) for block in blocks for m in (block if isinstance(block, nn.ModuleList) else (block,))}
    names = {id(module): name for name, module in network.named_modules()}
    selected: list[tuple[str, nn.Module]] = []

    def walk(module: nn.Module) -> None:
        for child in module.children():
            selected.append((names[id(child)], child))
            if isinstance(child, (nn.Sequential, nn.ModuleList)) or type(child).__name__ in _NESTED:
                walk(child)

    walk(inner)
    names_selected = {name for name, _ in selected}
    for name, module in network.named_modules():
        is_default = default is not None and name in {default, f"backbone.{default}"}
        if name not in names_selected and (is_default or id(module) in ends):
            selected.append((name, module))
    return selected


def _name(backbone: Any) -> str:
    recipe = getattr(backbone, "recipe", None)
    return str(getattr(recipe, "name", type(backbone).__name__))


def as_grid(network: nn.Module, space: int) -> Callable[[Tensor], Tensor]:
    """Function that reshapes an output of the layer to [B, C, …cells] with ``space`` spatial axes.

    Supports channels first, channels last and token sequences; class and register tokens are removed. Where the network
    sees each frame of one video by itself, the frames of its layers' outputs become the first axis of the cells.
    """
    backbone: Any = getattr(network, "backbone", network)
    layout = getattr(backbone, "layout", "channels_first")
    prefix = int(getattr(backbone, "prefix_tokens", 0) or 0)
    grid = getattr(backbone, "token_grid", None)
    by_frame = bool(getattr(backbone, "frames", False))

    def reshape(output: Tensor) -> Tensor:
        return cells(output, space - 1).transpose(0, 1)[None] if by_frame else cells(output, space)

    def cells(output: Tensor, space: int) -> Tensor:
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

    Where all tokens form the grid (networks that add class tokens in later blocks) none is removed.

    Raises:
        ScantuneError: N is neither.
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
    """Context with every module in eval mode; the modes are restored afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def device_of(network: nn.Module) -> torch.device:
    """Device of the parameters of the network; the CPU without parameters."""
    parameter = next(network.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
