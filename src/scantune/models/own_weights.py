"""Starting weights in a file or folder of the user's own: a digest in ``params.yaml`` states their content.

DVC cannot depend on a path that some experiments have and others have not. It watches the digest as a parameter, and a
training checks the file against it. Nothing here requires torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scantune.digests import file_digest, text_digest
from scantune.models.names import WEIGHTS
from scantune.records import ScantuneError

#: Beside weights that scantune saved: what their input was normalised by.
_ARCHITECTURE = "architecture.json"


def is_own(weights: str | None) -> bool:
    """Whether ``model.weights`` is a path rather than the name of published weights."""
    return weights is not None and weights not in {"published", *WEIGHTS}


def place_of(weights: str, folder: str | Path) -> Path:
    """The file or folder, also where the path is written from ``weights_folder``."""
    path = Path(weights)
    below = Path(folder) / path
    return below if not path.exists() and below.exists() else path


def digest_of(path: Path) -> str:
    """SHA-256 of a file; of a folder, and of a file that scantune saved, of the names and digests of all its files.

    Raises:
        ScantuneError: there is no such file or folder.
    """
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.is_file())
    elif path.is_file():
        files = [path, *(one for one in [path.with_name(_ARCHITECTURE)] if one.is_file())]
        if len(files) == 1:
            return file_digest(path)
    else:
        raise ScantuneError(f"{path}: weights file not found")
    return text_digest("\n".join(f"{one.name} {file_digest(one)}" for one in files))


def fault(model: Any) -> str | None:
    """What is wrong with the digest of a ``model:`` block, None where nothing is; the file itself is not read.

    The digest that is missing is computed, to be copied.
    """
    own, stated = is_own(model.source), model.weights_sha256
    if own and stated is None:
        path = place_of(model.source, model.weights_folder)
        what = digest_of(path) if path.exists() else f"the digest of {path}, which is not on this machine"
        return f"a changed file must be noticed, so its digest stands beside it: add weights_sha256: {what}"
    if stated is not None and not own:
        return f"weights_sha256 is for a file or folder, and weights is {model.source!r}; remove weights_sha256"
    return None


def check(model: Any) -> None:
    """That the weights of a ``model:`` block are those that its digest states.

    Raises:
        ScantuneError: they are not, or are not there; with both digests.
    """
    if not is_own(model.source) or model.weights_sha256 is None:
        return
    path = place_of(model.source, model.weights_folder)
    digest = digest_of(path)
    if digest != model.weights_sha256:
        raise ScantuneError(
            f"model.weights: {path} is not the file that params.yaml states: weights_sha256 is {model.weights_sha256}, "
            f"the file's is {digest}. Put the earlier file back, or write the new digest"
        )
