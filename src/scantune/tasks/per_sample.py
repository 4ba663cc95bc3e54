"""What tasks have in common whose answer is about a whole sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.statistics.logits import softmax
from scantune.tasks.networks import NetworkFacts, with_head
from scantune.tasks.protocol import Copies

if TYPE_CHECKING:
    from torch import Tensor, nn

    from scantune.models.network import Network
    from scantune.preprocess.places import Place
    from scantune.tasks.protocol import Batch


class PerSample(ABC):
    """One answer a sample, from a backbone with a head: a task names its head and its columns."""

    copies: Copies = "augmented"
    class_axis: int | None

    @abstractmethod
    def head(self, feature_dim: int, targets: np.ndarray | None = None) -> nn.Module:
        """The layer from features [B, feature_dim] to the task's output.

        Args:
            feature_dim: features a sample.
            targets: [N, …] as ``encode`` made them of the training side, where the output is to start from them.
        """

    @abstractmethod
    def columns(
        self,
        output: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """The task's own columns of ``predictions.csv``; arguments as of :meth:`answers`."""

    def network(self, facts: NetworkFacts, targets: np.ndarray | None = None) -> Network:
        """A backbone with :meth:`head` on it."""
        return with_head(self, facts, targets)

    def flip(self, target: np.ndarray) -> np.ndarray:
        """The same: the answer has no side."""
        return target

    def masks(self, output: Tensor) -> Tensor | None:
        """None: the answer is not about pixels."""
        return None

    def reduce(self, output: Tensor, batch: Batch) -> Tensor:
        """The output itself, [B, …]."""
        return output

    def reduced_target(self, batch: Batch) -> Tensor:
        """The targets themselves, [B, …]."""
        return batch["target"]

    def epoch_answers(self, reduced: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The targets, and numbers as they are or probabilities with the classes last; a single logit is that of the
        second of two classes."""
        values = reduced.astype(np.float64)
        if self.class_axis is None:
            return targets, values
        logits = np.moveaxis(values, self.class_axis, -1)
        pair = np.concatenate([np.zeros_like(logits), logits], -1) if logits.shape[-1] == 1 else logits
        return targets, softmax(pair)

    def answers(
        self,
        output: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
        places: Sequence[Place] | None = None,
        masks: Sequence[np.ndarray] | None = None,
    ) -> dict[str, Any]:
        """The columns; they do not depend on the place."""
        return self.columns(output, targets, fitted, spread)
