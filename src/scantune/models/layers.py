"""A head as JSON and back: the few kinds of layer that a head is made of."""

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
    "Rescale": (Rescale, ()),  # its numbers are in the weights
}


def describe(module: nn.Module) -> dict[str, Any]:
    """``module`` as JSON-able values.

    Raises:
        ScantuneError: a layer that is not in the table, with its kind.
    """
    kind = type(module).__name__
    if isinstance(module, nn.Sequential):
        return {"kind": "Sequential", "layers": {name: describe(part) for name, part in module.named_children()}}
    if kind not in _KINDS:
        raise ScantuneError(f"a head with a {kind} cannot be written; known layers are {', '.join(_KINDS)}, Sequential")
    made = {name: _plain(getattr(module, name)) for name in _KINDS[kind][1]}
    if isinstance(module, nn.Linear):
        made["bias"] = module.bias is not None
    return {"kind": kind, **made}


def rebuild(described: Mapping[str, Any]) -> nn.Module:
    """The module that :func:`describe` described, with random weights."""
    made = dict(described)
    kind = made.pop("kind", None)
    if kind == "Sequential":
        net = nn.Sequential()
        for name, part in made["layers"].items():
            net.add_module(name, rebuild(part))
        return net
    if kind not in _KINDS:
        raise ScantuneError(
            f"architecture: layer kind {kind!r} is not known; known are {', '.join(_KINDS)}, Sequential"
        )
    if kind == "Unflatten":
        made["unflattened_size"] = tuple(made["unflattened_size"])
    return _KINDS[kind][0](**made)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
