"""Which published weights there are for which backbone, and which of them are on this disk."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scantune.models import catalogue, dense, images
from scantune.models.backbone import Modality
from scantune.models.weights import locate
from scantune.models.weights.known import KNOWN, Known, of_timm
from scantune.models.weights.packaged import PACKAGED, TOOLS, Packaged

_MODALITIES: tuple[Modality, ...] = ("image", "volume", "video")


@dataclass(frozen=True)
class Row:
    """One set of weights of one backbone.

    Attributes:
        backbone: its name.
        modality: image, volume, video; "mask" for a network that answers per pixel.
        weights: the name for ``model.weights``; "" where none are known.
        place: where the file is (``folder``, ``package``, ``torch cache``, ``hub cache``), or "".
        licence: as published.
        input: axes of space that they were trained at, and the normalisation of the input.
        get: one line of how to get them; "" where they are here.
    """

    backbone: str
    modality: str
    weights: str = ""
    place: str = ""
    licence: str = ""
    input: str = ""
    get: str = ""


def rows(patterns: Sequence[str] = (), folder: Path = Path("weights")) -> Iterator[Row]:
    """The weights of all backbones with names here (timm's short ones too), or of those that a pattern takes.

    Args:
        patterns: names or globs (``convnext*``), over all of timm's too; none lists what the table here knows.
        folder: where the user's own files of weights are.
    """
    for name, modality in _names(patterns):
        known = list(_known(name, modality))
        if not known:
            yield Row(name, modality)
        for facts in known:
            place = locate.here(facts, folder, check=False)
            yield Row(
                name,
                modality,
                facts.name,
                place.where if place else "",
                _licence(facts, place),
                _input(facts, place),
                "" if place else _how(facts, folder),
            )


def tools() -> Iterator[Row]:
    """Networks in packages that do something beside fine-tuning, such as finding the brain."""
    for what, held in TOOLS.items():
        here = held.present() is not None
        size = "×".join(map(str, held.size))
        yield Row(what, "volume", held.package, "package" if here else "", held.licence, size, _install(held, here))


def _install(held: Packaged, here: bool) -> str:
    return "" if here else held.install


def _names(patterns: Sequence[str]) -> list[tuple[str, str]]:
    own: list[tuple[str, str]] = [(name, modality) for modality in _MODALITIES for name in catalogue.names(modality)]
    own += [(name, "mask") for name in dense.names()]
    if not patterns:
        named = [name for _, name in PACKAGED] + [name for name in images.ALIASES if name not in dict(own)]
        return [*((name, "image") for name in named), *own]
    every = own + [(name, "image") for name in images.names() if (name, "image") not in own]
    return [pair for pair in every if any(fnmatch.fnmatch(pair[0], pattern.lower()) for pattern in patterns)]


def _known(name: str, modality: str) -> Iterator[Known]:
    yield from (facts for (_, net), facts in KNOWN.items() if net == name)
    if modality == "image" and images.exists(name):
        made = of_timm(name)
        if made is not None:
            yield made


def _licence(facts: Known, place: locate.Place | None) -> str:
    if facts.packaged and (place is None or place.where == "package"):
        return facts.packaged.licence
    return facts.licence


def _input(facts: Known, place: locate.Place | None) -> str:
    held = facts.packaged if facts.packaged and (place is None or place.where == "package") else None
    size = "×".join(map(str, held.size if held else facts.size))
    norm = (held.normalization if held else None) or facts.normalization
    if norm is None:
        return size
    return f"{size} mean {norm.mean[0]:.3f} std {norm.std[0]:.3f}".strip()


def _how(facts: Known, folder: Path) -> str:
    if facts.packaged:
        return facts.packaged.install
    if facts.hub or facts.url:
        return f"model.download: true, or {facts.hub or facts.url}"
    return f"{facts.files[0]} of {facts.origin} at {folder / facts.files[0]}"
