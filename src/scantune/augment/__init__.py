"""Augmentation of single samples with explicit random generators and at most one interpolation.

The data set seeds one generator per sample from (seed, epoch, index), so that results do not depend on the number of
workers. ``events.flipped`` is True where left and right were exchanged.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Generator, Tensor

from scantune.augment import image, spatial, video, volume
from scantune.augment.draws import Augment, Augmented, Events
from scantune.augment.mixing import Mixed, cutmix, mixup
from scantune.augment.sheet import contact_sheet
from scantune.augment.spoil import spoil
from scantune.records import ScantuneError

__all__ = ["Augment", "Augmented", "Events", "Mixed", "build", "contact_sheet", "cutmix", "mixup", "spoil", "unchanged"]

BY_MODALITY: dict[str, Callable[..., Augment]] = {"image": image.build, "volume": volume.build, "video": video.build}

_OFF = {
    **dict.fromkeys(("rotation", "translation", "noise", "flip_left_right", "flip_up_down", "temporal_mask"), 0.0),
    **dict.fromkeys(("zoom", "brightness", "contrast", "temporal_crop", "saturation"), 1.0),
    **dict.fromkeys(("hue", "stain"), 0.0),
    **dict.fromkeys(("zoom", "brightness", "contrast", "temporal_crop", "gamma", "low_resolution"), 1.0),
    **dict.fromkeys(("blur", "elastic"), 0.0),
}
"""Neutral values of the transforms."""

_OF_THE_BATCH = {"mixup", "cutmix"}
"""Settings in the same block that the training loop applies to a batch."""


def unchanged(input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
    """No augmentation."""
    return Augmented(input, mask, Events())


def _middle(crop: Sequence[int], input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
    return Augmented(spatial.middle(input, crop), None if mask is None else spatial.middle(mask, crop), Events())


def build(
    modality: str,
    settings: Any = None,
    *,
    spacing: Sequence[float] | None = None,
    crop: Sequence[int] | None = None,
) -> Augment:
    """The augmentation of a modality.

    Args:
        modality: "image", "volume" or "video".
        settings: keywords of that modality's ``build`` (``scantune.augment.image.build`` and so on) and ``enabled``,
            each of which enables its transform only; or a config block of them; None is the default set of the
            modality. ``mixup`` and ``cutmix`` are ignored here.
        spacing: of the cached grid along [D,] H, W; None for isotropic pixels.
        crop: of images and volumes, the shape [D,] H, W of the result, the middle of a larger sample.

    Returns:
        A callable of (input, mask, generator), see :class:`scantune.augment.draws.Augment`.

    Raises:
        ScantuneError: an unknown modality or setting, or an invalid range.
    """
    if modality not in BY_MODALITY:
        raise ScantuneError(f"modality: {modality!r} is not one of {', '.join(BY_MODALITY)}")
    options = dict(settings.model_dump() if hasattr(settings, "model_dump") else settings or {})
    options.pop("modality", None)
    if not options.pop("enabled", True):
        return unchanged if crop is None else partial(_middle, crop)
    builder = BY_MODALITY[modality]
    off = (
        {} if settings is None else {name: _OFF[name] for name in inspect.signature(builder).parameters if name in _OFF}
    )
    keywords = off | {key: value for key, value in options.items() if key not in _OF_THE_BATCH}
    operations = keywords.pop("randaugment", None)
    if operations and operations.get("enabled", True):
        keywords["randaugment"] = {key: value for key, value in operations.items() if key != "enabled"}
    if crop is not None:
        keywords["crop"] = crop
    try:
        return builder(spacing=spacing, **keywords)
    except TypeError as error:
        raise ScantuneError(f"augment: {error}") from error
