"""Files that are whole or not there: written beside their target, synced, renamed."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from scantune.records import ScantuneError

_STAGED = ".partial"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskFullError(ScantuneError):
    """No room for a file; what was there before is untouched."""


class _Watched(io.RawIOBase):
    """A file that remembers the error of a write: PyTorch's writer turns it into words without a number."""

    def __init__(self, inner: BinaryIO) -> None:
        self.inner = inner
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self.inner.write(data)
        except OSError as error:
            self.error = error
            raise

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        if self.error is None and not self.inner.closed:
            self.inner.flush()


def write(path: Path, put: Callable[[Any], None], size: int = 0) -> None:
    """Write a file so that a reader sees the old one or the whole new one, at whatever moment we are killed.

    Args:
        path: the target; its folder is made.
        put: writes the content to the open binary file it is given.
        size: about how many bytes it will take; where the disk has less, nothing is written.

    Raises:
        DiskFullError: no room, with the bytes needed and free.
        OSError: any other failure to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if size:
        _check_room(path, size)
    staged = path.with_name(f".{path.name}.{os.getpid()}{_STAGED}")
    try:
        with staged.open("wb", buffering=1 << 20) as file:
            watched = _Watched(file)
            try:
                put(watched)
                file.flush()
                os.fsync(file.fileno())
            except Exception as error:
                raise watched.error or error from error
        os.replace(staged, path)
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno in _NO_ROOM:
            staged.unlink(missing_ok=True)
            raise _full(path, size) from error
        raise
    finally:
        staged.unlink(missing_ok=True)


def append(path: Path, text: str) -> None:
    """Add whole lines to a file, durably; where there is no room the file is as it was.

    Raises:
        DiskFullError: no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            file.truncate(before)
            raise _full(path, len(content)) from error


def _check_room(path: Path, size: int) -> None:
    if shutil.disk_usage(path.parent).free < size:
        raise _full(path, size)


def _full(path: Path, size: int) -> DiskFullError:
    free = shutil.disk_usage(path.parent).free
    needed = f"{_amount(size)} needed, " if size else ""
    return DiskFullError(
        f"the disk is full: {path.name} was not written ({needed}{_amount(free)} free in {path.parent}). "
        "Nothing written before is damaged; make room and start again: the run goes on from its last saved step"
    )


def _amount(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; see :func:`write`."""
    content = text.encode()
    write(path, lambda file: file.write(content), len(content))


def write_json(path: Path, value: Any) -> None:
    """Write JSON; NaN and infinities become null, which JSON has no numbers for."""
    write_text(path, json.dumps(finite(value), indent=1) + "\n")


def finite(value: Any) -> Any:
    """``value`` with null for every float that JSON cannot hold."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested primitives and tensors, to be read by :func:`read_state`; equal states are the same bytes."""
    held = _canonical(dict(state))
    write(path, lambda file: torch.save(held, file), size_of(state))


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
    content = save(apart, metadata={"scantune": json.dumps(finite(dict(facts)), sort_keys=True)})
    write(path, lambda file: file.write(content), len(content))


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
        write(target, lambda file: _copy(source, file), source.stat().st_size)


def _copy(source: Path, file: Any) -> None:
    with source.open("rb") as held:
        shutil.copyfileobj(held, file, 1 << 20)
