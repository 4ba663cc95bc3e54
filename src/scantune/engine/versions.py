"""Environment of a state: versions, precision, device. Exact resuming requires the same environment."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from scantune.engine.faults import ResumeError
from scantune.packaged import version_of

#: Packages that a training runs; a change of the code of the report, for example, does not affect it.
PARTS = ("augment", "engine", "losses", "models", "tasks")


@cache
def code_digest() -> str:
    """SHA-256 digest of the source files that a training runs, first 16 hexadecimal digits."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(path for part in PARTS for path in (root / part).rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def versions() -> dict[str, str]:
    """Versions of the code and of the libraries used in training."""
    names = ("torch", "lightning-fabric", "numpy", "timm", "monai", "torchvision")
    return {"scantune code": code_digest(), "python": platform.python_version(), **{n: version_of(n) for n in names}}


def circumstances(precision: str, device: torch.device, world_size: int) -> dict[str, Any]:
    """Other properties that affect results exactly: precision, device type, processes, threads."""
    return {
        "precision": precision,
        "device": device.type,
        "processes": world_size,
        "threads": torch.get_num_threads() if device.type == "cpu" else 0,
    }


def compare(saved: Mapping[str, Any], current: Mapping[str, Any], resume: str) -> list[str]:
    """Differences between two environments, as text.

    Raises:
        ResumeError: there are differences and ``resume`` is ``exact``.
    """
    keys = sorted({*saved, *current})
    differences = [f"{k} {saved.get(k)} → {current.get(k)}" for k in keys if saved.get(k) != current.get(k)]
    if differences and resume == "exact":
        raise ResumeError(
            f"the saved training has another environment ({'; '.join(differences)}), so it cannot end with the same "
            "weights as an uninterrupted one. Restore that environment, resume nevertheless by train.resume: lenient, "
            "or start again by train.resume: never"
        )
    return differences
