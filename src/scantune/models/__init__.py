"""Backbones by name and modality, their published weights, freezing and surgery.

Example:
    >>> from scantune import models
    >>> backbone = models.build("resnet10_3d", modality="volume", in_channels=1)
    >>> network = models.Network(backbone, torch.nn.Linear(backbone.feature_dim, 1))
    >>> models.save(network, "model")
    >>> network = models.load("model")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scantune.models.catalogue import available, register

if TYPE_CHECKING:
    from scantune.models.backbone import Backbone, Normalization, Parts, Recipe
    from scantune.models.make import build, build_dense
    from scantune.models.network import Network, load, save

__all__ = [
    "Backbone",
    "Network",
    "Normalization",
    "Parts",
    "Recipe",
    "available",
    "build",
    "build_dense",
    "load",
    "register",
    "save",
]

#: Names imported on first use, so that names are checked and plugins registered without torch.
_LATER = {
    "Backbone": "backbone",
    "Normalization": "backbone",
    "Parts": "backbone",
    "Recipe": "backbone",
    "build": "make",
    "build_dense": "make",
    "Network": "network",
    "load": "network",
    "save": "network",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
