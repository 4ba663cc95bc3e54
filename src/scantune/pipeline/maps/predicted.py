"""Saliency maps of predicted files: the outputs of ``scantune predict --maps``."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scantune.pipeline.maps.display import displayed, letters_of, visible
from scantune.pipeline.maps.request import MapRequest, maps_of
from scantune.preprocess import display
from scantune.records import ScantuneError, Source
from scantune.tasks import questions
from scantune.tasks.catalogue import part

if TYPE_CHECKING:
    from scantune.explain.draw.view import SampleView
    from scantune.registry.opening import Foreign
    from scantune.registry.predictor import Answer, Predictor

log = logging.getLogger(__name__)


def write_map(
    folder: Path,
    source: Path | Source,
    answer: Answer,
    model: Predictor,
    *,
    method: str = "auto",
    layer: str | None = None,
) -> Path:
    """Write the map of one prediction as a figure; for a volume also as NIfTI on the scan's grid, for a video also as
    GIF.

    Args:
        folder: of the files, named like the source; a number is added to an existing name.
        source: the predicted file or folder, or what says which series and volume of it.
        answer: :class:`scantune.registry.predictor.Answer`.
        model: :class:`scantune.registry.predictor.Predictor`.
        method: as ``evaluate.saliency.method``.
        layer: as ``evaluate.saliency.layer``.

    Returns:
        The figure.

    Raises:
        ScantuneError: no method or layer fits this network.
    """
    import torch

    from scantune import plots
    from scantune.config.evaluate import SaliencyConfig
    from scantune.explain import draw
    from scantune.plots import style
    from scantune.prediction.averaging import conditioned
    from scantune.preprocess.store import as_float

    covariates = None if answer.covariates is None else torch.from_numpy(answer.covariates)
    network = conditioned(model.tensors.network, covariates)
    chosen = SaliencyConfig.model_validate({"method": method, "layer": layer})
    request = MapRequest(model.networks, model.facts, model.task, chosen, next(network.parameters()).device)
    x = torch.from_numpy(as_float(answer.prepared.tensor)).to(request.device)
    task_questions = questions.of_task(model.task.name)
    map_questions, maps = maps_of(request, network, x)
    source = Source.of(source)
    view = _source_view(source, answer, model)
    drawn = [
        (replace(view, explained=task_questions.subject(model.task, one.index)), saliency)
        for one, saliency in zip(map_questions, maps)
    ]
    stem = _free(folder, view.sample_id)
    groups = {view.sample_id: drawn}
    figure = draw.draw(*drawn[0]) if len(drawn) == 1 else draw.sheet(groups, notes=task_questions.notes(model.task))
    style.note(figure, "For the reliability of such maps, see the report of the model's evaluation.")
    (path,) = plots.save(figure, folder / stem, ("png",))
    if view.modality == "video":
        draw.animate(folder / f"{stem}.gif", *drawn[0])
    for number, (_, saliency) in enumerate(drawn) if view.modality == "volume" else ():
        if saliency.map is not None and view.map_affine is not None:
            name = f"{stem}.nii.gz" if len(drawn) == 1 else f"{stem}_{number}.nii.gz"
            scan = view.grid
            draw.write_nifti(folder / name, saliency, view.map_affine, scan=scan, stored=view.stored)
    return path


def _free(folder: Path, stem: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    number, name = 1, stem
    while (folder / f"{name}.png").exists():
        number += 1
        name = f"{stem}_{number}"
    return name


def _source_view(source: Source, answer: Answer, model: Predictor) -> SampleView:
    """The view of the source, with the prediction as text."""
    from scantune.explain.draw import SampleView

    settings, prepared = model.facts.input, answer.prepared
    affine = np.array(prepared.facts["affine"], np.float64) if settings["modality"] == "volume" else None
    prediction, interval = part(model.task.name, "words").answer(model.task, answer.values)
    view = SampleView(
        sample_id=source.files[0].name.split(".")[0],
        image=visible(prepared.tensor, settings["modality"]),
        modality=settings["modality"],
        prediction=prediction,
        interval=interval,
        affine=affine,
        map_affine=affine,
        sides=letters_of(prepared.facts),
    )
    try:
        copy = display.make(source.files, settings, prepared.facts, source.series, source.volume)
    except (ScantuneError, OSError, MemoryError) as error:
        log.info("the map of %s is drawn on its prepared tensor: %s", source.files[0].name, error)
        return view
    return displayed(view, copy, prepared.facts, settings)


def check(model: Predictor | Foreign, method: str = "auto", layer: str | None = None) -> None:
    """Check that maps can be computed.

    Raises:
        ScantuneError: not a scantune model, an unknown layer, or an unknown method.
    """
    from scantune.explain.maps import METHODS
    from scantune.models.named import check_maps

    if model.facts is None:
        raise ScantuneError("--maps requires a model folder of scantune")
    if method not in ("auto", *METHODS):
        raise ScantuneError(f"--map-method: {method!r} is not one of auto, {', '.join(METHODS)}")
    check_maps("--map-", model.networks, method, layer)
    if method == "scorecam" and model.facts.input["modality"] != "image":
        raise ScantuneError(
            f"--map-method: scorecam is for images, and this model is of a {model.facts.input['modality']}"
        )
