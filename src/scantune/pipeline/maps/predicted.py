"""Where a model looked in a file that it was asked about: what ``scantune predict --maps`` writes."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scantune.pipeline.maps.display import displayed, letters_of, visible
from scantune.pipeline.maps.request import MapRequest, output_of
from scantune.preprocess import display
from scantune.records import ScantuneError
from scantune.tasks import questions
from scantune.tasks.catalogue import part

if TYPE_CHECKING:
    from scantune.explain.draw.view import SampleView
    from scantune.registry.opening import Foreign
    from scantune.registry.predictor import Answer, Predictor

log = logging.getLogger(__name__)


def write_map(
    folder: Path, source: Path, answer: Answer, model: Predictor, *, method: str = "auto", layer: str | None = None
) -> Path:
    """The map of one answer as a figure; of a volume as NIfTI on the scan's grid and of a loop as GIF, too.

    Args:
        folder: where the files go, named as the source; a name that is taken gets a number.
        source: the file or folder that the model was asked about.
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

    from scantune import explain, plots
    from scantune.config.evaluate import SaliencyConfig
    from scantune.explain import draw
    from scantune.plots import style
    from scantune.preprocess.store import as_float

    network = model.tensors.network
    chosen = SaliencyConfig.model_validate({"method": method, "layer": layer})
    wanted = MapRequest(model.networks, model.facts, model.task, chosen, next(network.parameters()).device)
    x = torch.from_numpy(as_float(answer.prepared.tensor)).to(wanted.device)
    own = questions.of_task(model.task.name)
    asked = own.questions(output_of(wanted, network, x))
    maps = explain.maps(
        network, x, [one.target for one in asked], method=wanted.method, layer=layer, **wanted.options()
    )
    shown = _shown(source, answer, model)
    found = [(replace(shown, explained=own.subject(model.task, one.index)), made) for one, made in zip(asked, maps)]
    stem = _free(folder, source.name.split(".")[0])
    whole = {shown.sample_id: found}
    figure = draw.draw(*found[0]) if len(found) == 1 else draw.sheet(whole, notes=own.notes(model.task))
    style.note(figure, "Whether such maps can be believed stands in the report of the model's evaluation.")
    (path,) = plots.save(figure, folder / stem, ("png",))
    if shown.modality == "video":
        draw.animate(folder / f"{stem}.gif", *found[0])
    for number, (_, made) in enumerate(found) if shown.modality == "volume" else ():
        if made.map is not None and shown.map_affine is not None:
            name = f"{stem}.nii.gz" if len(found) == 1 else f"{stem}_{number}.nii.gz"
            scan = shown.grid
            draw.write_nifti(folder / name, made, shown.map_affine, scan=scan, stored=shown.stored)
    return path


def _free(folder: Path, stem: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    number, name = 1, stem
    while (folder / f"{name}.png").exists():
        number += 1
        name = f"{stem}_{number}"
    return name


def _shown(source: Path, answer: Answer, model: Predictor) -> SampleView:
    """The source as a reader sees it, with the answer in words."""
    from scantune.explain.draw import SampleView

    settings, held = model.facts.input, answer.prepared
    affine = np.array(held.facts["affine"], np.float64) if settings["modality"] == "volume" else None
    prediction, interval = part(model.task.name, "words").answer(model.task, answer.values)
    shown = SampleView(
        sample_id=source.name.split(".")[0],
        image=visible(held.tensor, settings["modality"]),
        modality=settings["modality"],
        prediction=prediction,
        interval=interval,
        affine=affine,
        map_affine=affine,
        sides=letters_of(held.facts),
    )
    try:
        copy = display.make([source], settings, held.facts)
    except (ScantuneError, OSError, MemoryError) as error:
        log.info("the map of %s is drawn on its prepared tensor: %s", source.name, error)
        return shown
    return displayed(shown, copy, held.facts, settings)


def check(model: Predictor | Foreign, method: str = "auto", layer: str | None = None) -> None:
    """That maps can be made at all.

    Raises:
        ScantuneError: the model is not one of ours, or has no such layer, or there is no such method.
    """
    from scantune.explain import layers
    from scantune.explain.maps import METHODS

    if model.facts is None:
        raise ScantuneError("--maps: only a model folder of scantune says what its networks look at")
    if method not in ("auto", *METHODS):
        raise ScantuneError(f"--map-method: {method!r} is none of auto, {', '.join(METHODS)}")
    if layer is not None:
        layers.find(model.networks[0], layer)
