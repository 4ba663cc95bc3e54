"""Where named weights lie on this disk; the network is asked only where the user says so."""

from __future__ import annotations

from pathlib import Path

from scantune.models.weights.known import Known
from scantune.records import ScantuneError


def locate(known: Known, folder: Path, *, download: bool = False) -> Path:
    """The file of ``known``: in ``folder``, else in the caches of torch and Hugging Face, else fetched if allowed.

    Raises:
        ScantuneError: it is nowhere: which file, of which format, to put where.
    """
    for place in (folder, _torch_cache()):
        for name in known.files:
            if (place / name).is_file():
                return place / name
    cached = _hub_cache(known)
    if cached is not None:
        return cached
    if download and (known.hub or known.url):
        return _fetch(known, folder)
    raise ScantuneError(
        f"weights {known.name!r} are not on this disk. Download {known.files[0]!r} ({known.format}) from "
        f"{known.origin} and put it at {folder / known.files[0]}, or give its path as weights:. Also accepted there: "
        f"{', '.join(known.files[1:]) or 'no other name'}. (download: true fetches it where there is a network.)"
    )


def _torch_cache() -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def _hub_cache(known: Known) -> Path | None:
    if not known.hub:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(known.hub, known.hub_file)
    return Path(found) if isinstance(found, str) else None


def _fetch(known: Known, folder: Path) -> Path:
    try:
        if known.hub:
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(known.hub, known.hub_file))
        import torch

        folder.mkdir(parents=True, exist_ok=True)
        target = folder / known.files[0]
        torch.hub.download_url_to_file(known.url, str(target), progress=False)
        return target
    except Exception as error:  # whatever the two clients raise: it is the network that failed
        raise ScantuneError(f"weights {known.name!r} could not be fetched from {known.origin}: {error}") from error
