"""Backbones by name and modality: the table, and a name of one's own in it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from scantune.models import cnn, images, videos, volumes
from scantune.models.backbone import Modality, Parts
from scantune.models.channels import set_first_stride
from scantune.records import ScantuneError

Builder = Callable[..., Parts]

_TABLE: dict[str, dict[str, Builder]] = {
    "image": {},
    "volume": {
        **{f"resnet{depth}_3d": partial(volumes.resnet, depth) for depth in (10, 18, 34, 50)},
        "densenet121_3d": volumes.densenet121,
        "swinunetr": volumes.swinunetr,
    },
    "video": {
        **{name: partial(videos.resnet, name) for name in ("r2plus1d_18", "r3d_18", "mc3_18")},
        "mvit_v2_s": videos.mvit_v2_s,
        "swin3d_t": videos.swin3d_t,
    },
}
for _modality in ("image", "volume", "video"):
    _TABLE[_modality]["small_cnn"] = partial(cnn.small_cnn, modality=_modality)
    _TABLE[_modality]["custom_1"] = partial(cnn.custom_1, modality=_modality)


def register(name: str, *modalities: Modality) -> Callable[[Builder], Builder]:
    """Give a backbone of your own a name: ``build(in_channels, **options) -> Parts``.

    Example:
        >>> @register("my_net", "image")
        ... def my_net(in_channels, **options):
        ...     net = nn.Sequential(nn.Conv2d(in_channels, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        ...     return Parts(net, feature_dim=8, blocks=[("stem", [net])], saliency_layer="0")
    """

    def keep(builder: Builder) -> Builder:
        for modality in modalities:
            _TABLE[modality][name.lower()] = builder
        return builder

    return keep


def names(modality: Modality) -> list[str]:
    """Names of the table alone, without all those of timm."""
    return sorted(_TABLE[modality])


def available(modality: Modality) -> list[str]:
    """Names of the backbones for "image" (all of timm's too), "volume" or "video"."""
    return names(modality) + (images.names() if modality == "image" else [])


def builder(name: str, modality: Modality) -> Builder:
    """The builder of a name.

    Raises:
        ScantuneError: unknown name, with the nearest ones; or a name of another modality, with that.
    """
    low = name.lower()
    if low in _TABLE[modality]:
        return _TABLE[modality][low]
    if modality == "image" and images.exists(low):
        return partial(images.build, low)
    others = [other for other, table in _TABLE.items() if other != modality and low in table]
    if others:
        raise ScantuneError(f"backbone {name!r} is for {' and '.join(others)}, not for {modality}")
    near = difflib.get_close_matches(low, available(modality), n=4, cutoff=0.5)
    hint = ", ".join(near) if near else f"one of {len(available(modality))} names that scantune.models.available gives"
    raise ScantuneError(f"backbone {name!r} is not known for {modality}; did you mean {hint}?")


def call(name: str, modality: Modality, in_channels: int, options: Mapping[str, Any]) -> Parts:
    """Build a name with its options; ``first_stride`` is one that every network has.

    Raises:
        ScantuneError: an option that the network does not have.
    """
    own = dict(options)
    stride = own.pop("first_stride", None)
    try:
        parts = builder(name, modality)(in_channels, **own)
    except TypeError as error:
        raise ScantuneError(f"backbone {name!r} with options {own}: {error}") from error
    if stride is not None:
        set_first_stride(parts.net, stride, keep_time=modality == "video")
    return parts


def wants_size(name: str, modality: Modality) -> bool:
    """Whether the network is built for one size of input."""
    return "size" in inspect.signature(builder(name, modality)).parameters
