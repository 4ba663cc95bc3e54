"""Backbones by name and modality, their published weights, freezing and surgery.

Example:
    >>> from scantune import models
    >>> backbone = models.build("resnet10_3d", modality="volume", in_channels=1)
    >>> network = models.Network(backbone, torch.nn.Linear(backbone.feature_dim, 1))
    >>> models.save(network, "model")
    >>> network = models.load("model")
"""

from scantune.models.backbone import Backbone, Normalization, Parts, Recipe
from scantune.models.catalogue import available, register
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
