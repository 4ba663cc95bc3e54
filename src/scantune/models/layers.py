"""Serialisation of a head as JSON, for the kinds of layer that heads consist of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from scantune.models.rescale import Rescale
from scantune.records import ScantuneError

#: class name: (class, the constructor's arguments, read from the attributes of the same name)
_KINDS: dict[str, tuple[Callable[..., nn.Module], tuple[str, ...]]] = {
    "Linear": (nn.Linear, ("in_features", "out_features")),
    "Dropout": (nn.Dropout, ("p",)),
    "Identity": (nn.Identity, ()),
    "Flatten": (nn.Flatten, ("start_dim", "end_dim")),
    "Unflatten": (nn.Unflatten, ("dim", "unflattened_size")),
    "ReLU": (nn.ReLU, ()),
    "GELU": (nn.GELU, ()),
    "Sigmoid": (nn.Sigmoid, ()),
    "Softplus": (nn.Softplus, ()),
    "LayerNorm": (nn.LayerNorm, ("normalized_shape",)),
    "BatchNorm1d": (nn.BatchNorm1d, ("num_features",)),
    "Rescale": (Rescale, ("outputs",)),  # its mean and standard deviation are in the weights
}


def describe(module: nn.Module) -> dict[str, Any]:
    """``module`` as JSON-serialisable values.

    Raises:
        ScantuneError: a layer of a kind that is not in the table.
    """
    kind = type(module).__name__
    if isinstance(module, nn.Sequential):
        return {"kind": "Sequential", "layers": {name: describe(part) for name, part in module.named_children()}}
    if kind not in _KINDS:
        raise ScantuneError(f"a head with a {kind} cannot be written; known layers are {', '.join(_KINDS)}, Sequential")
    values = {name: _plain(getattr(module, name)) for name in _KINDS[kind][1]}
    arguments = {name: value for name, value in values.items() if value is not None}
    if isinstance(module, nn.Linear):
        arguments["bias"] = module.bias is not None
    return {"kind": kind, **arguments}


def rebuild(described: Mapping[str, Any]) -> nn.Module:
    """The module of a description by :func:`describe`, with random weights."""
    arguments = dict(described)
    kind = arguments.pop("kind", None)
    if kind == "Sequential":
        net = nn.Sequential()
        for name, part in arguments["layers"].items():
            net.add_module(name, rebuild(part))
        return net
    if kind not in _KINDS:
        raise ScantuneError(
            f"architecture: layer kind {kind!r} is not known; known are {', '.join(_KINDS)}, Sequential"
        )
    if kind == "Unflatten":
        arguments["unflattened_size"] = tuple(arguments["unflattened_size"])
    return _KINDS[kind][0](**arguments)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
