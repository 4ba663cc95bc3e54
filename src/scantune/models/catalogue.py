"""Catalogue of backbones by name and modality, and registration of custom ones.

Names are known without torch: a module is imported when one of its networks is built.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from scantune.models.names import ALIASES, in_timm, timm_names
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.models.backbone import Modality, Parts

Builder = Callable[..., "Parts"]


@dataclass(frozen=True)
class LazyBuilder:
    """A builder of this package that is imported on use.

    Attributes:
        module: full name, from which the code dependencies of a stage are derived.
        function: name in the module.
        arguments: first positional arguments.
        options: keyword arguments.
    """

    module: str
    function: str
    arguments: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    def load(self) -> Builder:
        """Import the builder."""
        function = getattr(importlib.import_module(self.module), self.function)
        return partial(function, *self.arguments, **dict(self.options)) if self.arguments or self.options else function


_TABLE: dict[str, dict[str, Builder | LazyBuilder]] = {
    "image": {},
    "volume": {
        **{
            f"resnet{depth}_3d": LazyBuilder("scantune.models.volumes", "resnet", (depth,))
            for depth in (10, 18, 34, 50)
        },
        "densenet121_3d": LazyBuilder("scantune.models.volumes", "densenet121"),
        "swinunetr": LazyBuilder("scantune.models.volumes", "swinunetr"),
    },
    "video": {
        **{
            name: LazyBuilder("scantune.models.videos", "resnet", (name,))
            for name in ("r2plus1d_18", "r3d_18", "mc3_18")
        },
        "mvit_v2_s": LazyBuilder("scantune.models.videos", "mvit_v2_s"),
        "swin3d_t": LazyBuilder("scantune.models.videos", "swin3d_t"),
    },
}
for _modality in ("image", "volume", "video"):
    _TABLE[_modality]["small_cnn"] = LazyBuilder("scantune.models.cnn", "small_cnn", options=(("modality", _modality),))
    _TABLE[_modality]["custom_1"] = LazyBuilder("scantune.models.cnn", "custom_1", options=(("modality", _modality),))

#: Networks with an output per pixel or voxel, in 2D and 3D.
DENSE: dict[str, Builder | LazyBuilder] = {
    name: LazyBuilder("scantune.models.dense", name) for name in ("unet", "res_unet", "attention_unet", "segresnet")
}


def register(name: str, *modalities: Modality | Literal["dense"]) -> Callable[[Builder], Builder]:
    """Register a custom backbone: ``build(in_channels, **options) -> Parts``.

    For ``dense``, networks with an output per pixel, it is ``build(ndim, in_channels, out_channels, **options)``.

    Raises:
        ScantuneError: a backbone of another module has that name.

    Example:
        >>> @register("my_net", "image")
        ... def my_net(in_channels, **options):
        ...     net = nn.Sequential(nn.Conv2d(in_channels, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        ...     return Parts(net, feature_dim=8, blocks=[("stem", [net])], saliency_layer="0")
    """

    def keep(builder: Builder) -> Builder:
        low = name.lower()
        for modality in modalities:
            table = DENSE if modality == "dense" else _TABLE[modality]
            if low in table and _module(table[low]) != builder.__module__:
                raise ScantuneError(f"backbone {name!r}: {_module(table[low])} registers it for {modality} already")
            table[low] = builder
        return builder

    return keep


def _module(builder: Builder | LazyBuilder) -> str:
    return f"{__package__}.{builder.module}" if isinstance(builder, LazyBuilder) else builder.__module__


def origin(name: str, modality: Modality, *, dense: bool = False) -> str:
    """The module that defines a backbone."""
    table = DENSE if dense else _TABLE[modality]
    return _module(table[name.lower()]) if name.lower() in table else f"{__package__}.images"


def fault(name: str, modality: Modality, *, dense: bool = False) -> str | None:
    """Error message for an invalid name of a backbone, or None. Does not require torch.

    Args:
        name: as in ``model.backbone``.
        modality: of the input.
        dense: the task has an output per pixel.
    """
    low = name.lower()
    known = set(DENSE) if dense else set(_TABLE[modality])
    if low in known or (not dense and modality == "image" and in_timm(low)):
        return None
    kinds = {**_TABLE, "segmentation": DENSE}
    others = [kind for kind, table in kinds.items() if low in table]
    if "image" not in others and in_timm(low):
        others.insert(0, "image")
    purpose = "segmentation" if dense else modality
    if others:
        return f"{name!r} is for {' and '.join(others)}, not for {purpose}; known are {', '.join(sorted(known))}"
    near = difflib.get_close_matches(low, known, n=3, cutoff=0.5)
    if not dense and modality == "image":
        near += difflib.get_close_matches(low, {*ALIASES, *timm_names()}, n=3, cutoff=0.7)
    hint = f"did you mean {', '.join(dict.fromkeys(near))}?" if near else f"known are {', '.join(sorted(known))}"
    return f"{name!r} is not known for {purpose}; {hint}"


def dense_builder(name: str) -> Builder:
    """The builder of a network with an output per pixel.

    Raises:
        ScantuneError: unknown name.
    """
    low = name.lower()
    if low not in DENSE:
        raise ScantuneError(f"network {name!r} is not known for segmentation; known are {', '.join(sorted(DENSE))}")
    return _resolve_builder(DENSE[low])


def _resolve_builder(builder: Builder | LazyBuilder) -> Builder:
    return builder.load() if isinstance(builder, LazyBuilder) else builder


def names(modality: Modality) -> list[str]:
    """Names in the table, without those of timm."""
    return sorted(_TABLE[modality])


def available(modality: Modality) -> list[str]:
    """Names of the backbones for "image" (including those of timm), "volume" or "video"."""
    if modality != "image":
        return names(modality)
    from scantune.models import images

    return names(modality) + images.names()


def builder(name: str, modality: Modality) -> Builder:
    """The builder of a name.

    Raises:
        ScantuneError: an unknown name (with the nearest ones), or a name of another modality.
    """
    low = name.lower()
    if low in _TABLE[modality]:
        return _resolve_builder(_TABLE[modality][low])
    if modality == "image":
        from scantune.models import images

        if images.exists(low):
            return partial(images.build, low)
    others = [other for other, table in _TABLE.items() if other != modality and low in table]
    if others:
        raise ScantuneError(f"backbone {name!r} is for {' and '.join(others)}, not for {modality}")
    near = difflib.get_close_matches(low, available(modality), n=4, cutoff=0.5)
    hint = ", ".join(near) if near else f"one of {len(available(modality))} names of scantune.models.available"
    raise ScantuneError(f"backbone {name!r} is not known for {modality}; did you mean {hint}?")


def call(name: str, modality: Modality, in_channels: int, options: Mapping[str, Any]) -> Parts:
    """Build a backbone with its options; ``first_stride`` is an option of every backbone.

    Raises:
        ScantuneError: an unknown option.
    """
    builder_options = dict(options)
    stride = builder_options.pop("first_stride", None)
    try:
        parts = builder(name, modality)(in_channels, **builder_options)
    except TypeError as error:
        raise ScantuneError(f"backbone {name!r} with options {builder_options}: {error}") from error
    if stride is not None:
        from scantune.models.channels import set_first_stride

        set_first_stride(parts.net, stride, keep_time=modality == "video")
    return parts


def requires_size(name: str, modality: Modality) -> bool:
    """Whether the network is built for a fixed input size."""
    return "size" in inspect.signature(builder(name, modality)).parameters
