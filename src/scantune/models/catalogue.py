"""Catalogue of backbones by name and modality, and registration of custom ones.

Names are known without torch: a module is imported when one of its networks is built.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from scantune.models.names import ALIASES, in_timm, timm_names
from scantune.models.option_faults import option_fault
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


#: Backbones by modality, and ``dense``: networks with an output per pixel, in 2D and 3D.
Table = Literal["image", "volume", "video", "dense"]

_TABLE: dict[Table, dict[str, Builder | LazyBuilder]] = {
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
    "dense": {
        **{
            name: LazyBuilder("scantune.models.dense", name)
            for name in ("unet", "res_unet", "attention_unet", "segresnet")
        },
        **{name: LazyBuilder("scantune.models.nnunet", name) for name in ("plain_unet", "resenc_unet")},
        "timm_unet": LazyBuilder("scantune.models.timm_unet", "timm_unet"),
    },
}
#: Networks with an output per pixel that have two axes of space alone.
IN_THE_PLANE = frozenset({"timm_unet"})
_MODALITIES: tuple[Modality, ...] = ("image", "volume", "video")
for _modality in _MODALITIES:
    _TABLE[_modality]["small_cnn"] = LazyBuilder("scantune.models.cnn", "small_cnn", options=(("modality", _modality),))
    _TABLE[_modality]["custom_1"] = LazyBuilder("scantune.models.cnn", "custom_1", options=(("modality", _modality),))

#: Tables of which timm's networks are part: of a video each frame is seen by itself.
OF_TIMM = ("image", "video")

#: A table in words, behind "for".
_WORDS: dict[Table, str] = {"dense": "masks"}


def register(name: str, *tables: Table) -> Callable[[Builder], Builder]:
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

    def add(builder: Builder) -> Builder:
        key = name.lower()
        for table in tables:
            existing = _TABLE[table].get(key)
            if existing is not None and _module(existing) != builder.__module__:
                raise ScantuneError(f"backbone {name!r}: {_module(existing)} registers it for {table} already")
            _TABLE[table][key] = builder
        return builder

    return add


def _module(builder: Builder | LazyBuilder) -> str:
    return f"{__package__}.{builder.module}" if isinstance(builder, LazyBuilder) else builder.__module__


def origin(name: str, table: Table) -> str:
    """The module that defines a backbone."""
    builder = _TABLE[table].get(name.lower())
    if builder is None:
        return f"{__package__}.{'frames' if table == 'video' else 'images'}"
    return _module(builder)


def fault(name: str, table: Table) -> str | None:
    """Error message for an invalid name of a backbone, or None. Does not require torch.

    Args:
        name: as in ``model.backbone``.
        table: of the backbones of the task, see :meth:`scantune.tasks.base.TaskSettings.backbones`.
    """
    key, known = name.lower(), set(_TABLE[table])
    if key in known or (table in OF_TIMM and in_timm(key)):
        return None
    other_tables = [other for other, row in _TABLE.items() if key in row or (other in OF_TIMM and in_timm(key))]
    purpose = _WORDS.get(table, table)
    if other_tables:
        purposes = " and ".join(_WORDS.get(other, other) for other in other_tables)
        return f"{name!r} is for {purposes}, not for {purpose}; known are {', '.join(sorted(known))}"
    similar = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    if table in OF_TIMM:
        similar += difflib.get_close_matches(key, {*ALIASES, *timm_names()}, n=3, cutoff=0.7)
    others = ", and the networks of timm" if table in OF_TIMM else ""
    known_names = f"known are {', '.join(sorted(known))}{others}"
    hint = f"did you mean {', '.join(dict.fromkeys(similar))}?" if similar else known_names
    return f"{name!r} is not known for {purpose}; {hint}"


def may_attend(name: str, table: Table) -> bool:
    """Whether a network may be a vision transformer, whose attention maps are made of; does not require torch."""
    return table == "image" and not isinstance(_TABLE["image"].get(name.lower()), LazyBuilder)


def dense_builder(name: str) -> Builder:
    """The builder of a network with an output per pixel.

    Raises:
        ScantuneError: unknown name.
    """
    key = name.lower()
    if key not in _TABLE["dense"]:
        raise ScantuneError(f"network {name!r} is not known for masks; known are {', '.join(names('dense'))}")
    return _resolve_builder(_TABLE["dense"][key])


def _resolve_builder(builder: Builder | LazyBuilder) -> Builder:
    return builder.load() if isinstance(builder, LazyBuilder) else builder


def names(table: Table) -> list[str]:
    """Names of a table alone, without all those of timm."""
    return sorted(_TABLE[table])


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
    key = name.lower()
    if key in _TABLE[modality]:
        return _resolve_builder(_TABLE[modality][key])
    if modality in OF_TIMM:
        from scantune.models import frames, images

        if images.exists(key):
            return partial(images.build if modality == "image" else frames.build, key)
    other_tables = [_WORDS.get(other, other) for other, table in _TABLE.items() if other != modality and key in table]
    if other_tables:
        raise ScantuneError(f"backbone {name!r} is for {' and '.join(other_tables)}, not for {modality}")
    similar = difflib.get_close_matches(key, available(modality), n=4, cutoff=0.5)
    hint = ", ".join(similar) if similar else f"one of {len(available(modality))} names of scantune.models.available"
    raise ScantuneError(f"backbone {name!r} is not known for {modality}; did you mean {hint}?")


def foreign(options: Mapping[str, Any]) -> str | None:
    """What is wrong with options by which a network would read weights by itself; None where nothing is."""
    named = [name for name in options if name.startswith("pretrained") or name in _READING]
    if not named:
        return None
    return f"{named[0]!r} lets a library read files or addresses by itself; name weights by model.weights"


#: Options of timm, torchvision and MONAI that name a file or an address.
_READING = frozenset({"checkpoint_path", "cache_dir", "weights", "weights_backbone", "progress", "model_args", "url"})


#: What a builder of a library raises where an option, or the size of the input, is none that the network can have.
UNBUILT = (TypeError, ValueError, AssertionError, RuntimeError, LookupError, ArithmeticError)


def built(name: str, build: Callable[..., Parts], options: Mapping[str, Any]) -> Parts:
    """``build(**options)``.

    Raises:
        ScantuneError: it refuses an option, or a layer of it would be empty; with its key and value.
    """

    def whole(**given: Any) -> Parts:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
            parts = build(**given)
        empty = next((name for name, tensor in parts.net.named_parameters() if not tensor.numel()), None)
        if empty is not None:
            raise ValueError(f"its layer {empty.rpartition('.')[0]} has no channels")
        return parts

    def builds(others: Mapping[str, Any]) -> bool:
        try:
            whole(**others)
        except UNBUILT:  # ScantuneError is a ValueError
            return False
        return True

    try:
        return whole(**options)
    except ScantuneError:
        raise
    except UNBUILT as error:
        raise option_fault(name, options, error, builds) from error


def call(name: str, modality: Modality, in_channels: int, options: Mapping[str, Any]) -> Parts:
    """Build a backbone with its options; ``first_stride`` is an option of every backbone.

    Raises:
        ScantuneError: an unknown option or an impossible value, or one by which the network would read files by itself.
    """
    wrong = foreign(options)
    if wrong:
        raise ScantuneError(f"model.options: {wrong}")
    builder_options = dict(options)
    stride = builder_options.pop("first_stride", None)
    parts = built(name, partial(builder(name, modality), in_channels), builder_options)
    if stride is not None:
        from scantune.models.channels import set_first_stride

        set_first_stride(parts.net, stride, keep_time=modality == "video")
    return parts


def requires_size(name: str, modality: Modality) -> bool:
    """Whether the network is built for one size of input."""
    return "size" in inspect.signature(builder(name, modality)).parameters
