"""List of published weights by backbone, and of those on this disk."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scantune.models import catalogue, dense, images
from scantune.models.backbone import Modality
from scantune.models.weights import locate
from scantune.models.weights.known import KNOWN, PublishedWeights, from_timm
from scantune.models.weights.packaged import PACKAGED
from scantune.packaged import PackagedFile
from scantune.preprocess.brain import tools as brain_tools

_MODALITIES: tuple[Modality, ...] = ("image", "volume", "video")


@dataclass(frozen=True)
class Row:
    """One set of weights of one backbone.

    Attributes:
        backbone: its name.
        modality: image, volume, video; "mask" for a network with an output per pixel.
        weights: name for ``model.weights``; "" where none are known.
        place: location of the file (``folder``, ``package``, ``torch cache``, ``hub cache``), or "".
        licence: as published.
        input: spatial size and normalisation of the training input.
        get: how to obtain them, in one line; "" where they are on this disk.
    """

    backbone: str
    modality: str
    weights: str = ""
    place: str = ""
    licence: str = ""
    input: str = ""
    get: str = ""


def rows(patterns: Sequence[str] = (), folder: Path = Path("weights")) -> Iterator[Row]:
    """Weights of all backbones of the catalogue (and short names of timm), or of those that match a pattern.

    Args:
        patterns: names or globs (``convnext*``), also of timm names; empty for the catalogue.
        folder: of custom weights files.
    """
    for name, modality in _names(patterns):
        known = list(_known(name, modality))
        if not known:
            yield Row(name, modality)
        for weights in known:
            location = locate.find_local(weights, folder, check=False)
            yield Row(
                name,
                modality,
                weights.name,
                location.source if location else "",
                _licence(weights, location),
                _input(weights, location),
                "" if location else _instructions(weights, folder),
            )


def tools() -> Iterator[Row]:
    """Networks in packages for other purposes than fine-tuning, such as brain extraction."""
    for purpose, (tool, size) in brain_tools().items():
        installed = tool.installed_file() is not None
        yield Row(
            purpose,
            "volume",
            tool.package,
            "package" if installed else "",
            tool.licence,
            "×".join(map(str, size)),
            _install(tool, installed),
        )


def _install(tool: PackagedFile, installed: bool) -> str:
    return "" if installed else tool.install


def _names(patterns: Sequence[str]) -> list[tuple[str, str]]:
    catalogue_names: list[tuple[str, str]] = [
        (name, modality) for modality in _MODALITIES for name in catalogue.names(modality)
    ]
    catalogue_names += [(name, "mask") for name in dense.names()]
    if not patterns:
        packaged_names = [name for _, name in PACKAGED] + [
            name for name in images.ALIASES if name not in dict(catalogue_names)
        ]
        return [*((name, "image") for name in packaged_names), *catalogue_names]
    all_names = catalogue_names + [(name, "image") for name in images.names() if (name, "image") not in catalogue_names]
    return [pair for pair in all_names if any(fnmatch.fnmatch(pair[0], pattern.lower()) for pattern in patterns)]


def _known(name: str, modality: str) -> Iterator[PublishedWeights]:
    yield from (weights for (_, net), weights in KNOWN.items() if net == name)
    if modality in catalogue.OF_TIMM and images.exists(name):
        weights = from_timm(name)
        if weights is not None:
            yield weights


def _licence(weights: PublishedWeights, location: locate.Location | None) -> str:
    if weights.packaged and (location is None or location.source == "package"):
        return weights.packaged.file.licence
    return weights.licence


def _input(weights: PublishedWeights, location: locate.Location | None) -> str:
    packaged = weights.packaged if weights.packaged and (location is None or location.source == "package") else None
    size = "×".join(map(str, packaged.size if packaged else weights.size))
    norm = (packaged.normalization if packaged else None) or weights.normalization
    if norm is None:
        return size
    return f"{size} mean {norm.mean[0]:.3f} std {norm.std[0]:.3f}".strip()


def _instructions(weights: PublishedWeights, folder: Path) -> str:
    if weights.packaged:
        return weights.packaged.file.install
    if weights.hub or weights.url:
        return f"model.download: true, or {weights.hub or weights.url}"
    return f"save {weights.files[0]} of {weights.origin} as {folder / weights.files[0]}"
