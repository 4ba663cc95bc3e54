"""Augmentation of single samples with explicit random generators and at most one interpolation.

The data set seeds one generator per sample from (seed, epoch, index), so that results do not depend on the number of
workers. ``events.flipped`` is True where left and right were exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Generator, Tensor

from scantune.augment import image, spatial, video, volume
from scantune.augment.draws import Augment, Augmented, Events
from scantune.augment.mixing import Mixed, cutmix, mixup
from scantune.augment.sheet import contact_sheet
from scantune.augment.spoil import spoil
from scantune.config.augment import AugmentConfig, augment_config
from scantune.records import ScantuneError

__all__ = ["Augment", "Augmented", "Events", "Mixed", "build", "contact_sheet", "cutmix", "mixup", "spoil", "unchanged"]

BY_MODALITY: dict[str, Callable[..., Augment]] = {"image": image.build, "volume": volume.build, "video": video.build}

_NO_KEYWORDS = {"modality", "enabled", "mixup", "cutmix"}
"""Settings in the same block that are not of a sample: the training loop mixes batches."""


def unchanged(input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
    """No augmentation."""
    return Augmented(input, mask, Events())


def _middle(crop: Sequence[int], input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
    return Augmented(spatial.middle(input, crop), None if mask is None else spatial.middle(mask, crop), Events())


def build(
    modality: str,
    settings: AugmentConfig | Mapping[str, Any] | None = None,
    *,
    spacing: Sequence[float] | None = None,
    crop: Sequence[int] | None = None,
) -> Augment:
    """The augmentation of a modality.

    Args:
        modality: "image", "volume" or "video".
        settings: the ``augment:`` block of that modality, or its keys with the values that they take in
            ``params.yaml`` (``{"rotation": 10}`` is −10° to 10°), each of which enables its own transform only; None is
            the default set. ``mixup`` and ``cutmix``, which are of a batch, are ignored here.
        spacing: of the cached grid along [D,] H, W; None for isotropic pixels.
        crop: of images and volumes, the shape [D,] H, W of the result, the middle of a larger sample.

    Returns:
        A callable of (input, mask, generator), see :class:`scantune.augment.draws.Augment`.

    Raises:
        ScantuneError: an unknown modality or setting, or an invalid range.
    """
    if modality not in BY_MODALITY:
        raise ScantuneError(f"modality: {modality!r} is not one of {', '.join(BY_MODALITY)}")
    if settings is None or isinstance(settings, Mapping):
        settings = augment_config(modality, {"default": True} if settings is None else settings)
    if not settings.enabled:
        return unchanged if crop is None else partial(_middle, crop)
    keywords = settings.model_dump(exclude=_NO_KEYWORDS)
    operations = keywords.pop("randaugment", None)
    if operations and operations.pop("enabled"):
        keywords["randaugment"] = operations
    if crop is not None:
        keywords["crop"] = crop
    return BY_MODALITY[modality](spacing=spacing, **keywords)
