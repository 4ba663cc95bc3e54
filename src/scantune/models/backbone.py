"""A backbone: a network without its output layer, that says of itself what freezing, saliency and serving need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from scantune.models import pooling
from scantune.models.load_report import LoadReport

Modality = Literal["image", "volume", "video"]
Kind = Literal["cnn", "vit"]
#: How the saliency layer's output lies: [B, C, …space], [B, …space, C], or tokens [B, prefix + N, C].
Layout = Literal["channels_first", "channels_last", "tokens"]
Blocks = list[tuple[str, list[nn.Module]]]
SPACE = {"image": 2, "volume": 3, "video": 3}


@dataclass(frozen=True)
class Normalization:
    """Input normalisation that goes with published weights: ``(x - mean) / std`` per channel, x in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def for_channels(self, channels: int) -> Normalization:
        """The same for another number of channels: as it is where it fits, else the mean over the channels."""
        if len(self.mean) == channels:
            return self
        mean, std = sum(self.mean) / len(self.mean), sum(self.std) / len(self.std)
        return Normalization((mean,) * channels, (std,) * channels)


@dataclass(frozen=True)
class Parts:
    """What a builder hands over: the bare network and what only its builder knows of it.

    Attributes:
        net: [B, C, …space] → features [B, F], or [B, K, …space] for a dense network.
        feature_dim: F; K for a dense network.
        blocks: (name, modules) from input to output; what freezing "by blocks" counts.
        saliency_layer: dotted name inside ``net`` of the layer that Grad-CAM looks at, or None.
        kind: "vit" where attention over a grid of tokens can be shown, else "cnn".
        layout: how the saliency layer's output lies.
        token_grid: tokens per axis of space where ``layout`` is "tokens", else None.
        prefix_tokens: class and register tokens in front of the grid.
        normalization: input normalisation of the published weights, used where weights are loaded.
        divisor: what every axis of space must be a multiple of; a dense network's input is padded to it and its output
            cut again.
    """

    net: nn.Module
    feature_dim: int
    blocks: Blocks
    saliency_layer: str | None = None
    kind: Kind = "cnn"
    layout: Layout = "channels_first"
    token_grid: tuple[int, ...] | None = None
    prefix_tokens: int = 0
    normalization: Normalization | None = None
    divisor: int = 1


@dataclass(frozen=True)
class Recipe:
    """What a backbone is built again from; JSON-able, part of ``architecture.json``."""

    name: str
    modality: Modality
    in_channels: int
    dense: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


class Backbone(nn.Module):
    """A network from input [B, C, …space] float to features [B, F] (dense: to logits [B, K, …space]).

    Where ``normalization`` is set it is applied here, inside ``forward``: what is served is what was trained.

    Attributes:
        recipe: name, modality, channels and options that build it again.
        feature_dim: F (dense: K).
        blocks: (name, modules) from input to output.
        saliency_layer: dotted name inside this module, or None.
        kind, layout, token_grid, prefix_tokens: see :class:`Parts`.
        normalization: what the input is normalised by, or None for an input taken as it comes.
        load_report: what of the starting weights matched, or None where they are random.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, parts: Parts, recipe: Recipe, normalization: Normalization | None = None) -> None:
        super().__init__()
        self.net = pooling.quicken(parts.net)
        self.recipe = recipe
        self.feature_dim = parts.feature_dim
        self.blocks = parts.blocks
        self.saliency_layer = None if parts.saliency_layer is None else f"net.{parts.saliency_layer}"
        self.kind = parts.kind
        self.layout = parts.layout
        self.token_grid = parts.token_grid
        self.prefix_tokens = parts.prefix_tokens
        self.divisor = parts.divisor
        self.load_report: LoadReport | None = None
        self.published_normalization = parts.normalization
        self.normalization: Normalization | None = None
        self.set_normalization(normalization)

    def set_normalization(self, normalization: Normalization | None) -> None:
        """Normalise the input by ``normalization`` from now on; None takes it as it comes."""
        self.normalization = None if normalization is None else normalization.for_channels(self.recipe.in_channels)
        chosen = self.normalization or Normalization((0.0,), (1.0,))
        shape = (1, -1) + (1,) * SPACE[self.recipe.modality]
        # Not part of the weights: architecture.json has them, and published files know nothing of them.
        self.register_buffer("mean", torch.tensor(chosen.mean).reshape(shape), persistent=False)
        self.register_buffer("std", torch.tensor(chosen.std).reshape(shape), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, F] (dense: logits [B, K, …space]) of ``x`` [B, C, …space]."""
        if self.normalization is not None:
            x = (x - self.mean) / self.std
        if self.divisor == 1:
            return self.net(x)
        space = x.shape[2:]
        short = [-length % self.divisor for length in space]
        # The last axis first, as F.pad takes it; the edge is repeated, which looks more like the image than zeros do.
        x = functional.pad(x, [n for length in reversed(short) for n in (0, length)], mode="replicate")
        return self.net(x)[(..., *(slice(length) for length in space))]
