"""One sample by keys of its input's block, where a test needs no block of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scantune.preprocess.prepare import prepare
from scantune.preprocess.prepared import Prepared


def prepare_volume(files: Sequence[Path], masks: Sequence[Path] = (), **keys: Any) -> Prepared:
    return _prepare("volume", files, masks, **keys)


def prepare_image(files: Sequence[Path], masks: Sequence[Path] = (), **keys: Any) -> Prepared:
    return _prepare("image", files, masks, **keys)


def prepare_video(files: Sequence[Path], masks: Sequence[Path] = (), **keys: Any) -> Prepared:
    return _prepare("video", files, masks, **keys)


def _prepare(
    modality: str,
    files: Sequence[Path],
    masks: Sequence[Path],
    region: Path | None = None,
    rater_masks: Mapping[str, Sequence[Path]] | None = None,
    **keys: Any,
) -> Prepared:
    return prepare(files, masks, {"modality": modality, **keys}, region=region, rater_masks=rater_masks)
