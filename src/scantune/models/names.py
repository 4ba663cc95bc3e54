"""Names of backbones and weights that are known without torch: the catalogue's, timm's, those of published weights."""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
from pathlib import Path

#: Short names, and names of published weights that stand for their architecture.
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

#: Names of published weights; ``imagenet`` is timm's, the others stand in :data:`scantune.models.weights.KNOWN`.
WEIGHTS = ("chexnet", "imagenet", "kinetics", "medicalnet", "raddino", "ssl_ct")

_LIST = Path(__file__).with_name("timm_names.txt")


def timm_list(version: str, names: list[str]) -> str:
    """The text of the list of timm's names."""
    return "\n".join([f"timm {version}", *sorted(names), ""])


@functools.cache
def _listed() -> tuple[str, frozenset[str]]:
    """The version of timm that the list was made with, and its names."""
    first, *names = _LIST.read_text(encoding="utf-8").split("\n")
    return first.removeprefix("timm "), frozenset(names) - {""}


def timm_names() -> frozenset[str]:
    """timm's names, by the list in this package; by timm itself where another version of it is installed."""
    version, names = _listed()
    if importlib.metadata.version("timm") == version:
        return names
    import timm

    return frozenset(timm.list_models())


def in_timm(name: str) -> bool:
    """Whether timm knows the name, one of its short names or one with the tag of some weights."""
    bare = ALIASES.get(name, name).partition(".")[0]
    return bare in _listed()[1] or bare in timm_names()


def weights_fault(weights: str) -> str | None:
    """What is wrong with ``model.weights``, as far as it tells without torch; None where nothing is.

    A path is let pass: it is looked for when the network is built.
    """
    known = {"published", *WEIGHTS}
    if weights in known or Path(weights).suffix or Path(weights).name != weights or Path(weights).exists():
        return None
    near = difflib.get_close_matches(weights, sorted(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{weights!r} is neither published weights nor a file{hint} There are: {', '.join(sorted(known))}"
