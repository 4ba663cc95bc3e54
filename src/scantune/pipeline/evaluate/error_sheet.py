"""Pictures of the largest errors, each beside its map or, for masks, with both outlines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune.mask_codes import counted
from scantune.pipeline.data.datasets import samples
from scantune.pipeline.evaluate import outlines
from scantune.pipeline.maps.display import sample_view
from scantune.pipeline.maps.saliency import MapResults, warnings_of
from scantune.preprocess.display_copy import grey
from scantune.tasks import errors as errors_of
from scantune.tasks.errors import SampleError
from scantune.tasks.figures import mask_units

if TYPE_CHECKING:
    from scantune.explain.draw.view import SampleView
    from scantune.pipeline.evaluate.evaluation import Evaluation
    from scantune.plots.pictures import Picture
    from scantune.report.facts import Picture as ReportPicture


def error_sheet(evaluation: Evaluation, wrong: Sequence[SampleError], explained: MapResults) -> list[ReportPicture]:
    """Pictures of the largest errors, each beside its map or, for masks, with both outlines."""
    from scantune import plots
    from scantune.explain.draw.figures import warn
    from scantune.report.figures import titled

    if not wrong:
        return []
    outlined = errors_of.of_task(evaluation.block.task.name).OUTLINED
    drawn = _outlines(evaluation, wrong) if outlined else {}
    entries, pictures = [], []
    for error in wrong:
        picture = drawn.get(error.sample_id) or _beside(evaluation, error, explained)
        pictures.append(picture)
        entries.append(
            {
                "picture": picture,
                "sample_id": error.sample_id,
                "kind": error.kind,
                "target": error.target or None,
                "prediction": error.answer or None,
                "note": error.error,
                "group": error.group,
            }
        )
    mapped = bool(explained.maps) and not drawn
    notes = _about_maps(explained, [error.sample_id for error in wrong]) if mapped else []
    enlarged = any(picture.tiles > 1 for picture in drawn.values())
    if drawn:
        where = " To the right of each, four times enlarged, where they differ most (framed)." if enlarged else ""
        notes.append(f"Blue: the reference; orange: the model.{where}")
        notes += [f"{text}." for text in [mask_units(evaluation.metrics)] if text]
    notes += _conventions(evaluation, pictures, bool(drawn), mapped)
    figure = plots.error_sheet(entries, columns=2 if enlarged else 3 if mapped else 4, notes=notes)
    if mapped:
        warn(figure, warnings_of(explained.section))
    plots.save(figure, evaluation.out / "figures" / "errors", ("png",))
    return [titled("errors", (evaluation.out / "figures" / "errors.png").read_bytes())]


def _conventions(evaluation: Evaluation, pictures: Sequence[Picture], outlined: bool, mapped: bool) -> list[str]:
    """Which plane or frame is seen, and how it lies where no letters say so."""
    modality = evaluation.facts.input.get("modality")
    which = {"volume": "Axial plane", "video": "Frame"}.get(str(modality))
    where = "in which the masks differ most" if outlined else "of the maximum of the map" if mapped else "in the middle"
    notes = [f"{which} {where}."] if which else []
    if modality != "volume" and any(picture.sides is None for picture in pictures):
        notes.append("Without letters: displayed as stored, because the file does not state the side.")
    return notes


def _about_maps(explained: MapResults, sample_ids: Sequence[str]) -> list[str]:
    """What is seen beside the images, and why there is nothing beside some of them."""
    from scantune.explain.draw.figures import described

    _, saliency = next(iter(explained.maps.values()))
    notes = [
        "Right of each image: the same image with the map of the model's prediction, "
        f"bright where the map is highest, each scaled to its own maximum; {described(saliency)}"
    ]
    known = [explained.maps[one][1] for one in sample_ids if one in explained.maps]
    without = [str(one.reason or "no reason given") for one in known if one.map is None]
    without += ["not made"] * (len(sample_ids) - len(known))
    if without:
        notes.append(f"Grey, {len(without)} of {len(sample_ids)}: no map ({'; '.join(sorted(set(without)))}).")
    return notes


def _beside(evaluation: Evaluation, error: SampleError, explained: MapResults) -> Picture:
    """The picture of a sample, with its map to the right if there is one."""
    from scantune.explain.draw.sheet import flat
    from scantune.explain.draw.view import coloured
    from scantune.explain.saliency import Saliency
    from scantune.plots import Picture

    if error.sample_id in explained.maps:
        view, saliency = explained.maps[error.sample_id]
    else:
        member = next(m for m in evaluation.sides.members if m.sample_id == error.sample_id)
        path = evaluation.sides.cache / "samples" / f"{error.sample_id}.safetensors"
        view = sample_view(member, path, error, evaluation.facts.input)
        saliency = Saliency(None, "", "", "not made")
    picture, values, sides, aspect = flat(view, saliency)
    rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)
    if explained.maps:
        beside = np.full_like(rgb, 0.25) if values is None else coloured(picture, values)
        rgb = np.concatenate([rgb, beside], axis=1)  # [H, 2 W, 3]
    return Picture(np.clip(rgb, 0, 1), sides=sides, aspect=aspect, tiles=2 if explained.maps else 1)


def _outlines(evaluation: Evaluation, wrong: Sequence[SampleError]) -> dict[str, Picture]:
    """Outlines of both masks on the sample; of volumes on the plane in which they differ most."""
    assert evaluation.predictors is not None
    errors = {error.sample_id: error for error in wrong}
    side = evaluation.sides.only(errors)
    pictures = {}
    data = samples(side, evaluation.predictors.task)
    for row, (member, path) in enumerate(zip(side, side.paths, strict=True)):
        view = sample_view(member, path, errors[member.sample_id], evaluation.facts.input, as_prepared=True)
        reference = data[row]["target"].numpy().astype(np.uint8)
        pictures[member.sample_id] = _outlined(view, evaluation.answers.mask(member.sample_id), reference)
    return pictures


def _outlined(view: SampleView, prediction: np.ndarray, reference: np.ndarray) -> Picture:
    from scantune.explain.draw import planes
    from scantune.plots import Picture

    base, sides = grey(view.image, view.window), view.sides
    aspect = 1.0 if view.spacing is None else view.spacing[-2] / view.spacing[-1]
    if prediction.ndim == 3:
        at = _plane(prediction, reference)
        base, prediction, reference = (part[at] for part in (base, prediction, reference))
        if view.modality == "volume":
            base, prediction, reference = (part[::-1, ::-1] for part in (base, prediction, reference))
            sides = (planes.AXIAL.left, planes.AXIAL.right)
    rgb, tiles = outlines.outlined(np.asarray(base), prediction, reference)
    return Picture(rgb, sides=sides, aspect=aspect, tiles=tiles)


def _plane(prediction: np.ndarray, reference: np.ndarray) -> int:
    """Where both masks [D, H, W] differ most; without a difference, where most is marked."""
    reference = counted(reference)
    different = (prediction != reference).sum(axis=(1, 2))
    return int((different if different.any() else (reference > 0).sum(axis=(1, 2))).argmax())
