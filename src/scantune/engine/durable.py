"""States and weights of a training as files, written atomically."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scantune import files
from scantune.records import ScantuneError


def write_json(path: Path, value: Any) -> None:
    """Write JSON; NaN and infinities become null, since JSON has no such numbers."""
    files.write_json(path, files.finite(value))


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested primitives and tensors for :func:`read_state`; equal states give identical bytes."""
    content = _canonical(dict(state))
    files.write(path, lambda file: torch.save(content, file), size_of(state))


def _canonical(value: Any) -> Any:
    """The value with new containers and interned strings, since a pickle encodes which objects are shared."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, Mapping):
        return {_canonical(k): _canonical(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_canonical(v) for v in value) if type(value) in (list, tuple) else value
    return value


def read_state(path: Path) -> dict[str, Any]:
    """Read a state of :func:`write_state` onto the CPU. Only primitives and tensors load; no code is executed.

    Raises:
        ScantuneError: the file has other content (a pickle that would execute code), or is damaged.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ScantuneError(
            f"{path} is not a training state that can be read safely: it is damaged, or contains more than numbers and "
            f"tensors. Remove it to start again. ({type(error).__name__})"
        ) from error


def write_weights(path: Path, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors as safetensors with ``facts`` as JSON in its header."""
    from safetensors.torch import save

    tensors = _unshared(weights)
    content = save(tensors, metadata={"scantune": json.dumps(files.finite(dict(facts)), sort_keys=True)})
    files.write_bytes(path, content)


def _unshared(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors on the CPU, contiguous, without shared memory (tied weights are written twice)."""
    addresses: set[int] = set()
    unshared: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        copy = tensor.detach().cpu().contiguous()
        address = copy.data_ptr()
        unshared[name] = copy.clone() if address in addresses and copy.numel() else copy
        addresses.add(address)
    return unshared


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts of :func:`write_weights`."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("scantune", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 - no mapping
    except Exception as error:
        raise ScantuneError(f"{path} is not a complete safetensors file ({type(error).__name__})") from error


def size_of(value: Any) -> int:
    """Size of a nested value in bytes: exact for tensors, approximate for the rest."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size() + 256
    if isinstance(value, Mapping):
        return sum(size_of(v) for v in value.values()) + 64
    if isinstance(value, (list, tuple)):
        return sum(size_of(v) for v in value) + 64
    return 64


def link(source: Path, target: Path) -> None:
    """Hard link to a file that is never changed in place; a copy where the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        files.copy(source, target)
