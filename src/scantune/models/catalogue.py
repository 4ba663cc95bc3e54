"""Backbones by name and modality: the table, and a name of one's own in it.

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
class Later:
    """A builder of this package, imported when it is asked for.

    Attributes:
        module: by its full name, so that it is seen which code a stage uses.
        function: in it.
        first: its first arguments.
        options: further ones by name.
    """

    module: str
    function: str
    first: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    def load(self) -> Builder:
        """The builder itself."""
        function = getattr(importlib.import_module(self.module), self.function)
        return partial(function, *self.first, **dict(self.options)) if self.first or self.options else function


_TABLE: dict[str, dict[str, Builder | Later]] = {
    "image": {},
    "volume": {
        **{f"resnet{depth}_3d": Later("scantune.models.volumes", "resnet", (depth,)) for depth in (10, 18, 34, 50)},
        "densenet121_3d": Later("scantune.models.volumes", "densenet121"),
        "swinunetr": Later("scantune.models.volumes", "swinunetr"),
    },
    "video": {
        **{name: Later("scantune.models.videos", "resnet", (name,)) for name in ("r2plus1d_18", "r3d_18", "mc3_18")},
        "mvit_v2_s": Later("scantune.models.videos", "mvit_v2_s"),
        "swin3d_t": Later("scantune.models.videos", "swin3d_t"),
    },
}
for _modality in ("image", "volume", "video"):
    _TABLE[_modality]["small_cnn"] = Later("scantune.models.cnn", "small_cnn", options=(("modality", _modality),))
    _TABLE[_modality]["custom_1"] = Later("scantune.models.cnn", "custom_1", options=(("modality", _modality),))

#: Networks that answer per pixel, in 2D and 3D.
DENSE: dict[str, Builder | Later] = {
    name: Later("scantune.models.dense", name) for name in ("unet", "res_unet", "attention_unet", "segresnet")
}


def register(name: str, *modalities: Modality | Literal["dense"]) -> Callable[[Builder], Builder]:
    """Give a backbone of your own a name: ``build(in_channels, **options) -> Parts``.

    For ``dense``, networks that answer per pixel, it is ``build(ndim, in_channels, out_channels, **options)``.

    Raises:
        ScantuneError: the name is taken by a backbone of another module.

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
                raise ScantuneError(f"backbone {name!r}: {_module(table[low])} has one of that name for {modality}")
            table[low] = builder
        return builder

    return keep


def _module(builder: Builder | Later) -> str:
    return f"{__package__}.{builder.module}" if isinstance(builder, Later) else builder.__module__


def origin(name: str, modality: Modality, *, dense: bool = False) -> str:
    """The module that a backbone is from."""
    table = DENSE if dense else _TABLE[modality]
    return _module(table[name.lower()]) if name.lower() in table else f"{__package__}.images"


def fault(name: str, modality: Modality, *, dense: bool = False) -> str | None:
    """What is wrong with a backbone's name; None where nothing is. Torch is not needed for that.

    Args:
        name: as ``model.backbone`` has it.
        modality: of the input.
        dense: the task answers per pixel.
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
    """The builder of a network that answers per pixel.

    Raises:
        ScantuneError: unknown name.
    """
    low = name.lower()
    if low not in DENSE:
        raise ScantuneError(f"network {name!r} is not known for segmentation; known are {', '.join(sorted(DENSE))}")
    return _loaded(DENSE[low])


def _loaded(builder: Builder | Later) -> Builder:
    return builder.load() if isinstance(builder, Later) else builder


def names(modality: Modality) -> list[str]:
    """Names of the table alone, without all those of timm."""
    return sorted(_TABLE[modality])


def available(modality: Modality) -> list[str]:
    """Names of the backbones for "image" (all of timm's too), "volume" or "video"."""
    if modality != "image":
        return names(modality)
    from scantune.models import images

    return names(modality) + images.names()


def builder(name: str, modality: Modality) -> Builder:
    """The builder of a name.

    Raises:
        ScantuneError: unknown name, with the nearest ones; or a name of another modality, with that.
    """
    low = name.lower()
    if low in _TABLE[modality]:
        return _loaded(_TABLE[modality][low])
    if modality == "image":
        from scantune.models import images

        if images.exists(low):
            return partial(images.build, low)
    others = [other for other, table in _TABLE.items() if other != modality and low in table]
    if others:
        raise ScantuneError(f"backbone {name!r} is for {' and '.join(others)}, not for {modality}")
    near = difflib.get_close_matches(low, available(modality), n=4, cutoff=0.5)
    hint = ", ".join(near) if near else f"one of {len(available(modality))} names that scantune.models.available gives"
    raise ScantuneError(f"backbone {name!r} is not known for {modality}; did you mean {hint}?")


def foreign(options: Mapping[str, Any]) -> str | None:
    """What is wrong with options by which a network would read weights by itself; None where nothing is."""
    named = [name for name in options if name.startswith("pretrained") or name in _READING]
    if not named:
        return None
    return f"{named[0]!r} lets a library read files or addresses by itself; name weights by model.weights"


#: Options of timm, torchvision and MONAI that name a file or an address.
_READING = frozenset({"checkpoint_path", "cache_dir", "weights", "weights_backbone", "progress", "model_args", "url"})


def call(name: str, modality: Modality, in_channels: int, options: Mapping[str, Any]) -> Parts:
    """Build a name with its options; ``first_stride`` is one that every network has.

    Raises:
        ScantuneError: an option that the network does not have, or by which it would read files by itself.
    """
    wrong = foreign(options)
    if wrong:
        raise ScantuneError(f"backbone {name!r}: {wrong}")
    own = dict(options)
    stride = own.pop("first_stride", None)
    try:
        parts = builder(name, modality)(in_channels, **own)
    except TypeError as error:
        raise ScantuneError(f"backbone {name!r} with options {own}: {error}") from error
    if stride is not None:
        from scantune.models.channels import set_first_stride

        set_first_stride(parts.net, stride, keep_time=modality == "video")
    return parts


def wants_size(name: str, modality: Modality) -> bool:
    """Whether the network is built for one size of input."""
    return "size" in inspect.signature(builder(name, modality)).parameters
