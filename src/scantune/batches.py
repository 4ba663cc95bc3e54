"""What a network is called with, from a batch of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def network_inputs(batch: Mapping[str, Any]) -> tuple[Any, ...]:
    """``input`` [B, C, …space], and ``covariates`` [B, Q] where the batch has them."""
    return (batch["input"], batch["covariates"]) if "covariates" in batch else (batch["input"],)
