"""Inputs and results of an evaluation, for its error sheet, maps, report and model card."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.pipeline.answers import Answers
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.predictors import Predictors
from scantune.registry.model import ModelFacts
from scantune.tasks.predictions import PredictionTable

if TYPE_CHECKING:
    from scantune.config.params import ExperimentConfig, Params


@dataclass(frozen=True)
class Evaluation:
    """An evaluation, as its report describes it.

    Attributes:
        params: all settings.
        key: the experiment.
        block: its settings.
        facts: of the model.
        model: the model's folder.
        sides: the samples.
        table: predictions.
        metrics: ``metrics.json`` as computed so far.
        out: ``outputs/<experiment>/evaluate``.
        predictors: the model's networks.
        trained: the folder of the train stage; None: beside ``out``.
        dataset: of the test data; "": the experiment's own.
        members: of an ensemble, the experiments whose networks it has.
        name: of the report; "": the experiment's.
        card: whether a model card is written.
        answers: outputs of the model for the test samples.
    """

    params: Params
    key: str
    block: ExperimentConfig
    facts: ModelFacts
    model: Path
    sides: Sides
    table: PredictionTable
    metrics: dict[str, Any]
    out: Path
    predictors: Predictors
    trained: Path | None = None
    dataset: str = ""
    members: tuple[str, ...] = ()
    name: str = ""
    card: bool = True
    answers: Answers = field(default_factory=Answers)

    @property
    def data(self) -> str:
        """The dataset of the test samples."""
        return self.dataset or self.block.dataset

    @property
    def train(self) -> Path:
        """The folder of the train stage."""
        return self.trained or self.out.parent / "train"
