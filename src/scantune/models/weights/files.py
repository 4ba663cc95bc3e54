"""Weights files, read without running what they hold."""

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

#: What a folder of weights holds, in the order of preference.
IN_FOLDER = ("weights.safetensors", "model.safetensors", "pytorch_model.bin", "model.pth", "model.pt", "model.pth.tar")


def read(path: str | Path) -> dict[str, Tensor]:
    """Name → tensor of a safetensors or PyTorch file, or of the one in a folder; what it is, its content says.

    A PyTorch file is a pickle. It is read with ``weights_only``: tensors, numbers, texts and containers of these, and
    NumPy's scalars; anything else could run code and is refused. Of a training checkpoint (``{"state_dict": …, "epoch":
    …}``) the part with the most tensors is taken.

    Raises:
        ScantuneError: not there, not a weights file, cut short, or refused; with what to do.
    """
    path = _file_in(Path(path))
    with path.open("rb") as file:
        start = file.read(16)
    tensors = _safetensors(path) if start[8:9] == b"{" else _largest(_pickle(path))
    if not tensors:
        raise ScantuneError(f"{path}: holds no tensors; weights are a mapping of names to tensors")
    return tensors


def _file_in(path: Path) -> Path:
    if not path.is_dir():
        if not path.is_file():
            raise ScantuneError(f"{path}: weights file not there")
        return path
    for name in IN_FOLDER:
        if (path / name).is_file():
            return path / name
    raise ScantuneError(f"{path}: a folder without weights; one of {', '.join(IN_FOLDER)} is looked for")


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        raise ScantuneError(f"{path}: not a whole safetensors file: {error}") from error


def _pickle(path: Path) -> Any:
    try:
        # Opened here: given a path, torch goes by its ending. Its warnings are of old protocols, which it reads.
        with path.open("rb") as file, _numpy_scalars_allowed(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        cause = str(error).split("WeightsUnpickler error:")[-1].strip().splitlines()[0]
        raise ScantuneError(
            f"{path}: refused, since it holds more than tensors and numbers and could run code ({cause}). Where you "
            "trust it, write its tensors as safetensors yourself and give that file"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ScantuneError(f"{path}: not a whole PyTorch or safetensors file: {first}") from error


@contextlib.contextmanager
def _numpy_scalars_allowed() -> Iterator[None]:
    """Old checkpoints keep their best loss as a NumPy scalar: a number, that cannot do anything."""
    import numpy as np

    scalar: Any = np.float64(0).__reduce__()[0]
    kinds: list[Any] = [np.dtype, *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "?"))]
    both = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]  # before and since NumPy 2
    with torch.serialization.safe_globals([*both, *kinds]):
        yield


def _largest(content: Any) -> dict[str, Tensor]:
    """The mapping with the most tensors in a nest of mappings."""
    best: dict[str, Tensor] = {}
    if not isinstance(content, Mapping):
        return best
    best = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    for inner in content.values():
        found = _largest(inner)
        if len(found) > len(best):
            best = found
    return best
