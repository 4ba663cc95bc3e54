"""Which settings of an input a tensor depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Keys that set where and how carefully samples are prepared, without effect on the result.
_NOT_OF_THE_TENSOR = ("dataset", "workers", "backend", "verify_fraction", "time_limit", "modality")


def what_matters(settings: Any) -> tuple[str, dict[str, Any]]:
    """Modality and the settings that the tensor depends on, as plain values."""
    plain = dict(settings) if isinstance(settings, Mapping) else settings.model_dump(mode="json")
    return plain["modality"], {k: v for k, v in plain.items() if k not in _NOT_OF_THE_TENSOR}
