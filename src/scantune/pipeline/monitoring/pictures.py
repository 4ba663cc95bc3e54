"""Pictures of a training: augmented samples, and the network's predictions of some samples."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scantune.pipeline.data.sides import Side
from scantune.pipeline.train.augmentation import augmentation, settled
from scantune.pipeline.train.training import TrainingPlan
from scantune.tracking import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from scantune.engine.delivery import Sink
    from scantune.registry.model import ModelFacts

SHEET = "augmented"
ROWS = 6
"""Number of samples on the sheet of augmented samples."""


def show_augmented(plan: TrainingPlan, side: Side, run: Run, out: Path, sinks: Sequence[Sink]) -> None:
    """Draw the contact sheet of augmented samples where there is an ``augment:`` block; to MLflow and the loggers.

    Args:
        plan: the plan.
        side: the training samples.
        run: gets ``monitoring/augmented.png``.
        out: gets the file.
        sinks: those that accept pictures get it as epoch 0.
    """
    sheet = augmented_sheet(plan, side)
    if sheet is None:
        return
    from scantune import io

    out.mkdir(parents=True, exist_ok=True)
    run.artifact(io.write_png(out / f"{SHEET}.png", sheet), "monitoring")
    for sink in sinks:
        if hasattr(sink, "image"):
            sink.image(0, SHEET, sheet)


def augmented_sheet(plan: TrainingPlan, side: Side, rows: int = ROWS) -> np.ndarray | None:
    """One row per sample: the original, then augmented draws; uint8 [H, W] or [H, W, 3]. None without augmentation."""
    from scantune import augment
    from scantune.engine.patches import box
    from scantune.pipeline.maps.request import input_of

    change = augmentation(settled(plan.block.train.augment, plan.task), plan.input, plan.spacing).sample
    if change is None or not len(side):
        return None
    inputs = [input_of(side.paths[row]) for row in _spread(len(side), rows)]
    around = getattr(change, "around", None)
    if around is not None:  # of patches: the middle of the sample
        inputs = [box(x, [n // 2 for n in x.shape[1:]], around) for x in inputs]
    return augment.contact_sheet(inputs, change, modality=plan.input.modality, seed=plan.block.train.seed)


def answers(plan: TrainingPlan, side: Side) -> Callable[[nn.Module], dict[str, np.ndarray]] | None:
    """A function that draws a trained network's predictions of some samples, with saliency maps.

    Returns:
        From a network to name and uint8 [H, W, 3]; None where ``monitoring.pictures`` is 0.
    """
    number = plan.block.train.monitoring.pictures
    return functools.partial(_answers, plan, side, number) if number and len(side) else None


def _answers(plan: TrainingPlan, side: Side, number: int, network: nn.Module) -> dict[str, np.ndarray]:
    from scantune.explain import draw
    from scantune.pipeline.answers import Answers
    from scantune.pipeline.maps.display import sample_view
    from scantune.pipeline.maps.request import MapRequest, input_of, maps_of
    from scantune.pipeline.predictions import part_of
    from scantune.pipeline.predictors import Predictors
    from scantune.tasks import questions
    from scantune.tasks.errors import sample_errors
    from scantune.tasks.predictions import PredictionTable

    some = plan.sides.only({side[row].sample_id for row in _spread(len(side), number)})
    facts = _facts(plan)
    predictor, answered = Predictors(facts, [network], plan.task).served, Answers()
    table = PredictionTable.make(part_of(predictor, some, "validation", answers=answered))
    settings = plan.block.evaluate.saliency
    request = MapRequest([network], facts, plan.task, settings, "cpu", answers=answered)
    drawn = []
    for member, path, error in zip(some, some.paths, sample_errors(table, plan.block.task, "validation")):
        _, maps = maps_of(request, request.network(member), input_of(path), member.sample_id)
        view = replace(sample_view(member, path, error, facts.input, as_prepared=True), explained="")
        main = questions.of_task(plan.task.name).main_question(plan.task, error.prediction, len(maps))
        drawn.append((view, maps[main]))
    return {"validation": _pixels(draw.sheet({"validation": drawn}))}


def _facts(plan: TrainingPlan) -> ModelFacts:
    """The model facts that predictions require."""
    from scantune.registry.model import ModelFacts

    task, prepared = (block.model_dump(mode="json") for block in (plan.block.task, plan.input))
    covariates = () if plan.covariates is None else tuple(plan.covariates.described())
    return ModelFacts(
        plan.key, plan.block.dataset, task, prepared, plan.classes, plan.spec["name"], covariates=covariates
    )


def _spread(n: int, number: int) -> list[int]:
    """``number`` rows spread evenly over ``n``."""
    return sorted({round(place) for place in np.linspace(0, n - 1, min(n, number))})


def _pixels(figure: Figure, dpi: int = 150) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
