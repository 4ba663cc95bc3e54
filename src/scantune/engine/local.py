"""One process on one device, for prediction alone: what Fabric would give, without its four seconds of import."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from scantune.engine.distributed import device_kind


@dataclass(frozen=True)
class Local:
    """Stands where :meth:`scantune.prediction.TensorPredictor.predict` takes a Fabric. Computes in float32.

    Attributes:
        device: where it computes.
    """

    device: torch.device
    world_size: int = 1
    global_rank: int = 0
    is_global_zero: bool = True

    @classmethod
    def on(cls, device: str = "auto") -> Local:
        """On ``auto``, ``cpu``, ``cuda`` or ``mps``."""
        return cls(torch.device(device_kind(device)))

    def setup_module(self, network: nn.Module, move_to_device: bool = True) -> nn.Module:
        """The network on the device."""
        return network.to(self.device) if move_to_device else network
