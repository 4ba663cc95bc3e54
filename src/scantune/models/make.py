"""Building of backbones by name, with random or published weights."""

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
        backbone: one of :func:`available`; for images and videos also any timm name.
        modality: "image" [B,C,H,W], "volume" [B,C,D,H,W] or "video" [B,C,T,H,W].
        in_channels: C of the input. Published first layers of another number of channels are adapted, see
            :mod:`scantune.models.channels`.
        size: spatial size of the input, (H, W), (D, H, W) or (T, H, W): networks of a fixed size (ViT, Swin, MViT) are
            built for it, the others ignore it.
        weights: None for random; "published" for the default published weights of the backbone; a name in
            :data:`scantune.models.weights.KNOWN`; or a file or folder. ``load_report`` has the matched tensors.
        normalization: "auto" is that of the weights (None for random ones); None; or a custom one.
        min_matched: smallest share of the backbone's parameters that ``weights`` must match by name and shape.
        weights_folder: folder in which named weights are searched.
        download: allow the download of named weights that are not on this disk.
        seed: of the random weights; None uses the global random state. With a seed that state does not change.
        **options: of the builder, and ``first_stride``; None is the default.

    Raises:
        ScantuneError: unknown name (with the nearest), missing weights (with file, format and location) or too few
            matching parameters (with their names).

    Example:
        >>> net = build("resnet18", modality="image", in_channels=1)
        >>> net(torch.zeros(2, 1, 64, 64)).shape
        torch.Size([2, 512])
    """
    specified = _specified(options)
    if size is not None and catalogue.requires_size(backbone, modality):
        specified["size"] = list(size)
    with _seeded(seed):
        parts = catalogue.call(backbone, modality, in_channels, specified)
    recipe = Recipe(backbone.lower(), modality, in_channels, options=specified)
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
    """Build a network with an output per pixel or voxel: input [B, C, (D,) H, W] → logits [B, K, (D,) H, W].

    Args:
        backbone: one of :func:`scantune.models.dense.names`.
        ndim: number of spatial axes, 2 or 3.
        in_channels: C of the input.
        out_channels: K, number of classes (1 for a single foreground class with one logit).
        weights, normalization, min_matched, weights_folder, download, seed: as in :func:`build`.
        **options: of the builder, e.g. ``channels``; None is the default.
    """
    specified = _specified(options)
    with _seeded(seed):
        parts = dense.build(backbone, ndim, in_channels, out_channels, **specified)
    modality: Modality = "image" if ndim == 2 else "volume"
    recipe = Recipe(backbone.lower(), modality, in_channels, True, {"out_channels": out_channels, **specified})
    net = Backbone(parts, recipe)
    return _finish(net, weights, normalization, min_matched, weights_folder, download)


def rebuild(recipe: Recipe, normalization: Normalization | None) -> Backbone:
    """The backbone of a recipe with random weights; the global random state does not change."""
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


def _specified(options: dict[str, Any]) -> dict[str, Any]:
    """Options that are not None; the builder has defaults for the others."""
    return {key: value for key, value in options.items() if value is not None}


def _seeded(seed: int | None) -> AbstractContextManager[None]:
    @contextmanager
    def forked() -> Iterator[None]:
        with torch.random.fork_rng(devices=[]):
            if seed is not None:
                torch.manual_seed(seed)
            yield

    @contextmanager
    def unchanged() -> Iterator[None]:
        yield

    return unchanged() if seed is None else forked()
