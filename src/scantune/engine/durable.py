"""States and weights of a training as files that are whole or not there."""

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
    """Write JSON; NaN and infinities become null, which JSON has no numbers for."""
    files.write_json(path, files.finite(value))


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested primitives and tensors, to be read by :func:`read_state`; equal states are the same bytes."""
    held = _canonical(dict(state))
    files.write(path, lambda file: torch.save(held, file), size_of(state))


def _canonical(value: Any) -> Any:
    """The same value of fresh containers and interned texts: a pickle tells equal objects from one object."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, Mapping):
        return {_canonical(k): _canonical(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_canonical(v) for v in value) if type(value) in (list, tuple) else value
    return value


def read_state(path: Path) -> dict[str, Any]:
    """Read what :func:`write_state` wrote, onto the CPU. Nothing in the file is run: primitives and tensors alone.

    Raises:
        ScantuneError: the file holds anything else (a pickle that would run code), or is damaged.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ScantuneError(
            f"{path} is not a training state that can be read safely: it is damaged, or holds more than numbers and "
            f"tensors. Remove it to start anew. ({type(error).__name__})"
        ) from error


def write_weights(path: Path, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors as safetensors with ``facts`` as JSON in its header."""
    from safetensors.torch import save

    apart = _apart(weights)
    content = save(apart, metadata={"scantune": json.dumps(files.finite(dict(facts)), sort_keys=True)})
    files.write_bytes(path, content)


def _apart(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, contiguous, and none sharing memory with another (tied weights are written twice)."""
    seen: set[int] = set()
    apart: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        held = tensor.detach().cpu().contiguous()
        address = held.data_ptr()
        apart[name] = held.clone() if address in seen and held.numel() else held
        seen.add(address)
    return apart


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts of :func:`write_weights`."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("scantune", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 - no mapping
    except Exception as error:
        raise ScantuneError(f"{path} is not a whole safetensors file ({type(error).__name__})") from error


def size_of(value: Any) -> int:
    """Bytes that a nested value takes, tensors exactly and the rest about."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size() + 256
    if isinstance(value, Mapping):
        return sum(size_of(v) for v in value.values()) + 64
    if isinstance(value, (list, tuple)):
        return sum(size_of(v) for v in value) + 64
    return 64


def link(source: Path, target: Path) -> None:
    """Another name for a file that no one changes in place; a copy where the disk has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        files.copy(source, target)
