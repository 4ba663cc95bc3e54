"""Which layers train, from which epoch on, and how fast.

All parameters are in the optimizer from the start, in one group per block; what is frozen has ``requires_grad`` off,
has no gradient, and is passed over by the optimizer. A layer that is thawed later thus trains with its own group's
rate and needs nothing added. Under DistributedDataParallel the network must be wrapped again at such an epoch: its
buckets know only what required a gradient when it was wrapped.

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
    """A module that has parameters of its own.

    Attributes:
        name: dotted name in the network.
        module: the module.
        parameters: its own parameters, not those of modules inside it.
        block: name of its block; "head" for the head.
        depth: blocks between it and the head; 0 for the head.
    """

    name: str
    module: nn.Module
    parameters: tuple[nn.Parameter, ...]
    block: str
    depth: int


@dataclass(frozen=True)
class Row:
    """One line of what trains: a group of the optimizer.

    Attributes:
        group: name of the group.
        layers: modules with parameters.
        parameters: numbers.
        trains: whether it trains in the epoch asked for.
        from_epoch: epoch from which it trains; None where never.
        learning_rate: its rate, as a factor of the head's or, where set so, in itself.
    """

    group: str
    layers: int
    parameters: int
    trains: bool
    from_epoch: int | None
    learning_rate: str


@dataclass(frozen=True)
class Plan:
    """When each layer starts to train. A function of the epoch alone: resuming needs nothing but the epoch.

    Attributes:
        layers: all layers, from input to output.
        starts: the epoch from which each of them trains (:data:`NEVER` for never).
        backbone_factor, layer_decay, low_learning_rate: see :func:`plan`.
    """

    layers: tuple[Layer, ...]
    starts: tuple[int, ...]
    backbone_factor: float = 1.0
    layer_decay: float = 1.0
    low_learning_rate: float | None = None

    def apply(self, network: Network, epoch: int) -> list[str]:
        """Switch ``requires_grad`` for ``epoch``; returns the groups that start to train in this very epoch."""
        for layer, start in zip(self.layers, self.starts):
            for parameter in layer.parameters:
                parameter.requires_grad_(epoch >= start)
                if epoch < start:
                    parameter.grad = None
        return [name for name, _, start in self._groups() if start == epoch and epoch > 0]

    def train_mode(self, network: Network) -> None:
        """Training mode, with the batch norms of frozen layers in eval mode: their statistics stand still."""
        network.train()
        frozen = False
        for module in network.modules():
            own = list(module.parameters(recurse=False))
            if own:
                frozen = not any(parameter.requires_grad for parameter in own)
            if frozen and isinstance(module, _NormBase):  # one without parameters goes with the layer before it
                module.eval()

    def parameter_groups(self, learning_rate: float, **options: Any) -> list[dict[str, Any]]:
        """The optimizer's groups, from input to output: ``params``, ``lr``, ``name``, ``factor`` (lr / the head's).

        Args:
            learning_rate: the head's.
            **options: of every group, e.g. ``weight_decay``.
        """
        made = []
        for name, members, _ in self._groups():
            rate = self._rate(members[0], learning_rate)
            params = [parameter for layer in members for parameter in layer.parameters]
            made.append({"params": params, "lr": rate, "name": name, "factor": rate / learning_rate, **options})
        return made

    def table(self, epoch: int = 0) -> list[Row]:
        """What trains in ``epoch``, a row a group, from input to output."""
        rows = []
        for name, members, start in self._groups():
            count = sum(parameter.numel() for layer in members for parameter in layer.parameters)
            first = None if start == NEVER else start
            rows.append(Row(name, len(members), count, epoch >= start, first, self._rate_in_words(members[0])))
        return rows

    def describe(self, epoch: int = 0) -> str:
        """:meth:`table` as text."""
        rows = self.table(epoch)
        trained, whole = (sum(row.parameters for row in some) for some in ([r for r in rows if r.trains], rows))
        lines = [f"epoch {epoch}: {trained:,} of {whole:,} parameters train"]
        for row in rows:
            when = "never" if row.from_epoch is None else f"from epoch {row.from_epoch}"
            state = "trains" if row.trains else "frozen"
            size = f"{row.layers:>4} layers {row.parameters:>12,}"
            lines.append(f"  {row.group:<24} {state}  {when:<14} {size}  {row.learning_rate}")
        return "\n".join(lines)

    def _groups(self) -> Iterator[tuple[str, list[Layer], int]]:
        """(name, layers, start) of each run of layers of one block and one start."""
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
    """All layers of a network from input to output: modules with parameters of their own, not parameter tensors.

    Parameters that lie in no block (class token, position embedding) belong to the first block.
    """
    blocks = network.backbone.blocks
    where = {
        part: index for index, (_, modules) in enumerate(blocks) for module in modules for part in module.modules()
    }
    found = []
    for name, module in network.named_modules():
        own = tuple(module.parameters(recurse=False))
        if not own:
            continue
        if name == "head" or name.startswith("head."):
            found.append((len(blocks), Layer(name, module, own, "head", 0)))
            continue
        index = where.get(module, 0)
        found.append((index, Layer(name, module, own, blocks[index][0], len(blocks) - index)))
    # By block first: a nested U-Net registers its way up before its bottom. Sorting is stable.
    return [layer for _, layer in sorted(found, key=lambda pair: pair[0])]


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
) -> Plan:
    """When each layer of ``network`` trains. The head always does.

    Args:
        network: backbone and head; a dense network has its output block for a head.
        epochs: of the training; "quarters" needs it.
        freeze_ratio: share of the backbone's layers, from the input, that are frozen (rounded down to whole layers).
        freeze_layers: blocks from the input that are frozen.
        num_unfrozen_layers: blocks from the output that train.
        freeze_backbone: the whole backbone is frozen.
        unfreeze_epochs: at each of these epochs the next group of the frozen layers thaws, from the output to the
            input, the groups of equal size; "quarters": after 1/4, 2/4 and 3/4 of the epochs.
        progressive_every: one more block from the output thaws every so many epochs.
        head_epochs: epochs at the start in which the head trains alone.
        backbone_factor: learning rate of the backbone / of the head.
        layer_decay: a block's learning rate / that of the next block towards the output.
        low_learning_rate: learning rate of the backbone in itself, in place of ``backbone_factor``.

    Raises:
        ScantuneError: a number of blocks that the backbone does not have.
    """
    found = layers(network)
    body = [index for index, layer in enumerate(found) if layer.depth > 0]
    if network.backbone.recipe.dense:  # the last block is what answers: it has the head's part
        body = [index for index in body if found[index].depth > 1]
    starts = [0] * len(found)
    frozen = _frozen(found, body, network, freeze_ratio, freeze_layers, num_unfrozen_layers, freeze_backbone)
    thaw = _thaw_epochs(found, frozen, epochs, unfreeze_epochs, progressive_every, num_unfrozen_layers)
    for index in frozen:
        starts[index] = thaw.get(index, NEVER)
    for index in body:
        starts[index] = max(starts[index], head_epochs)
    return Plan(tuple(found), tuple(starts), backbone_factor, layer_decay, low_learning_rate)


def _frozen(
    found: list[Layer],
    body: list[int],
    network: Network,
    ratio: float | None,
    first: int | None,
    last: int | None,
    whole: bool,
) -> list[int]:
    if whole:
        return body
    if ratio is not None:
        return body[: int(len(body) * ratio + 1e-9)]
    blocks = [name for name, _ in network.backbone.blocks]
    for key, value in (("freeze_layers", first), ("num_unfrozen_layers", last)):
        if value is not None and value > len(blocks):
            raise ScantuneError(f"{key}: {value} blocks; the backbone has {len(blocks)}: {', '.join(blocks)}")
    if first is not None:
        return [index for index in body if blocks.index(found[index].block) < first]
    if last is not None:
        return [index for index in body if found[index].depth > last]
    return []


def _thaw_epochs(
    found: list[Layer],
    frozen: list[int],
    epochs: int,
    at: Literal["quarters"] | Sequence[int] | None,
    every: int | None,
    trained: int | None,
) -> dict[int, int]:
    if every is not None:
        base = trained or 0
        return {index: (found[index].depth - base) * every for index in frozen}
    if at is None:
        return {}
    when = [max(1, round(epochs * q / 4)) for q in (1, 2, 3)] if at == "quarters" else list(at)
    backwards = list(reversed(frozen))
    return {index: when[n * len(when) // len(backwards)] for n, index in enumerate(backwards)}
