"""A backbone by name, from random or published weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from scantune.models import catalogue, dense
from scantune.models.backbone import Backbone, Modality, Normalization, Recipe

NormalizationChoice = Normalization | Literal["auto"] | None


def build(
    backbone: str,
    *,
    modality: Modality,
    in_channels: int = 1,
    size: tuple[int, ...] | None = None,
    weights: str | Path | None = None,
    normalization: NormalizationChoice = "auto",
    min_matched: float = 0.5,
    weights_folder: str | Path = "weights",
    download: bool = False,
    seed: int | None = None,
    **options: Any,
) -> Backbone:
    """Build a backbone: input [B, C, …space] → features [B, F].

    Args:
        backbone: one of :func:`available`; for images any timm name too.
        modality: "image" [B,C,H,W], "volume" [B,C,D,H,W] or "video" [B,C,T,H,W].
        in_channels: C of the input. Published first layers of another number of channels are adapted, see
            :mod:`scantune.models.channels`.
        size: axes of space of the input, (H, W), (D, H, W) or (T, H, W): networks of one fixed size (ViT, Swin, MViT)
            are built for it, the others pass it over.
        weights: None for random; "published" for those known by the backbone's name; a name of
            :data:`scantune.models.weights.KNOWN`; or a file or folder. What matched is in ``load_report``.
        normalization: "auto" follows the weights (None where they are random); None; or your own.
        min_matched: the share of the backbone's parameters that ``weights`` must match by name and shape.
        weights_folder: where named weights are looked for.
        download: look on the network for named weights that are not on this disk. Never done unless asked for.
        seed: of the random weights; None draws from the global state. With a seed that state is left as it was.
        **options: the builder's own, and ``first_stride``; None means its default.

    Raises:
        ScantuneError: unknown name (with the nearest), weights not found (with file, format and place) or too little
            matched (with the names).

    Example:
        >>> net = build("resnet18", modality="image", in_channels=1)
        >>> net(torch.zeros(2, 1, 64, 64)).shape
        torch.Size([2, 512])
    """
    chosen = _set(options)
    if size is not None and catalogue.wants_size(backbone, modality):
        chosen["size"] = list(size)
    with _seeded(seed):
        parts = catalogue.call(backbone, modality, in_channels, chosen)
    recipe = Recipe(backbone.lower(), modality, in_channels, options=chosen)
    net = Backbone(parts, recipe)
    return _finish(net, weights, normalization, min_matched, weights_folder, download)


def build_dense(
    backbone: str,
    *,
    ndim: int,
    in_channels: int = 1,
    out_channels: int = 1,
    weights: str | Path | None = None,
    normalization: NormalizationChoice = "auto",
    min_matched: float = 0.5,
    weights_folder: str | Path = "weights",
    download: bool = False,
    seed: int | None = None,
    **options: Any,
) -> Backbone:
    """Build a network that answers per pixel: input [B, C, (D,) H, W] → logits [B, K, (D,) H, W].

    Args:
        backbone: one of :func:`scantune.models.dense.names`.
        ndim: axes of space, 2 or 3.
        in_channels: C of the input.
        out_channels: K, classes (1 where there is one, told by its sign).
        weights, normalization, min_matched, weights_folder, download, seed: as in :func:`build`.
        **options: the builder's own, e.g. ``channels``; None means its default.
    """
    chosen = _set(options)
    with _seeded(seed):
        parts = dense.build(backbone, ndim, in_channels, out_channels, **chosen)
    modality: Modality = "image" if ndim == 2 else "volume"
    recipe = Recipe(backbone.lower(), modality, in_channels, True, {"out_channels": out_channels, **chosen})
    net = Backbone(parts, recipe)
    return _finish(net, weights, normalization, min_matched, weights_folder, download)


def rebuild(recipe: Recipe, normalization: Normalization | None) -> Backbone:
    """The backbone of a recipe with random weights, to be overwritten; the global random state stays as it was."""
    options = dict(recipe.options)
    with _seeded(0):
        if recipe.dense:
            ndim = 2 if recipe.modality == "image" else 3
            parts = dense.build(recipe.name, ndim, recipe.in_channels, **options)
        else:
            parts = catalogue.call(recipe.name, recipe.modality, recipe.in_channels, options)
    return Backbone(parts, recipe, normalization)


def _finish(
    net: Backbone,
    weights: str | Path | None,
    normalization: NormalizationChoice,
    min_matched: float,
    folder: str | Path,
    download: bool,
) -> Backbone:
    published: Normalization | None = None
    if weights is not None:
        from scantune.models.weights import load

        net.load_report, published = load.into_backbone(
            net, weights, min_matched=min_matched, folder=Path(folder), download=download
        )
    net.set_normalization(published if normalization == "auto" else normalization)
    return net


def _set(options: dict[str, Any]) -> dict[str, Any]:
    """Options that were set: for those left at None the builder's own default holds."""
    return {key: value for key, value in options.items() if value is not None}


def _seeded(seed: int | None) -> AbstractContextManager[None]:
    @contextmanager
    def forked() -> Iterator[None]:
        with torch.random.fork_rng(devices=[]):
            if seed is not None:
                torch.manual_seed(seed)
            yield

    @contextmanager
    def as_it_is() -> Iterator[None]:
        yield

    return as_it_is() if seed is None else forked()
