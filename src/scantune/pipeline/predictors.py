"""The networks of a model that predict each sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from scantune.cohort.manifest import Sample
from scantune.registry.model import ModelFacts
from scantune.tasks.protocol import Task

if TYPE_CHECKING:
    import torch
    from torch import nn

    from scantune.prediction import TensorPredictor


@dataclass(frozen=True)
class Predictors:
    """A model's networks as predictors: all of them averaged, and each fold's own.

    Attributes:
        facts: of the model.
        networks: all of them.
        task: the model's.
        device: where they compute.
    """

    facts: ModelFacts
    networks: Sequence[nn.Module]
    task: Task
    device: str | torch.device = "cpu"

    @cached_property
    def served(self) -> TensorPredictor:
        """The predictor of the served model: all networks averaged."""
        from scantune.registry.tensors import tensor_predictor

        return tensor_predictor(self.facts, self.networks, self.task, self.device)

    @cached_property
    def by_fold(self) -> list[TensorPredictor]:
        """The network of each fold, calibrated on the predictions of the other folds if such a fit exists."""
        from scantune.registry.tensors import tensor_predictor

        alone = [tensor_predictor(self.facts, [network], self.task, self.device) for network in self.networks]
        fits = self.facts.fitted.get("out_of_fold") or []
        return [one.with_fitted(fits[fold]) if fold < len(fits) else one for fold, one in enumerate(alone)]

    def of(self, member: Sample) -> TensorPredictor:
        """The predictor of a sample; see :meth:`of_fold`."""
        return self.of_fold(member.fold)

    def of_fold(self, fold: int | None) -> TensorPredictor:
        """All networks; for a sample held out in a fold, the network that was not trained on it."""
        if (
            fold is None
            or self.facts.folds != len(self.networks)
            or len(self.networks) == 1
            or fold >= len(self.networks)
        ):
            return self.served
        return self.by_fold[fold]
