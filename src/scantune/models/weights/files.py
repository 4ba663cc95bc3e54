"""Reading of weights files without executing code in them."""

from __future__ import annotations

import contextlib
import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scantune.records import ScantuneError

#: File names in a folder of weights, in order of preference.
IN_FOLDER = ("weights.safetensors", "model.safetensors", "pytorch_model.bin", "model.pth", "model.pt", "model.pth.tar")


def read(path: str | Path) -> dict[str, Tensor]:
    """Name → tensor of a safetensors or PyTorch file, or of the one in a folder; the content determines the format.

    A PyTorch file is a pickle. It is read with ``weights_only``: tensors, numbers, strings, containers of these and
    NumPy scalars; other content could execute code and is refused. Of a training checkpoint (``{"state_dict": …,
    "epoch": …}``) the mapping with the most tensors is used.

    Raises:
        ScantuneError: file not found, not a weights file, truncated, or refused; with the remedy.
    """
    path = _file_in(Path(path))
    with path.open("rb") as file:
        start = file.read(16)
    tensors = _safetensors(path) if start[8:9] == b"{" else _largest(_pickle(path))
    if not tensors:
        raise ScantuneError(f"{path}: no tensors in the file; weights are a mapping of names to tensors")
    return tensors


def _file_in(path: Path) -> Path:
    if not path.is_dir():
        if not path.is_file():
            raise ScantuneError(f"{path}: weights file not found")
        return path
    for name in IN_FOLDER:
        if (path / name).is_file():
            return path / name
    raise ScantuneError(f"{path}: a folder without weights; expected one of {', '.join(IN_FOLDER)}")


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        raise ScantuneError(f"{path}: not a complete safetensors file: {error}") from error


def _pickle(path: Path) -> Any:
    try:
        # Passed as an open file, since torch interprets the suffix of a path. Its warnings concern old protocols.
        with path.open("rb") as file, _numpy_scalars_allowed(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        cause = str(error).split("WeightsUnpickler error:")[-1].strip().splitlines()[0]
        raise ScantuneError(
            f"{path}: refused, since it contains more than tensors and numbers and could execute code ({cause}). "
            "If you trust it, convert its tensors to safetensors and use that file"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ScantuneError(f"{path}: not a complete PyTorch or safetensors file: {first}") from error


@contextlib.contextmanager
def _numpy_scalars_allowed() -> Iterator[None]:
    """Allow NumPy scalars, which old checkpoints have for their best loss; they cannot execute code."""
    import numpy as np

    scalar: Any = np.float64(0).__reduce__()[0]
    kinds: list[Any] = [np.dtype, *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "?"))]
    both = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]  # before and since NumPy 2
    with torch.serialization.safe_globals([*both, *kinds]):
        yield


def _largest(content: Any) -> dict[str, Tensor]:
    """The mapping with the most tensors among nested mappings."""
    best: dict[str, Tensor] = {}
    if not isinstance(content, Mapping):
        return best
    best = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    for inner in content.values():
        nested = _largest(inner)
        if len(nested) > len(best):
            best = nested
    return best
