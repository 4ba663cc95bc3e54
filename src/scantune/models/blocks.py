"""The blocks of a network in order from input to output, found from its own top-level parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn

from scantune.models.backbone import Blocks

#: Containers that are not a block themselves but hold the blocks.
_CONTAINERS = ("features", "blocks", "stages", "layers")
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)


def find(net: nn.Module) -> Blocks:
    """Blocks of ``net``: its top-level parts, with ``features``, ``stages``, ``layers``, ``blocks`` opened.

    A part without parameters, a lone norm layer, what is left of a head (its norm) and a DenseNet transition belong to
    the block before them. The first
    block is called ``stem``. Parameters that lie in no part (class token, position embedding) count to the stem.
    """
    found: Blocks = []
    for name, module in _opened(net.named_children()):
        if found and _belongs_to_previous(name, module):
            found[-1][1].append(module)
        elif any(True for _ in module.parameters()) or found:
            found.append((name if found else "stem", [module]))
    return found


def _opened(children: Iterable[tuple[str, nn.Module]]) -> Iterator[tuple[str, nn.Module]]:
    for name, module in children:
        if name in _CONTAINERS and isinstance(module, nn.Sequential | nn.ModuleList):
            for inner, part in module.named_children():
                yield (f"{name}.{inner}" if inner.isdigit() else inner), part
        else:
            yield name, module


def _belongs_to_previous(name: str, module: nn.Module) -> bool:
    bare = not any(True for _ in module.parameters())
    return bare or isinstance(module, _NORMS) or name.startswith(("transition", "head"))
