"""Freezing: which layers train, from which epoch, and at which learning rate.

All parameters are in the optimizer from the start, in one group per block; frozen parameters have ``requires_grad``
False and no gradient, and the optimizer skips them. A layer that is unfrozen later therefore trains with the rate of
its group, without a new group. Under DistributedDataParallel the network must be wrapped again at such an epoch: its
buckets only have the parameters that required a gradient when it was wrapped.

Example:
    >>> plan = freezing.plan(network, epochs=40, freeze_ratio=0.7, unfreeze_epochs="quarters", backbone_factor=0.1)
    >>> optimizer = torch.optim.AdamW(plan.parameter_groups(learning_rate=3e-4))
    >>> for epoch in range(40):
    ...     plan.apply(network, epoch)
    ...     plan.train_mode(network)
    ...     ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from scantune.models.network import Network
from scantune.records import ScantuneError

NEVER = 1 << 30


@dataclass(frozen=True)
class Layer:
    """A module with parameters outside its submodules.

    Attributes:
        name: dotted name in the network.
        module: the module.
        parameters: those of the module without its submodules.
        block: name of its block; "head" for the head.
        depth: number of blocks up to the head; 0 for the head, which of a dense network is its last block.
    """

    name: str
    module: nn.Module
    parameters: tuple[nn.Parameter, ...]
    block: str
    depth: int


@dataclass(frozen=True)
class Row:
    """One group of the optimizer in the table of trainable layers.

    Attributes:
        group: name of the group.
        layers: number of modules with parameters.
        parameters: number of parameters.
        trains: whether it trains in the epoch of the table.
        from_epoch: epoch from which it trains, counted from 1; None where never.
        learning_rate: factor of the head's rate, or the absolute rate with ``low_learning_rate``.
    """

    group: str
    layers: int
    parameters: int
    trains: bool
    from_epoch: int | None
    learning_rate: str


@dataclass(frozen=True)
class FreezingSchedule:
    """Epoch at which each layer starts to train: a function of the epoch only, without other state to resume.

    Attributes:
        layers: all layers, from input to output.
        starts: number of epochs after which each layer trains (:data:`NEVER` for never).
        backbone_factor, layer_decay, low_learning_rate: see :func:`plan`.
    """

    layers: tuple[Layer, ...]
    starts: tuple[int, ...]
    backbone_factor: float = 1.0
    layer_decay: float = 1.0
    low_learning_rate: float | None = None

    def apply(self, network: Network, epoch: int) -> list[str]:
        """Set ``requires_grad`` for an epoch; returns the groups that start to train in this epoch.

        Args:
            network: that of the schedule.
            epoch: number of completed epochs.
        """
        for layer, start in zip(self.layers, self.starts):
            for parameter in layer.parameters:
                parameter.requires_grad_(epoch >= start)
                if epoch < start:
                    parameter.grad = None
        return [name for name, _, start in self._groups() if start == epoch and epoch > 0]

    def train_mode(self, network: Network) -> None:
        """Training mode, with batch norms of frozen layers in eval mode, so that their statistics do not change."""
        network.train()
        frozen = False
        for module in network.modules():
            parameters = list(module.parameters(recurse=False))
            if parameters:
                frozen = not any(parameter.requires_grad for parameter in parameters)
            if frozen and isinstance(module, _NormBase):  # a norm without parameters follows the preceding layer
                module.eval()

    def parameter_groups(self, learning_rate: float, **options: Any) -> list[dict[str, Any]]:
        """Parameter groups from input to output: ``params``, ``lr``, ``name``, ``factor`` (lr / lr of the head).

        Args:
            learning_rate: of the head.
            **options: options of every group, e.g. ``weight_decay``.
        """
        groups = []
        for name, group_layers, _ in self._groups():
            rate = self._rate(group_layers[0], learning_rate)
            params = [parameter for layer in group_layers for parameter in layer.parameters]
            groups.append({"params": params, "lr": rate, "name": name, "factor": rate / learning_rate, **options})
        return groups

    def table(self, epoch: int = 0) -> list[Row]:
        """Trainable and frozen groups after ``epoch`` epochs, a row per group, from input to output."""
        rows = []
        for name, group_layers, start in self._groups():
            count = sum(parameter.numel() for layer in group_layers for parameter in layer.parameters)
            first = None if start == NEVER else start + 1
            rows.append(
                Row(name, len(group_layers), count, epoch >= start, first, self._rate_in_words(group_layers[0]))
            )
        return rows

    def describe(self, epoch: int = 0) -> str:
        """:meth:`table` as text; epochs are counted from 1."""
        rows = self.table(epoch)
        trainable, total = (sum(row.parameters for row in subset) for subset in ([r for r in rows if r.trains], rows))
        lines = [f"epoch {epoch + 1}: {trainable:,} of {total:,} parameters train"]
        for row in rows:
            when = "never" if row.from_epoch is None else f"from epoch {row.from_epoch}"
            state = "trains" if row.trains else "frozen"
            size = f"{row.layers:>4} layers {row.parameters:>12,}"
            lines.append(f"  {row.group:<24} {state}  {when:<14} {size}  {row.learning_rate}")
        return "\n".join(lines)

    def _groups(self) -> Iterator[tuple[str, list[Layer], int]]:
        """(name, layers, start) of each run of successive layers with the same block and start."""
        pairs = list(zip(self.layers, self.starts))
        begin = 0
        for end in range(1, len(pairs) + 1):
            first, start = pairs[begin]
            if end == len(pairs) or (pairs[end][0].block, pairs[end][1]) != (first.block, start):
                split = any(layer.block == first.block and other != start for layer, other in pairs)
                name = f"{first.block} (from {first.name})" if split else first.block
                yield name, [layer for layer, _ in pairs[begin:end]], start
                begin = end

    def _rate(self, layer: Layer, learning_rate: float) -> float:
        if layer.depth == 0:
            return learning_rate
        if self.low_learning_rate is not None:
            return self.low_learning_rate * self.layer_decay ** (layer.depth - 1)
        return learning_rate * self.backbone_factor * self.layer_decay ** (layer.depth - 1)

    def _rate_in_words(self, layer: Layer) -> str:
        if layer.depth and self.low_learning_rate is not None:
            return f"rate {self._rate(layer, 1.0):.3g}"
        return f"rate × {self._rate(layer, 1.0):.3g}"


def layers(network: Network) -> list[Layer]:
    """All layers of a network from input to output: modules with parameters outside their submodules.

    Parameters outside all blocks (class token, position embedding) belong to the first block.
    """
    blocks = network.backbone.blocks
    last = len(blocks) - network.backbone.recipe.dense  # the last block of a dense network is its head
    block_index = {
        part: index for index, (_, modules) in enumerate(blocks) for module in modules for part in module.modules()
    }
    indexed = []
    for name, module in network.named_modules():
        parameters = tuple(module.parameters(recurse=False))
        if not parameters:
            continue
        if name.split(".")[0] in ("head", "fusion"):
            indexed.append((len(blocks), Layer(name, module, parameters, "head", 0)))
            continue
        index = block_index.get(module, 0)
        indexed.append((index, Layer(name, module, parameters, blocks[index][0], last - index)))
    # Sorted by block, since a nested U-Net registers its up path before its bottom; sorting is stable.
    return [layer for _, layer in sorted(indexed, key=lambda pair: pair[0])]


def plan(
    network: Network,
    *,
    epochs: int,
    freeze_ratio: float | None = None,
    freeze_layers: int | None = None,
    num_unfrozen_layers: int | None = None,
    freeze_backbone: bool = False,
    unfreeze_epochs: Literal["quarters"] | Sequence[int] | None = None,
    progressive_every: int | None = None,
    head_epochs: int = 0,
    backbone_factor: float = 1.0,
    layer_decay: float = 1.0,
    low_learning_rate: float | None = None,
) -> FreezingSchedule:
    """The freezing schedule of ``network``; the head always trains.

    Args:
        network: backbone and head; the output block is the head of a dense network.
        epochs: of the training; used by "quarters".
        freeze_ratio: share of the layers of the backbone, from the input, that is frozen (rounded down).
        freeze_layers: number of frozen blocks from the input.
        num_unfrozen_layers: number of trainable blocks from the output.
        freeze_backbone: freeze the complete backbone.
        unfreeze_epochs: after each of these numbers of epochs the next of equally large groups of frozen layers is
            unfrozen, from the output to the input; "quarters": after 1/4, 2/4 and 3/4 of the epochs.
        progressive_every: interval in epochs at which one more of the frozen blocks, from the output, is unfrozen.
        head_epochs: epochs at the start in which only the head trains.
        backbone_factor: learning rate of the backbone divided by that of the head.
        layer_decay: learning rate of a block divided by that of the next block towards the output.
        low_learning_rate: absolute learning rate of the backbone, instead of ``backbone_factor``.

    Raises:
        ScantuneError: more blocks than the backbone has.
    """
    all_layers = layers(network)
    backbone_indices = [index for index, layer in enumerate(all_layers) if layer.depth > 0]
    starts = [0] * len(all_layers)
    frozen = _frozen_indices(
        all_layers, backbone_indices, network, freeze_ratio, freeze_layers, num_unfrozen_layers, freeze_backbone
    )
    unfreeze_at = _unfreeze_epochs(all_layers, frozen, epochs, unfreeze_epochs, progressive_every)
    for index in frozen:
        starts[index] = unfreeze_at.get(index, NEVER)
    for index in backbone_indices:
        starts[index] = max(starts[index], head_epochs)
    return FreezingSchedule(tuple(all_layers), tuple(starts), backbone_factor, layer_decay, low_learning_rate)


def _frozen_indices(
    all_layers: list[Layer],
    backbone_indices: list[int],
    network: Network,
    ratio: float | None,
    first: int | None,
    last: int | None,
    freeze_backbone: bool,
) -> list[int]:
    if freeze_backbone:
        return backbone_indices
    if ratio is not None:
        return backbone_indices[: int(len(backbone_indices) * ratio + 1e-9)]
    blocks = [name for name, _ in network.backbone.blocks]
    blocks = blocks[: len(blocks) - network.backbone.recipe.dense]
    for key, value in (("freeze_layers", first), ("num_unfrozen_layers", last)):
        if value is not None and value > len(blocks):
            raise ScantuneError(f"{key}: {value} blocks; the backbone has {len(blocks)}: {', '.join(blocks)}")
    if first is not None:
        return [index for index in backbone_indices if blocks.index(all_layers[index].block) < first]
    if last is not None:
        return [index for index in backbone_indices if all_layers[index].depth > last]
    return []


def _unfreeze_epochs(
    all_layers: list[Layer],
    frozen: list[int],
    epochs: int,
    epochs_or_name: Literal["quarters"] | Sequence[int] | None,
    every: int | None,
) -> dict[int, int]:
    if every is not None:
        nearest = min((all_layers[index].depth for index in frozen), default=0)  # it is the first
        return {index: (all_layers[index].depth - nearest + 1) * every for index in frozen}
    if epochs_or_name is None:
        return {}
    milestones = (
        [max(1, round(epochs * q / 4)) for q in (1, 2, 3)] if epochs_or_name == "quarters" else list(epochs_or_name)
    )
    backwards = list(reversed(frozen))
    return {index: milestones[n * len(milestones) // len(backwards)] for n, index in enumerate(backwards)}
