"""Augmentation of single samples with explicit random generators and at most one interpolation.

The data set seeds one generator per sample from (seed, epoch, index), so that results do not depend on the number of
workers. ``events.flipped`` is True where left and right were exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Generator, Tensor

from scantune.augment import spatial
from scantune.augment.draws import Augment, Augmented, Events
from scantune.augment.image import ImageTransform
from scantune.augment.mixing import Mixed, cutmix, mixup
from scantune.augment.sheet import contact_sheet
from scantune.augment.spoil import spoil
from scantune.augment.video import VideoTransform
from scantune.augment.volume import VolumeTransform
from scantune.config.augment import AugmentConfig, VideoAugment, VolumeAugment, augment_config
from scantune.records import ScantuneError

__all__ = ["Augment", "Augmented", "Events", "Mixed", "build", "contact_sheet", "cutmix", "mixup", "spoil", "unchanged"]


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
        ScantuneError: an unknown modality or setting, an invalid range, or settings of another modality.
    """
    if settings is None or isinstance(settings, Mapping):
        settings = augment_config(modality, {"default": True} if settings is None else settings)
    if settings.modality != modality:
        raise ScantuneError(f"augment: settings of the modality {settings.modality!r} for a sample of {modality!r}")
    if not settings.enabled:
        return unchanged if crop is None else partial(_middle, crop)
    if isinstance(settings, VideoAugment):
        return VideoTransform(settings, spacing)
    if isinstance(settings, VolumeAugment):
        return VolumeTransform(settings, spacing, crop)
    return ImageTransform(settings, spacing, crop)
