"""Saliency maps of the test side: of the best, the worst and random samples, and checks of the maps."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.amounts import number_of
from scantune.cohort.manifest import Sample
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.maps.display import sample_view
from scantune.pipeline.maps.request import MapRequest, input_of, maps_of, path_of
from scantune.progress import with_progress
from scantune.records import ScantuneError
from scantune.tasks import questions
from scantune.tasks.errors import SampleError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scantune.explain.draw.view import SampleView
    from scantune.explain.saliency import Saliency

    SampleMaps = Sequence[tuple[SampleView, Saliency]]

log = logging.getLogger(__name__)

SINGLE = 6
"""Maximum number of volumes and videos with separate figures and files for a viewer."""


@dataclass(frozen=True)
class MapResults:
    """Results of the saliency maps.

    Attributes:
        section: ``saliency`` of ``metrics.json``.
        maps: sample id to (:class:`SampleView`, :class:`Saliency`) of its main question.
        figures: name to matplotlib figure, in the report's order.
    """

    section: dict[str, Any]
    maps: dict[str, tuple[SampleView, Saliency]] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)


def explain_test(
    request: MapRequest, sides: Sides, samples: Sequence[SampleError], out: Path, errors: Sequence[str] = ()
) -> MapResults:
    """Maps, figures, files for viewers and checks. A failure is a reason in the section and does not end the stage.

    Args:
        request: networks and settings.
        sides: the samples.
        samples: the test samples with their errors.
        out: folder for the viewer files; figures are returned.
        errors: ids of additional samples that need a map, for the error sheet.
    """
    if not request.settings.enabled:
        return MapResults({"reason": "switched off (evaluate.saliency)"})
    try:
        return _explain(request, sides, samples, out, errors)
    except ScantuneError as error:
        log.warning("no saliency maps: %s", error)
        return MapResults({"reason": getattr(error, "reason", str(error))})  # the reason has no path
    except Exception as error:  # a failed map must not lose the metrics
        log.warning("no saliency maps: %s", error, exc_info=log.isEnabledFor(logging.DEBUG))
        return MapResults({"reason": f"the maps failed ({type(error).__name__})"})


def _explain(
    request: MapRequest, sides: Sides, samples: Sequence[SampleError], out: Path, errors: Sequence[str]
) -> MapResults:
    from scantune.explain import draw

    members = {m.sample_id: m for m in sides.members}
    chosen = draw.pick([s.size for s in samples], request.settings.samples, request.settings.seed)
    rows = list(dict.fromkeys(row for rows in chosen.values() for row in rows))
    rows += [row for row, error in enumerate(samples) if error.sample_id in set(errors) and row not in rows]
    started = time.perf_counter()
    with closing(with_progress(rows, len(rows), "saliency maps")) as counted:
        maps_by_row = {row: _maps(request, sides, members[samples[row].sample_id], samples[row]) for row in counted}
    section = _section(request, samples, chosen, maps_by_row)
    log.info(
        "saliency: %s at %s, grid %s, %s in %.1f s",
        section["method"],
        section["layer"],
        " × ".join(str(n) for n in section["grid"]),
        number_of(section["n_maps"], "map"),
        time.perf_counter() - started,
    )
    if request.settings.checks:
        from scantune.pipeline.maps.checks import checks_of

        section["checks"] = checks_of(request, sides, samples, members)
    warnings = warnings_of(section)
    warned = {
        row: [(replace(view, warnings=warnings), saliency) for view, saliency in maps]
        for row, maps in maps_by_row.items()
    }
    task_questions = questions.of_task(request.task.name)
    main = {
        row: maps[task_questions.main_question(request.task, samples[row].prediction, len(maps))]
        for row, maps in warned.items()
    }
    plain = {row: (replace(view, warnings=()), saliency) for row, (view, saliency) in main.items()}
    groups = {title: [main[row] for row in rows] for title, rows in chosen.items()}
    notes = task_questions.notes(request.task)
    figures = {"sheet": draw.sheet(groups, seed=request.settings.seed, notes=notes)}
    figures |= _several(samples, chosen, warned, notes)
    figures |= _singles(samples, chosen["worst"] + chosen["best"], main, out, request.settings.animation)
    figures |= _check_figures(section.get("checks") or {}, request.confidence)
    return MapResults(section, {samples[row].sample_id: maps for row, maps in plain.items()}, figures)


def _maps(request: MapRequest, sides: Sides, member: Sample, error: SampleError) -> list[tuple[SampleView, Saliency]]:
    """A sample with the map of each question about it: one, or one per zone or structure."""
    path, network = path_of(sides, member), request.network(member)
    x = input_of(path).to(request.device)
    map_questions, maps = maps_of(request, network, x, member.sample_id)
    view = sample_view(member, path, error, request.facts.input)
    texts = [questions.of_task(request.task.name).subject(request.task, one.index) for one in map_questions]
    return [(replace(view, explained=text), saliency) for text, saliency in zip(texts, maps)]


def _section(
    request: MapRequest,
    samples: Sequence[SampleError],
    chosen: Mapping[str, Sequence[int]],
    maps_by_row: Mapping[int, SampleMaps],
) -> dict[str, Any]:
    maps = [(samples[row].sample_id, saliency) for row, row_maps in maps_by_row.items() for _, saliency in row_maps]
    first = maps[0][1]
    undefined = {sample: saliency.reason for sample, saliency in maps if saliency.map is None}
    section: dict[str, Any] = {
        "method": request.method,
        "layer": first.layer,
        "grid": list(first.grid),
        "samples": {title: [samples[row].sample_id for row in rows] for title, rows in chosen.items()},
        "n_maps": len(maps),
        "undefined": undefined,
    }
    if len(request.networks) > 1:
        section["note"] = (
            f"A map is the mean of the maps of the networks that predicted the sample: all {len(request.networks)}, "
            "or the one of its fold."
        )
    return section


def warnings_of(section: Mapping[str, Any]) -> tuple[str, ...]:
    """Warnings for every map, from the checks in ``saliency`` of ``metrics.json``."""
    from scantune.explain import sanity

    return tuple(sanity.warnings(section.get("checks") or {}))


def _several(
    samples: Sequence[SampleError],
    chosen: Mapping[str, Sequence[int]],
    maps_by_row: Mapping[int, SampleMaps],
    notes: Sequence[str],
) -> dict[str, Figure]:
    """All maps of samples with one map per zone or structure: of the worst samples and one of the best."""
    from scantune.explain import draw

    rows = [*chosen["worst"][:2], *chosen["best"][:1]]
    groups = {samples[row].sample_id: maps_by_row[row] for row in rows if len(maps_by_row[row]) > 1}
    return {"every_question": draw.sheet(groups, notes=notes)} if groups else {}


def _singles(
    samples: Sequence[SampleError],
    rows: Sequence[int],
    main: Mapping[int, tuple[SampleView, Saliency]],
    out: Path,
    animation: str,
) -> dict[str, Figure]:
    """Planes and a NIfTI file of volumes, frames and an animation of videos; images are large enough in the sheet."""
    from scantune.explain import draw

    figures = {}
    for row in rows[:SINGLE]:
        view, saliency = main[row]
        if view.modality == "image":
            continue
        figures[f"sample_{samples[row].sample_id}"] = draw.draw(view, saliency)
        out.mkdir(parents=True, exist_ok=True)
        if view.modality == "video":
            for suffix in ("gif", "mp4") if animation == "both" else (animation,):
                draw.animate(out / f"{view.sample_id}.{suffix}", view, saliency)
        elif saliency.map is not None and view.map_affine is not None:
            path = out / f"{view.sample_id}.nii.gz"
            scan = view.grid
            draw.write_nifti(path, saliency, view.map_affine, scan=scan, stored=view.stored)
    return figures


def _check_figures(checks: Mapping[str, Any], confidence: float) -> dict[str, Figure]:
    from scantune.explain import draw

    if not checks:
        return {}
    figures = {"checks": draw.overview(checks, confidence)}
    if (checks.get("weight_randomization") or {}).get("steps"):
        figures["weight_randomization"] = draw.cascade(checks["weight_randomization"], confidence)
    return figures
