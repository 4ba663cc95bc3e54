"""Which settings of an input a tensor depends on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scantune.config.input import InputConfig

#: Keys that set where and how carefully samples are prepared, without effect on the result.
_NOT_OF_THE_TENSOR = ("dataset", "workers", "backend", "verify_fraction", "time_limit", "modality")
#: Keys that set what a network sees of a tensor.
OF_THE_NETWORK = ("patch", "overlap", "window_precision")


def what_matters(settings: InputConfig | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Modality and the settings that the tensor depends on, as plain values."""
    plain = dict(settings) if isinstance(settings, Mapping) else settings.model_dump(mode="json")
    return plain["modality"], {k: v for k, v in plain.items() if k not in _NOT_OF_THE_TENSOR + OF_THE_NETWORK}


def patch_shape(settings: InputConfig | Mapping[str, Any]) -> tuple[int, ...] | None:
    """Shape of a patch along the axes of a tensor, (H, W) or (D, H, W); None: networks see whole samples."""
    of_block = settings.get if isinstance(settings, Mapping) else partial(getattr, settings)
    patch = of_block("patch", None)
    if patch is None:
        return None
    edges = tuple(int(n) for n in patch)
    return edges[::-1] if of_block("modality", None) == "volume" else edges  # R, A, S -> D, H, W
