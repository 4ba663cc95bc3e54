"""What ``dataset.json`` says, the description that the Decathlon and nnU-Net put beside their images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def labels(root: Path, files: Sequence[str]) -> dict[int, str]:
    """Value in the masks → name of the structure; empty without a description, or where labels are regions.

    Args:
        root: folder of the files.
        files: images below it; the description is sought in the folders above the first.
    """
    names = _read(root, files).get("labels")
    if not isinstance(names, dict):
        return {}
    try:
        if all(str(key).isdecimal() for key in names):  # Decathlon: {"1": "liver"}
            return {int(key): str(name) for key, name in names.items()}
        return {int(value): str(name) for name, value in names.items()}  # nnU-Net: {"liver": 1}
    except (TypeError, ValueError):
        return {}


def modality(root: Path, files: Sequence[str]) -> str:
    """Names of the channels, joined: ``CT``, ``T2, ADC``; "" where nothing states them."""
    description = _read(root, files)
    names = description.get("channel_names") or description.get("modality")
    return ", ".join(str(name) for name in names.values()) if isinstance(names, dict) else ""


def _read(root: Path, files: Sequence[str]) -> dict[str, Any]:
    for folder in Path(files[0]).parents if files else ():
        path = root / folder / "dataset.json"
        if path.is_file():
            try:
                content = json.loads(path.read_text(encoding="utf-8-sig"))
            except (ValueError, OSError):
                return {}
            return content if isinstance(content, dict) else {}
    return {}
