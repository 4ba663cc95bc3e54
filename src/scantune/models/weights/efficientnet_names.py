"""Translation of tensor names of EfficientNet-PyTorch (lukemelas) and its ports to those of timm."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

from torch import Tensor

#: Pattern that identifies the format.
SIGN = re.compile(r"_blocks\.0\._depthwise_conv\.weight$")

_BLOCK = re.compile(r"^(.*?)_blocks\.(\d+)\.(_\w+)\.(.+)$")
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_OUTER = re.compile(rf"^(.*?)({'|'.join(_OUTSIDE)})\.(.+)$")
#: Layers of a block with expansion, and of one without; timm numbers their batch norms from 1.
_WIDENING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}


def timm_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with timm's names; names of unknown layers do not change.

    timm numbers blocks by stage and position. A stage is a run of blocks with the same number of output channels.
    """
    positions = _block_positions(tensors)
    widening = {int(m[2]) for name in tensors if (m := _BLOCK.match(name)) and m[3] == "_expand_conv"}
    renamed = {}
    for name, value in tensors.items():
        block = _BLOCK.match(name)
        if block is None:
            outer = _OUTER.match(name)
            renamed[f"{outer[1]}{_OUTSIDE[outer[2]]}.{outer[3]}" if outer else name] = value
            continue
        number = int(block[2])
        layers = (_WIDENING if number in widening else _PLAIN) | _SQUEEZE
        renamed[f"{block[1]}blocks.{positions[number]}.{layers.get(block[3], block[3])}.{block[4]}"] = value
    return renamed


def _block_positions(tensors: Mapping[str, Tensor]) -> dict[int, str]:
    """Number of a block → "stage.position"."""
    channels = {
        int(m[2]): len(value)
        for name, value in tensors.items()
        if (m := _BLOCK.match(name)) and (m[3], m[4]) == ("_project_conv", "weight")
    }
    stages = itertools.groupby(sorted(channels), key=channels.__getitem__)
    return {number: f"{stage}.{place}" for stage, (_, run) in enumerate(stages) for place, number in enumerate(run)}
