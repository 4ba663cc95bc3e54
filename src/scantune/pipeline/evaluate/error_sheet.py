"""Pictures of the largest errors, each beside its map or, for masks, with both outlines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune.pipeline.data.datasets import samples
from scantune.pipeline.maps.display import shown_of
from scantune.pipeline.maps.saliency import MapResults, warnings_of
from scantune.tasks import errors as errors_of
from scantune.tasks.errors import SampleError

if TYPE_CHECKING:
    from scantune.explain.draw.view import SampleView
    from scantune.pipeline.evaluate.evaluation import Evaluation
    from scantune.plots.pictures import Picture
    from scantune.report.facts import Picture as ReportPicture


def error_sheet(given: Evaluation, wrong: Sequence[SampleError], explained: MapResults) -> list[ReportPicture]:
    """Pictures of the largest errors, each beside its map or, for masks, with both outlines."""
    from scantune import plots
    from scantune.explain.draw.figures import warn
    from scantune.report.figures import titled

    if not wrong:
        return []
    outlined = errors_of.of_task(given.block.task.name).OUTLINED
    outlines = _outlines(given, wrong) if outlined else {}
    entries = []
    for said in wrong:
        picture = outlines.get(said.sample_id) or _beside(given, said, explained)
        entries.append(
            {
                "picture": picture,
                "sample_id": said.sample_id,
                "kind": said.kind,
                "target": said.target or None,
                "prediction": said.answer or None,
                "note": said.error,
                "group": said.group,
            }
        )
    mapped = bool(explained.maps) and not outlines
    notes = [_about_maps(explained)] if mapped else []
    notes += ["Blue: the reference; orange: the model."] if outlines else []
    figure = plots.error_sheet(entries, columns=3 if mapped else 4, notes=notes)
    if mapped:
        warn(figure, warnings_of(explained.section))
    plots.save(figure, given.out / "figures" / "errors", ("png",))
    return [titled("errors", (given.out / "figures" / "errors.png").read_bytes())]


def _about_maps(explained: MapResults) -> str:
    from scantune.explain.draw.figures import described

    _, saliency = next(iter(explained.maps.values()))
    return (
        "Beside each picture the same under the map of the answer that was given, "
        f"bright where it is highest, each by its own maximum; {described(saliency)}"
    )


def _beside(given: Evaluation, said: SampleError, explained: MapResults) -> Picture:
    """The picture of a sample, and to its right the same under its map where there is one."""
    from scantune.explain.draw.sheet import flat
    from scantune.explain.draw.view import coloured
    from scantune.explain.saliency import Saliency
    from scantune.plots import Picture

    if said.sample_id in explained.maps:
        shown, saliency = explained.maps[said.sample_id]
    else:
        member = next(m for m in given.sides.members if m.sample_id == said.sample_id)
        path = given.sides.cache / "samples" / f"{said.sample_id}.safetensors"
        shown = shown_of(member, path, said, given.facts.input)
        saliency = Saliency(None, "", "", "not made")
    picture, values, sides, aspect = flat(shown, saliency)
    rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)
    if explained.maps:
        beside = np.full_like(rgb, 0.25) if values is None else coloured(picture, values)
        rgb = np.concatenate([rgb, beside], axis=1)  # [H, 2 W, 3]
    return Picture(np.clip(rgb, 0, 1), sides=sides, aspect=aspect, tiles=2 if explained.maps else 1)


def _outlines(given: Evaluation, wrong: Sequence[SampleError]) -> dict[str, Picture]:
    """Both masks drawn on the sample, of volumes on the plane that has most of them."""
    assert given.predictors is not None
    words = {error.sample_id: error for error in wrong}
    side = given.sides.only(words)
    pictures = {}
    data = samples(side, given.predictors.task)
    for row, (member, path) in enumerate(zip(side, side.paths, strict=True)):
        shown = shown_of(member, path, words[member.sample_id], given.facts.input, as_prepared=True)
        truth = data[row]["target"].numpy().astype(np.uint8)
        pictures[member.sample_id] = _outlined(shown, given.answers.mask(member.sample_id), truth)
    return pictures


def _outlined(shown: SampleView, said: np.ndarray, truth: np.ndarray) -> Picture:
    from scantune.explain.draw import planes
    from scantune.plots import Picture
    from scantune.preprocess.display_copy import grey

    base, sides = grey(shown.image, shown.window), shown.sides
    aspect = 1.0 if shown.spacing is None else shown.spacing[-2] / shown.spacing[-1]
    if said.ndim == 3:
        at = int(((said > 0) | (truth > 0)).sum(axis=(1, 2)).argmax())
        base, said, truth = (part[at] for part in (base, said, truth))
        if shown.modality == "volume":
            base, said, truth = (part[::-1, ::-1] for part in (base, said, truth))
            sides = (planes.AXIAL.left, planes.AXIAL.right)
    rgb = base.copy() if base.ndim == 3 else np.repeat(base[..., None], 3, axis=-1)
    for mask, colour in ((truth, (0.34, 0.71, 0.91)), (said, (0.90, 0.62, 0.0))):
        rgb[_edge(mask)] = colour
    return Picture(rgb, sides=sides, aspect=aspect)


def _edge(mask: np.ndarray) -> np.ndarray:
    """Pixels of a labelled mask [H, W] beside a pixel of another label."""
    inner = np.pad(mask, 1, mode="edge")
    shifted = (inner[:-2, 1:-1], inner[2:, 1:-1], inner[1:-1, :-2], inner[1:-1, 2:])
    return (mask > 0) & np.any([other != mask for other in shifted], axis=0)
