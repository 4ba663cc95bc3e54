"""A backbone: a network without its output layer, with the facts that freezing, saliency maps and serving need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from scantune.models import pooling
from scantune.models.load_report import LoadReport

Modality = Literal["image", "volume", "video"]
Kind = Literal["cnn", "vit"]
#: Layout of the saliency layer's output: [B, C, …space], [B, …space, C], or tokens [B, prefix + N, C].
Layout = Literal["channels_first", "channels_last", "tokens"]
Blocks = list[tuple[str, list[nn.Module]]]
SPACE = {"image": 2, "volume": 3, "video": 3}


@dataclass(frozen=True)
class Normalization:
    """Input normalisation: ``(x - mean) / std`` per channel, of published weights for x in [0, 1]; before that x is cut
    at ``low`` and ``high`` where they are set."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None

    def for_channels(self, channels: int) -> Normalization:
        """The normalisation for another number of channels: unchanged where it fits, else the mean over channels."""
        if len(self.mean) == channels:
            return self
        means = [None if row is None else sum(row) / len(row) for row in (self.mean, self.std, self.low, self.high)]
        return Normalization(*(None if mean is None else (mean,) * channels for mean in means))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Parts:
    """Result of a builder: the network and the facts that only its builder knows.

    Attributes:
        net: [B, C, …space] → features [B, F], or [B, K, …space] for a dense network.
        feature_dim: F; K for a dense network.
        blocks: (name, modules) from input to output, the units of freezing by blocks.
        saliency_layer: dotted name inside ``net`` of the layer for Grad-CAM, or None.
        kind: "vit" for a network with attention over a grid of tokens, else "cnn".
        layout: of the saliency layer's output.
        token_grid: tokens per spatial axis where ``layout`` is "tokens", else None.
        prefix_tokens: number of class and register tokens before the grid.
        normalization: input normalisation of the published weights, applied where they are loaded.
        frames: the net sees each frame of a video by itself; outputs of its layers are [B·T, …].
        divisor: every spatial axis must be a multiple of it, or of that axis's own; the input of a dense network is
            padded to one and the output is cropped.
        published: dotted name inside ``net`` of the part that published weights are of, and the backbone that they are
            known by; None: all of it, by the network's own name.
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
    frames: bool = False
    divisor: int | tuple[int, ...] = 1
    published: tuple[str, str] | None = None


@dataclass(frozen=True)
class Recipe:
    """Parameters to rebuild a backbone; JSON-serialisable, part of ``architecture.json``."""

    name: str
    modality: Modality
    in_channels: int
    dense: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


class Backbone(nn.Module):
    """A network from input [B, C, …space] float to features [B, F] (dense: to logits [B, K, …space]).

    ``normalization`` is applied inside ``forward``, so that the served model is the trained model.

    Attributes:
        recipe: name, modality, channels and options to rebuild it.
        feature_dim: F (dense: K).
        blocks: (name, modules) from input to output.
        saliency_layer: dotted name inside this module, or None.
        kind, layout, token_grid, prefix_tokens, frames: see :class:`Parts`.
        normalization: of the input, or None for none.
        load_report: report of the loaded weights, or None for random weights.
    """

    mean: Tensor
    std: Tensor
    low: Tensor | None
    high: Tensor | None

    def __init__(self, parts: Parts, recipe: Recipe, normalization: Normalization | None = None) -> None:
        super().__init__()
        self.net = pooling.accelerate(parts.net)
        self.recipe = recipe
        self.feature_dim = parts.feature_dim
        self.blocks = parts.blocks
        self.saliency_layer = None if parts.saliency_layer is None else f"net.{parts.saliency_layer}"
        self.kind = parts.kind
        self.layout = parts.layout
        self.token_grid = parts.token_grid
        self.prefix_tokens = parts.prefix_tokens
        self.frames = parts.frames
        self.divisor = parts.divisor
        self.published_part, self.published_name = parts.published or ("", recipe.name)
        self.load_report: LoadReport | None = None
        self.published_normalization = parts.normalization
        self.normalization: Normalization | None = None
        self.set_normalization(normalization)

    def set_normalization(self, normalization: Normalization | None) -> None:
        """Set the normalisation of the input; None removes it."""
        self.normalization = None if normalization is None else normalization.for_channels(self.recipe.in_channels)
        applied = self.normalization or Normalization((0.0,), (1.0,))
        shape = (1, -1) + (1,) * SPACE[self.recipe.modality]
        # Not part of the weights: they are in architecture.json, and published files do not have them.
        self.register_buffer("mean", torch.tensor(applied.mean).reshape(shape), persistent=False)
        self.register_buffer("std", torch.tensor(applied.std).reshape(shape), persistent=False)
        for name in ("low", "high"):
            limit = getattr(applied, name)
            limits = None if limit is None else torch.tensor(limit).reshape(shape)
            self.register_buffer(name, limits, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, F] (dense: logits [B, K, …space]) of ``x`` [B, C, …space]."""
        if self.low is not None and self.high is not None:
            x = x.clamp(self.low, self.high)
        if self.normalization is not None:
            x = (x - self.mean) / self.std
        if self.divisor == 1:
            return self.net(x)
        space = x.shape[2:]
        divisors = (self.divisor,) * len(space) if isinstance(self.divisor, int) else self.divisor
        padding = [-length % divisor for length, divisor in zip(space, divisors, strict=True)]
        if not any(padding):
            return self.net(x)
        # F.pad expects the last axis first; the edge is repeated, which resembles the image more than zeros do.
        x = functional.pad(x, [n for length in reversed(padding) for n in (0, length)], mode="replicate")
        output, inside = self.net(x), (..., *(slice(length) for length in space))
        if isinstance(output, tuple):  # of deep supervision
            coarser = (_over(one, space, x.shape[2:]) for one in output[1:])
            return (output[0][inside], *coarser)  # type: ignore[return-value]
        return output[inside]


def _over(coarse: Tensor, space: Sequence[int], padded: Sequence[int]) -> Tensor:
    """Of an output at lower resolution the places that lie over the input of size ``space``, not over its padding."""
    for axis, (length, inside, whole) in enumerate(zip(coarse.shape[2:], space, padded, strict=True), start=2):
        coarse = coarse.narrow(axis, 0, -(-length * inside // whole))
    return coarse
