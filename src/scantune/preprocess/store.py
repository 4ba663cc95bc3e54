"""The store of prepared samples: addressed by content, written atomically, checked by digest.

Samples are safetensors files (fastest to load of the formats measured, mapped into memory without a copy, no code in
them). Their header holds the facts of the sample and a SHA-256 digest over all of it.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune import files
from scantune.cohort.manifest import read_manifest
from scantune.digests import text_digest
from scantune.preprocess.half import widened
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.cohort.manifest import Sample

_DTYPES = {"F16": "<f2", "F32": "<f4", "U8": "|u1"}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
_MAX_HEADER = 1 << 24


class StoreFull(ScantuneError):
    """No room for a sample. Completed samples remain; with free space the run resumes where it stopped."""


class Damaged(ScantuneError):
    """A stored sample is not what was written."""


def sample_path(store: Path, key: str) -> Path:
    """Path of the sample of this key."""
    return store / "samples" / key[:2] / f"{key}.safetensors"


def display_path(store: Path, key: str) -> Path:
    """Path of the display copy of this key."""
    return store / "display" / key[:2] / f"{key}.safetensors"


def save(path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> dict[str, str]:
    """Write a sample: staged beside its place, fsync, renamed. Two writers of one key leave one complete file.

    Args:
        path: the file.
        arrays: name to uint8, float16 or float32.
        facts: JSON-able.

    Returns:
        ``digest`` of arrays and facts and ``tensor_digest`` of the array ``input`` alone ("" without one), as they
        stand in the file.

    Raises:
        StoreFull: no room, with the bytes needed and those that are free.
    """
    bodies = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=False)
    tensor_digest, digest = _digests(bodies, text)
    header: dict[str, Any] = {"__metadata__": {"facts": text, "digest": digest, "tensor_digest": tensor_digest}}
    offset = 0
    for name, body in bodies.items():
        header[name] = {
            "dtype": _NAMES[body.dtype],
            "shape": list(body.shape),
            "data_offsets": [offset, offset + body.nbytes],
        }
        offset += body.nbytes
    head = json.dumps(header, ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    needed = 8 + len(head) + offset

    def put(file: Any) -> None:
        file.write(len(head).to_bytes(8, "little"))
        file.write(head)
        for body in bodies.values():
            file.write(body.data)

    try:  # a sample that a power cut takes is prepared again
        files.write(path, put, needed, sync_folder=False)
    except files.DiskFullError as error:
        raise StoreFull(no_room(path, needed)) from error
    return {"digest": digest, "tensor_digest": tensor_digest}


def no_room(path: Path, needed: int) -> str:
    """The message of a full disk."""
    folder = next(parent for parent in path.parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    return (
        f"the store is full: the next sample needs {needed:,} bytes, {free:,} are free (or a quota is reached). "
        "Completed samples are kept; free space and run again to continue"
    )


def _digests(arrays: Mapping[str, np.ndarray], facts: str) -> tuple[str, str]:
    """SHA-256 of the input alone, and of all that a sample is."""
    each = {name: array_digest(array) for name, array in arrays.items()}
    return each.get("input", ""), text_digest(json.dumps([facts, sorted(each.items())]))


def array_digest(array: np.ndarray) -> str:
    """SHA-256 of dtype, shape and values."""
    digest = hashlib.sha256(f"{_NAMES[array.dtype]}{list(array.shape)}".encode())
    digest.update(np.ascontiguousarray(array).data if array.size else b"")
    return digest.hexdigest()


def load(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a sample (``input`` and, where there is one, ``mask``), read-only, mapped into memory.

    Raises:
        Damaged: not a whole sample.
    """
    return _read(path)[0]


def load_torch(path: Path) -> dict[str, Tensor]:
    """The same as tensors, mapped into memory, in the stored dtype (see :func:`as_float`)."""
    from safetensors.torch import load_file

    return load_file(path)


def as_float(array: Any) -> Any:
    """Network input, float32: uint8 represents 0 … 1, float16 is widened. NumPy array or torch tensor."""
    if isinstance(array, np.ndarray):
        if array.dtype == np.float16:
            return widened(array)
        wide = array.astype(np.float32)
        return wide * np.float32(1 / 255) if array.dtype == np.uint8 else wide
    wide = array.float()
    return wide.mul_(1 / 255) if array.element_size() == 1 else wide


