"""Augmentation: one sample at a time, every number from an explicit generator, one interpolation at most.

The data set seeds one generator a sample from (seed, epoch, index), so the number of workers changes nothing. Whatever
mirrors left and right says so in ``events.flipped``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch import Generator, Tensor

from scantune.augment import image, video, volume
from scantune.augment.draws import Augment, Augmented, Events
from scantune.augment.mixing import Mixed, cutmix, mixup
from scantune.augment.sheet import contact_sheet
from scantune.augment.spoil import spoil
from scantune.records import ScantuneError

__all__ = ["Augment", "Augmented", "Events", "Mixed", "build", "contact_sheet", "cutmix", "mixup", "spoil", "unchanged"]

BY_MODALITY: dict[str, Callable[..., Augment]] = {"image": image.build, "volume": volume.build, "video": video.build}

_OFF = {
    **dict.fromkeys(("rotation", "translation", "noise", "flip_left_right", "flip_up_down", "temporal_mask"), 0.0),
    **dict.fromkeys(("zoom", "brightness", "contrast", "temporal_crop"), 1.0),
}
"""Values at which a transform changes nothing."""

_OF_THE_BATCH = {"mixup", "cutmix"}
"""Settings that stand beside those of a sample and that the training loop applies to a batch."""


def unchanged(input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
    """The augmentation that does nothing."""
    return Augmented(input, mask, Events())


def build(modality: str, settings: Any = None, *, spacing: Sequence[float] | None = None) -> Augment:
    """The augmentation of one modality.

    Args:
        modality: "image", "volume" or "video".
        settings: keywords of that modality's ``build`` (``scantune.augment.image.build`` and so on) and ``enabled``,
            each of which switches on its own transform and no other; or a config block of them; None is the usual set
            of the modality. ``mixup`` and ``cutmix`` are the loop's and ignored here.
        spacing: of the cached grid along [D,] H, W; None where pixels are square.

    Returns:
        A callable of (input, mask, generator), see :class:`scantune.augment.draws.Augment`.

    Raises:
        ScantuneError: an unknown modality or setting, or a range that is none.
    """
    if modality not in BY_MODALITY:
        raise ScantuneError(f"modality: {modality!r} is none of {', '.join(BY_MODALITY)}")
    given = dict(settings.model_dump() if hasattr(settings, "model_dump") else settings or {})
    given.pop("modality", None)
    if not given.pop("enabled", True):
        return unchanged
    builder = BY_MODALITY[modality]
    off = (
        {} if settings is None else {name: _OFF[name] for name in inspect.signature(builder).parameters if name in _OFF}
    )
    keywords = off | {key: value for key, value in given.items() if key not in _OF_THE_BATCH}
    operations = keywords.pop("randaugment", None)
    if operations and operations.get("enabled", True):
        keywords["randaugment"] = {key: value for key, value in operations.items() if key != "enabled"}
    try:
        return builder(spacing=spacing, **keywords)
    except TypeError as error:
        raise ScantuneError(f"augment: {error}") from error
