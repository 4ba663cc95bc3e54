"""What made a state: versions, precision, device. A training goes on to the last bit only where these are the same."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from scantune.engine.faults import ResumeError

#: What a training runs; a change of the report's code, say, is none to it.
PARTS = ("augment", "engine", "losses", "models", "tasks")


@cache
def code_digest() -> str:
    """Digest of the source files that a training runs, 16 hex digits."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(path for part in PARTS for path in (root / part).rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def versions() -> dict[str, str]:
    """Versions of the code and of the libraries that compute."""
    names = ("torch", "lightning-fabric", "numpy", "timm", "monai", "torchvision")
    return {"scantune code": code_digest(), "python": platform.python_version(), **{n: _version(n) for n in names}}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def circumstances(precision: str, device: torch.device, world_size: int) -> dict[str, Any]:
    """What else decides the last bit: precision, kind of device, processes, threads."""
    return {
        "precision": precision,
        "device": device.type,
        "processes": world_size,
        "threads": torch.get_num_threads() if device.type == "cpu" else 0,
    }


def compare(saved: Mapping[str, Any], now: Mapping[str, Any], resume: str) -> list[str]:
    """What differs between two sets of versions and circumstances, in words.

    Raises:
        ResumeError: something differs and ``resume`` is ``exact``.
    """
    keys = sorted({*saved, *now})
    differing = [f"{k} {saved.get(k)} → {now.get(k)}" for k in keys if saved.get(k) != now.get(k)]
    if differing and resume == "exact":
        raise ResumeError(
            f"the saved training was made under other circumstances ({'; '.join(differing)}), so it cannot end with "
            "the very weights of one that was never interrupted. Put them back as they were, go on all the same by "
            "train.resume: lenient, or start anew by train.resume: never"
        )
    return differing
