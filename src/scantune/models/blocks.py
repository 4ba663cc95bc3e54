"""The blocks of a network in order from input to output, derived from its top-level modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn

from scantune.models.backbone import Blocks

#: Containers of blocks that are not blocks themselves.
_CONTAINERS = ("features", "blocks", "stages", "layers")
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)


def find(net: nn.Module) -> Blocks:
    """Blocks of ``net``: its top-level modules, with ``features``, ``stages``, ``layers``, ``blocks`` expanded.

    A module without parameters, a single norm layer, the norm of a removed head and a DenseNet transition belong to the
    preceding block. The first block is called ``stem``; parameters outside all modules (class token, position
    embedding) belong to it.
    """
    blocks: Blocks = []
    for name, module in _expanded(net.named_children()):
        if blocks and _belongs_to_previous(name, module):
            blocks[-1][1].append(module)
        elif any(True for _ in module.parameters()) or blocks:
            blocks.append((name if blocks else "stem", [module]))
    return blocks


def _expanded(children: Iterable[tuple[str, nn.Module]]) -> Iterator[tuple[str, nn.Module]]:
    for name, module in children:
        if name in _CONTAINERS and isinstance(module, nn.Sequential | nn.ModuleList):
            for inner, part in module.named_children():
                yield (f"{name}.{inner}" if inner.isdigit() else inner), part
        else:
            yield name, module


def _belongs_to_previous(name: str, module: nn.Module) -> bool:
    parameter_free = not any(True for _ in module.parameters())
    return parameter_free or isinstance(module, _NORMS) or name.startswith(("transition", "head"))
