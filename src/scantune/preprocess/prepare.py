"""Files → one tensor: the one function for a cohort, a single file and the served model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from scantune import io
from scantune.config.base import SAVED
from scantune.config.input import ImageInput, InputConfig, VideoInput, VolumeInput
from scantune.config.volumes import VolumeChoice
from scantune.preprocess.prepared import Prepared
from scantune.preprocess.sample_files import SampleFiles

#: modality -> module and function: another modality is one line and one file.
_BY_MODALITY = {
    "image": ("scantune.preprocess.still", "prepare_image"),
    "volume": ("scantune.preprocess.volume", "prepare_volume"),
    "video": ("scantune.preprocess.video", "prepare_video"),
}


def prepare(
    files: Sequence[Path],
    mask_files: Sequence[Path],
    settings: VolumeInput | ImageInput | VideoInput | Mapping[str, Any],
    series: tuple[str, str] | None = None,
    volume: tuple[str, str] | None = None,
    *,
    region: Path | None = None,
    rater_masks: Mapping[str, Sequence[Path]] | None = None,
) -> Prepared:
    """One sample's tensor.

    Args:
        files: one file or folder, or several that become channels.
        mask_files: masks that belong to them.
        settings: the block of ``params.yaml``, or the same as a dict (as the registered model holds it).
        series: what names the one that is meant in a folder of several DICOM series ("uid", "number" or
            "description") and its value; it goes before the settings' own rule.
        volume: what names the volume that is meant in a 4D file or a series of several (a key of `io.VOLUME_KEYS`,
            "index" or "take") and its value; it goes before the settings' own choice.
        region: mask of the region that metrics are limited to.
        rater_masks: reader's name to that reader's masks.

    Raises:
        ReadError: the files cannot be used.
    """
    block = _block(settings)
    sources = SampleFiles(
        list(files),
        list(mask_files),
        series_rule(series, block.series),
        volume_rule(volume, block.volume) if isinstance(block, VolumeInput) else None,
        region,
        rater_masks or {},
    )
    return _function(block.modality)(sources, block)


def _block(
    settings: VolumeInput | ImageInput | VideoInput | Mapping[str, Any],
) -> VolumeInput | ImageInput | VideoInput:
    if not isinstance(settings, Mapping):
        return settings
    return _blocks().validate_python({"dataset": "any", **settings}, context=SAVED)


@cache
def _blocks() -> TypeAdapter[VolumeInput | ImageInput | VideoInput]:
    return TypeAdapter(InputConfig)


def volume_rule(
    named: tuple[str, str] | None, how: str | Mapping[str, Any] | VolumeChoice | None
) -> io.VolumeRule | None:
    """The record's own volume, else the settings' choice, else no rule."""
    if named is None:
        return io.VolumeRule.of(how.model_dump() if isinstance(how, VolumeChoice) else how)
    by, value = named
    if by == "take":
        return io.VolumeRule.of(value)
    if by == "index":
        return io.VolumeRule(index=int(value))
    number = _number(value)
    return io.VolumeRule.of({by: value if number is None else number})


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def series_rule(named: tuple[str, str] | None, words: str | None) -> io.SeriesRule | None:
    """The record's own series, else words of a description, else no rule."""
    if named is None:
        return io.SeriesRule(description=words) if words else None
    by, value = named
    return _NAMES[by](value)


#: What a record can name its series by.
_NAMES: dict[str, Callable[[str], io.SeriesRule]] = {
    "uid": lambda value: io.SeriesRule(uid=value),
    "number": lambda value: io.SeriesRule(number=int(value)),
    "description": lambda value: io.SeriesRule(title=value),
}


def _function(modality: str) -> Callable[..., Prepared]:
    module, name = _BY_MODALITY[modality]
    return getattr(import_module(module), name)
