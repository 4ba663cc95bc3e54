"""Names of backbones and published weights, available without torch: of the catalogue and of timm."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scantune.spelling import did_you_mean

#: Network of timm under ``timm_unet`` where none is named.
ENCODER = "tf_efficientnet_lite0"
#: Short names, and names of published weights for their architecture.
ALIASES = {
    "resnet": "resnet50",
    "densenet": "densenet121",
    "efficientnet": "efficientnet_b0",
    "convnext": "convnext_tiny",
    "vit": "vit_base_patch16_224",
    "dino": "vit_small_patch14_dinov2",
    "chexnet": "densenet121",
    "raddino": "vit_base_patch14_dinov2",
}

#: Published weights by name, and the backbones that they are for. :data:`scantune.models.weights.KNOWN` has their
#: files; those of ``imagenet`` are timm's own.
WEIGHTS: dict[str, tuple[str, ...]] = {
    "chexnet": ("chexnet", "densenet121"),
    "imagenet": (),
    "kinetics": ("mc3_18", "mvit_v2_s", "r2plus1d_18", "r3d_18", "swin3d_t"),
    "medicalnet": ("resnet10_3d", "resnet18_3d", "resnet34_3d", "resnet50_3d"),
    "raddino": ("raddino", "vit_base_patch14_dinov2"),
    "ssl_ct": ("swinunetr",),
}

_WITHOUT = " random"
"""Behind a name in the list: timm has no weights for it."""

_LIST = Path(__file__).with_name("timm_names.txt")


@functools.cache
def _listed() -> tuple[str, dict[str, bool]]:
    """The version of timm that the list was made with, and its names with whether there are weights."""
    first, *lines = _LIST.read_text(encoding="utf-8").split("\n")
    return first.removeprefix("timm "), {line.removesuffix(_WITHOUT): _WITHOUT not in line for line in lines if line}


def timm_names() -> frozenset[str]:
    """timm's names, by the list in this package; by timm itself where another version of it is installed."""
    version, names = _listed()
    if importlib.metadata.version("timm") == version:
        return frozenset(names)
    import timm

    return frozenset(timm.list_models())


def _bare(backbone: str) -> str:
    """timm's own name of a short one, without the tag of its weights."""
    return ALIASES.get(backbone, backbone).partition(".")[0]


def in_timm(name: str) -> bool:
    """Whether timm has the name, also as a short name or with the tag of its weights."""
    architecture = ALIASES.get(name, name).partition(".")[0]
    return architecture in _listed()[1] or architecture in timm_names()


def weights_for(backbone: str, table: str) -> list[str]:
    """Names of the published weights for a backbone of a table (:data:`scantune.models.catalogue.Table`)."""
    names = [name for name, backbones in WEIGHTS.items() if backbone in backbones]
    if table in ("image", "video") and in_timm(backbone) and _listed()[1].get(_bare(backbone), True):
        names.append("imagenet")
    return sorted(names)


def with_weights(backbone: str, table: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """The backbone that published weights are of, and its table: of ``timm_unet`` the encoder, else the backbone.

    Args:
        backbone: as the block has it.
        table: of the backbone, see :func:`weights_for`.
        options: the block's own.
    """
    return (str(options.get("encoder", ENCODER)), "image") if backbone == "timm_unet" else (backbone, table)


def weights_fault(weights: str, backbone: str, table: str) -> str | None:
    """What is wrong with ``model.weights``, as far as it tells without torch; None where nothing is.

    A path is let pass: it is looked for when the network is built.

    Args:
        weights: as the block has it.
        backbone: whose weights they shall be.
        table: of the backbone, see :func:`weights_for`.
    """
    known = {"published", *WEIGHTS}
    if weights not in known:
        if Path(weights).suffix or Path(weights).name != weights or Path(weights).exists():
            return None
        hint = did_you_mean(weights, sorted(known), ".")
        return f"{weights!r} is neither published weights nor a file{hint} There are: {', '.join(sorted(known))}"
    fitting = weights_for(backbone.lower(), table)
    if weights in fitting or (weights == "published" and fitting):
        return None
    others = (
        f"those for it are: {', '.join(fitting)}"
        if fitting
        else "none are known for it: leave the key out or give a file"
    )
    return f"there are no {weights!r} weights for the backbone {backbone!r}; {others}"
