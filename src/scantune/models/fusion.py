"""Fusion of covariates with the features of the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from scantune.models.covariates import Covariates
from scantune.records import ScantuneError

UNITS = 32
"""Learned numbers of the covariates."""
KINDS = ("concat", "film")


class Fusion(nn.Module):
    """Features [B, F] and covariates [B, Q] → features for the head, [B, F + 32] (concat) or [B, F] (film).

    Numbers are standardised by mean and standard deviation of the training set; each level of a category has a column,
    from which its share is subtracted; an unknown value is the mean of the training set, with an indicator. A column
    that is constantly 0 in the training set (an indicator without unknown values) starts and stays without weight. Then
    follow a linear layer of 32 numbers and ReLU. ``film`` (Perez et al., "FiLM: Visual reasoning with a general
    conditioning layer", AAAI 2018, equation 2) computes scale − 1 and shift of each feature from them by weights that
    start at 0.

    Attributes:
        covariates: the columns.
        kind: ``concat`` or ``film``.
        dropout: share of samples in training whose covariates count as unknown.
    """

    mean: Tensor
    spread: Tensor
    share: Tensor
    seen: Tensor

    def __init__(self, covariates: Covariates, features: int, kind: str = "concat", dropout: float = 0.0) -> None:
        super().__init__()
        self.covariates, self.features, self.kind, self.dropout = covariates, features, kind, dropout
        columns = covariates.columns
        width = sum(2 if column.kind == "number" else len(column.levels) + 1 for column in columns)
        self.register_buffer("mean", torch.zeros(len(columns)))
        self.register_buffer("spread", torch.ones(len(columns)))
        self.register_buffer("share", torch.zeros(width))
        self.register_buffer("seen", torch.ones(width))
        self.hidden = nn.Linear(width, UNITS)
        self.film = nn.Linear(UNITS, 2 * features) if kind == "film" else None
        if self.film is not None:
            nn.init.zeros_(self.film.weight)
            nn.init.zeros_(self.film.bias)

    @property
    def width(self) -> int:
        """Number of features for the head."""
        return self.features if self.kind == "film" else self.features + UNITS

    def fit(self, rows: np.ndarray) -> None:
        """Set the statistics of the training set.

        Args:
            rows: of :meth:`Covariates.rows`, [N, Q].
        """
        values = rows.astype(np.float64)
        known = np.isfinite(values)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, values, 0).sum(0) / count
        spread = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(0) / count)
        self.mean.copy_(torch.from_numpy(mean))
        self.spread.copy_(torch.from_numpy(np.where(spread > 0, spread, 1.0)))
        self.seen.fill_(1.0)
        self.share.zero_()
        encoded = self.encode(torch.from_numpy(rows))
        occurs = (encoded != 0).any(0)
        if self.dropout:
            occurs |= (self.encode(torch.full((1, len(self.covariates.columns)), torch.nan)) != 0)[0]
        self.seen.copy_(occurs)
        for column, where in self._levels():
            self.share[where] = encoded[np.isfinite(rows[:, column]), where].mean(0)
        with torch.no_grad():
            self.hidden.weight.mul_(self.seen)

    def encode(self, raw: Tensor) -> Tensor:
        """Columns [B, E] of the numbers [B, Q] of :meth:`Covariates.rows`."""
        places, parts = dict(self._levels()), []
        for index, column in enumerate(self.covariates.columns):
            values = raw[:, index]
            if column.kind == "number":
                standard = (values - self.mean[index]) / self.spread[index]
                unknown = torch.isnan(values)
                parts += [torch.where(unknown, 0.0, standard)[:, None], unknown[:, None].to(raw.dtype)]
                continue
            levels = len(column.levels)
            codes = torch.nan_to_num(values, nan=float(levels)).long()
            one_hot = nn.functional.one_hot(codes, levels + 1).to(raw.dtype)[:, :levels]
            one_hot = one_hot * self.seen[places[index]]  # a level that this training set lacks is unknown
            known = one_hot.sum(1, keepdim=True)
            parts += [one_hot - known * self.share[places[index]], 1.0 - known]
        return torch.cat(parts, 1)

    def _levels(self) -> Iterator[tuple[int, slice]]:
        """Of each category its place among the covariates and those of its levels among the columns."""
        start = 0
        for index, column in enumerate(self.covariates.columns):
            if column.kind == "category":
                yield index, slice(start, start + len(column.levels))
            start += 2 if column.kind == "number" else len(column.levels) + 1

    def forward(self, features: Tensor, covariates: Tensor) -> Tensor:
        """Features for the head.

        Args:
            features: pooled, [B, F].
            covariates: [B, Q] of :meth:`Covariates.rows`.
        """
        if self.training and self.dropout:
            dropped = torch.rand(len(covariates), 1, device=covariates.device) < self.dropout
            covariates = covariates.masked_fill(dropped, torch.nan)
        learned = nn.functional.relu(self.hidden(self.encode(covariates)))
        if self.film is None:
            return torch.cat([features, learned.to(features.dtype)], 1)
        scale, shift = self.film(learned).to(features.dtype).chunk(2, 1)
        return features * (1 + scale) + shift

    def describe(self) -> dict[str, Any]:
        """Description for :func:`rebuild`; JSON-serialisable."""
        columns = self.covariates.described()
        return {"kind": self.kind, "features": self.features, "dropout": self.dropout, "columns": columns}


def rebuild(described: Mapping[str, Any]) -> Fusion:
    """The module of a description, with random weights.

    Raises:
        ScantuneError: a kind that is unknown to this version, or no columns.
    """
    covariates = Covariates.read(described["columns"])
    if described["kind"] not in KINDS or covariates is None:
        raise ScantuneError(f"architecture: fusion {described['kind']!r} is not one of {', '.join(KINDS)}")
    return Fusion(covariates, int(described["features"]), described["kind"], float(described["dropout"]))


def attach(network: Any, covariates: Covariates, rows: np.ndarray, *, kind: str, dropout: float, seed: int) -> None:
    """Add covariates to a network without them; its output stays the same until it is trained.

    Args:
        network: :class:`scantune.models.network.Network`, changed in place.
        covariates: the columns.
        rows: of the training samples, [N, Q].
        kind: ``concat`` or ``film``.
        dropout: see :class:`Fusion`.
        seed: of the random weights.

    Raises:
        ScantuneError: the network has an output per pixel, or a head without a linear layer.
    """
    features = network.backbone.feature_dim
    if network.backbone.recipe.dense:
        raise ScantuneError("model.covariates: for networks with one output per sample, not per pixel")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fusion = Fusion(covariates, features, kind, dropout)
    fusion.fit(rows)
    if fusion.width != features:
        _widen(network, features, fusion.width)
    network.fusion = fusion


def _widen(network: Any, features: int, width: int) -> None:
    """Let the head take ``width`` features, the further ones with weight 0."""
    for name, layer in network.head.named_modules():
        if not isinstance(layer, nn.Linear) or layer.in_features != features:
            continue
        wide = nn.utils.skip_init(nn.Linear, width, layer.out_features, bias=layer.bias is not None)
        with torch.no_grad():
            wide.weight.zero_()
            wide.weight[:, :features] = layer.weight
            if layer.bias is not None:
                cast("Tensor", wide.bias).copy_(layer.bias)
        parent, _, leaf = f"head.{name}".rpartition(".") if name else ("", "", "head")
        setattr(network.get_submodule(parent), leaf, wide)
        return
    raise ScantuneError(f"model.covariates: the head has no linear layer of {features} features; use fusion: film")
