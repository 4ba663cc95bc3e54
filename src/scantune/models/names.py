"""Names of backbones and published weights, available without torch: of the catalogue and of timm."""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
from pathlib import Path

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

#: Names of published weights; ``imagenet`` is that of timm, the others are in :data:`scantune.models.weights.KNOWN`.
WEIGHTS = ("chexnet", "imagenet", "kinetics", "medicalnet", "raddino", "ssl_ct")

_LIST = Path(__file__).with_name("timm_names.txt")


def timm_list(version: str, names: list[str]) -> str:
    """Text of the file with the names of timm."""
    return "\n".join([f"timm {version}", *sorted(names), ""])


@functools.cache
def _listed() -> tuple[str, frozenset[str]]:
    """Version of timm of the list, and its names."""
    first, *names = _LIST.read_text(encoding="utf-8").split("\n")
    return first.removeprefix("timm "), frozenset(names) - {""}


def timm_names() -> frozenset[str]:
    """Names of timm, from the list in this package; from timm where another version is installed."""
    version, names = _listed()
    if importlib.metadata.version("timm") == version:
        return names
    import timm

    return frozenset(timm.list_models())


def in_timm(name: str) -> bool:
    """Whether timm has the name, also as a short name or with the tag of its weights."""
    architecture = ALIASES.get(name, name).partition(".")[0]
    return architecture in _listed()[1] or architecture in timm_names()


def weights_fault(weights: str) -> str | None:
    """Error message for an invalid ``model.weights``, or None. Does not require torch.

    A path is not checked here but when the network is built.
    """
    known = {"published", *WEIGHTS}
    if weights in known or Path(weights).suffix or Path(weights).name != weights or Path(weights).exists():
        return None
    similar = difflib.get_close_matches(weights, sorted(known), n=1)
    hint = f"; did you mean {similar[0]!r}?" if similar else ""
    listed = ", ".join(sorted(known))
    return f"{weights!r} is neither the name of published weights nor a file{hint} Known names: {listed}"
