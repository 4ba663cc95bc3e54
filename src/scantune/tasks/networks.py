"""What a task builds its network from, and the network of tasks whose answer is about a whole sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from scantune.models.backbone import Modality
    from scantune.models.network import Network


@dataclass(frozen=True)
class NetworkFacts:
    """A network but for what its task decides.

    Attributes:
        backbone: by name.
        modality: of the samples.
        shape: of one sample, [C, …space].
        seed: of random weights, those of the head too.
        dropout: in front of the output layer, while training.
        options: of the builder: starting weights, normalisation, further ones of the architecture.
    """

    backbone: str
    modality: Modality
    shape: tuple[int, ...]
    seed: int
    dropout: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)


class Headed(Protocol):
    """A task with an output layer of its own."""

    def head(self, feature_dim: int, targets: np.ndarray | None = None) -> nn.Module:
        """The layer from features [B, feature_dim] to the task's output; see :class:`PerSample`."""
        ...


def with_head(task: Headed, facts: NetworkFacts, targets: np.ndarray | None = None) -> Network:
    """A backbone with a task's head on it; arguments as of :meth:`scantune.tasks.protocol.Task.network`."""
    import torch

    from scantune import models

    backbone = models.build(
        facts.backbone,
        modality=facts.modality,
        in_channels=facts.shape[0],
        size=facts.shape[1:],
        seed=facts.seed,
        **facts.options,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(facts.seed)
        head = task.head(backbone.feature_dim, targets)
    if facts.dropout:
        head = torch.nn.Sequential(torch.nn.Dropout(facts.dropout), head)
    return models.Network(backbone, head)
