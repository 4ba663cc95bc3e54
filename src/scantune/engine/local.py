"""A single process on one device, for prediction: the interface of Fabric without its import of four seconds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from scantune.engine.distributed import device_kind


@dataclass(frozen=True)
class Local:
    """Replaces a Fabric in :meth:`scantune.prediction.TensorPredictor.predict`. Computes in float32.

    Attributes:
        device: of the computation.
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