def facts(path: Path) -> dict[str, Any]:
    """Facts of a sample, with its ``digest`` and ``tensor_digest``.

    Raises:
        Damaged: not a whole sample.
    """
    header, _ = _header(path)
    try:
        return _facts(header)
    except (KeyError, ValueError, TypeError) as error:
        raise Damaged(f"the header of {path.name} is damaged") from error


def verify(path: Path) -> dict[str, Any]:
    """Facts of a sample after a check of the digest over every byte.

    Raises:
        Damaged: a bit has changed.
    """
    arrays, header = _read(path)
    try:
        meta = header["__metadata__"]
        right = _digests(arrays, meta["facts"]) == (meta["tensor_digest"], meta["digest"])
        facts = _facts(header)
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"the header of {path.name} is damaged") from error
    if not right:
        raise Damaged(f"the digest of {path.name} does not match its content")
    return facts


def _facts(header: Mapping[str, Any]) -> dict[str, Any]:
    meta = header["__metadata__"]
    return {**json.loads(meta["facts"]), "digest": meta["digest"], "tensor_digest": meta["tensor_digest"]}


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Header and the place where the arrays begin."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= _MAX_HEADER:
                raise ValueError("length")
            return json.loads(file.read(length)), 8 + length
    except (OSError, ValueError) as error:
        raise Damaged(f"{path.name} is an incomplete sample ({type(error).__name__})") from error


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    header, start = _header(path)
    try:
        mapped = np.memmap(path, np.uint8, "r")
        arrays = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            first, last = entry["data_offsets"]
            body = np.asarray(mapped[start + first : start + last])
            arrays[name] = body.view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
        return arrays, header
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path.name} is an incomplete sample ({type(error).__name__})") from error


def link(source: Path, target: Path) -> None:
    """Place a stored sample in the outputs: by reflink, else hard link, else copy; replaced atomically.

    Raises:
        StoreFull: a copy found no room.
    """
    staged = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
    try:
        _place(source, staged)
        os.replace(staged, target)
    except OSError as error:
        if error.errno in files.NO_ROOM:
            raise StoreFull(no_room(target, source.stat().st_size)) from error
        raise
    finally:
        staged.unlink(missing_ok=True)


def _place(source: Path, target: Path) -> None:
    for way in (_reflink, os.link):
        try:
            way(source, target)
            return
        except OSError:
            target.unlink(missing_ok=True)
    shutil.copyfile(source, target)


def _reflink(source: Path, target: Path) -> None:
    """A copy that shares its blocks until one is written (Btrfs, XFS); OSError elsewhere."""
    try:
        import fcntl
    except ImportError as error:  # Windows
        raise OSError(errno.ENOTSUP, "no reflink") from error
    ficlone = 0x40049409
    with source.open("rb") as reading, target.open("xb") as writing:
        fcntl.ioctl(writing.fileno(), ficlone, reading.fileno())


def sweep(store: Path, older_than: float = 86400.0) -> None:
    """Remove what killed runs left half written, once it is older than any run could still be writing (seconds)."""
    for path in itertools.chain.from_iterable((store / kind).glob("*/.*") for kind in ("samples", "display")):
        try:
            if time.time() - path.stat().st_mtime > older_than:
                path.unlink(missing_ok=True)
        except FileNotFoundError:  # another run was quicker
            continue


def damaged(cache: Path, samples: Iterable[Sample] | None = None) -> list[str]:
    """Samples of a cache folder whose content differs from ``manifest.csv``; every byte is read.

    Args:
        cache: folder with ``manifest.csv`` and ``samples/``.
        samples: rows of the manifest to look at; None for all.
    """
    sample_ids = []
    for sample in read_manifest(cache / "manifest.csv") if samples is None else samples:
        try:
            right = (
                verify(cache / "samples" / f"{sample.sample_id}.safetensors")["tensor_digest"] == sample.tensor_digest
            )
        except Damaged:
            right = False
        if not right:
            sample_ids.append(sample.sample_id)
    return sample_ids
