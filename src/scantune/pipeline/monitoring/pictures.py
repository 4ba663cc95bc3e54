"""Pictures of a training for people: what augmentation makes of samples, and what the network says of some."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scantune.pipeline.data.sides import Side
from scantune.pipeline.train.augmentation import augmentation
from scantune.pipeline.train.training import TrainingPlan
from scantune.tracking import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from scantune.engine.delivery import Sink
    from scantune.registry.model import ModelFacts

SHEET = "augmented"
ROWS = 6
"""Samples on the sheet of augmented ones."""


def show_augmented(given: TrainingPlan, side: Side, run: Run, out: Path, sinks: Sequence[Sink]) -> None:
    """Draw the contact sheet of augmented samples where there is an ``augment:`` block; to MLflow and the loggers.

    Args:
        given: the plan.
        side: the samples that are learned from.
        run: gets ``monitoring/augmented.png``.
        out: gets the file.
        sinks: those that take pictures get it as epoch 0.
    """
    sheet = augmented_sheet(given, side)
    if sheet is None:
        return
    from scantune import io

    out.mkdir(parents=True, exist_ok=True)
    run.artifact(io.write_png(out / f"{SHEET}.png", sheet), "monitoring")
    for sink in sinks:
        if hasattr(sink, "image"):
            sink.image(0, SHEET, sheet)


def augmented_sheet(given: TrainingPlan, side: Side, rows: int = ROWS) -> np.ndarray | None:
    """One row a sample: as it is, then as it is drawn; uint8 [H, W] or [H, W, 3]. None without augmentation."""
    from scantune import augment
    from scantune.pipeline.maps.request import input_of

    change = augmentation(given.block.train.augment, given.input).sample
    if change is None or not len(side):
        return None
    inputs = [input_of(side.paths[row]) for row in _spread(len(side), rows)]
    return augment.contact_sheet(inputs, change, modality=given.input.modality, seed=given.block.train.seed)


def answers(given: TrainingPlan, side: Side) -> Callable[[nn.Module], dict[str, np.ndarray]] | None:
    """What draws a finished network's answers to some samples of a side, with maps of where it looked.

    Returns:
        From a network to name and uint8 [H, W, 3]; None where ``monitoring.pictures`` is 0.
    """
    number = given.block.train.monitoring.pictures
    return functools.partial(_answers, given, side, number) if number and len(side) else None


def _answers(given: TrainingPlan, side: Side, number: int, network: nn.Module) -> dict[str, np.ndarray]:
    from scantune import explain
    from scantune.explain import draw
    from scantune.pipeline.answers import Answers
    from scantune.pipeline.maps.display import shown_of
    from scantune.pipeline.maps.request import MapRequest, input_of, questions_of
    from scantune.pipeline.predictions import part_of
    from scantune.pipeline.predictors import Predictors
    from scantune.tasks import questions
    from scantune.tasks.errors import sample_errors
    from scantune.tasks.predictions import PredictionTable

    some = given.sides.only({side[row].sample_id for row in _spread(len(side), number)})
    facts = _facts(given)
    predictor, answered = Predictors(facts, [network], given.task).whole, Answers()
    table = PredictionTable.make(part_of(predictor, some, "validation", answers=answered))
    settings = given.block.evaluate.saliency
    wanted = MapRequest([network], facts, given.task, settings, "cpu", answers=answered)
    drawn = []
    for member, path, said in zip(some, some.paths, sample_errors(table, given.block.task, "validation")):
        x = input_of(path)
        asked = questions_of(wanted, network, x, member.sample_id)
        maps = explain.maps(
            network, x, [one.target for one in asked], method=wanted.method, layer=settings.layer, **wanted.options()
        )
        shown = replace(shown_of(member, path, said, facts.input, as_prepared=True), explained="")
        main = questions.of_task(given.task.name).main_question(given.task, said.prediction, len(maps))
        drawn.append((shown, maps[main]))
    return {"validation": _pixels(draw.sheet({"validation": drawn}))}


def _facts(given: TrainingPlan) -> ModelFacts:
    """As much of the model's facts as its answers need."""
    from scantune.registry.model import ModelFacts

    task, prepared = (block.model_dump(mode="json") for block in (given.block.task, given.input))
    return ModelFacts(given.key, given.block.dataset, task, prepared, given.classes, given.spec["name"])


def _spread(n: int, number: int) -> list[int]:
    """``number`` rows spread evenly over ``n``."""
    return sorted({round(place) for place in np.linspace(0, n - 1, min(n, number))})


def _pixels(figure: Figure, dpi: int = 150) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
