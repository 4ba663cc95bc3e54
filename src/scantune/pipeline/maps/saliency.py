"""Where the network looked on the test side: maps of the best, the worst and a random draw, and tests of the maps."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.cohort.manifest import Sample
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.maps.display import shown_of
from scantune.pipeline.maps.request import MapRequest, input_of, path_of, questions_of
from scantune.records import ScantuneError
from scantune.tasks import questions
from scantune.tasks.errors import SampleError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scantune.explain.draw.view import SampleView
    from scantune.explain.saliency import Saliency

    Answers = Sequence[tuple[SampleView, Saliency]]

log = logging.getLogger(__name__)

SINGLE = 6
"""Volumes and loops that get a figure, and a file for a viewer, of their own."""


@dataclass(frozen=True)
class MapResults:
    """What came of it.

    Attributes:
        section: ``saliency`` of ``metrics.json``.
        maps: sample id to (:class:`SampleView`, :class:`Saliency`) of its main question.
        figures: name to matplotlib figure, in the report's order.
    """

    section: dict[str, Any]
    maps: dict[str, tuple[SampleView, Saliency]] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)


def explain_test(
    wanted: MapRequest, sides: Sides, samples: Sequence[SampleError], out: Path, errors: Sequence[str] = ()
) -> MapResults:
    """Maps, figures, files for viewers and tests. A failure is a reason in the section, never an end of the stage.

    Args:
        wanted: networks and settings.
        sides: the samples.
        samples: the test samples, judged.
        out: folder for files of its own; figures are returned.
        errors: ids of further samples that need a map, for the sheet of errors.
    """
    if not wanted.settings.enabled:
        return MapResults({"reason": "switched off (evaluate.saliency)"})
    try:
        return _explain(wanted, sides, samples, out, errors)
    except ScantuneError as error:
        log.warning("no saliency maps: %s", error)
        return MapResults({"reason": getattr(error, "reason", str(error))})  # a path stands in the detail alone
    except Exception as error:  # a map must never cost the figures
        log.warning("no saliency maps: %s", error, exc_info=log.isEnabledFor(logging.DEBUG))
        return MapResults({"reason": f"the maps failed ({type(error).__name__})"})


def _explain(
    wanted: MapRequest, sides: Sides, samples: Sequence[SampleError], out: Path, errors: Sequence[str]
) -> MapResults:
    from scantune.explain import draw

    members = {m.sample_id: m for m in sides.members}
    chosen = draw.pick([s.size for s in samples], wanted.settings.samples, wanted.settings.seed)
    rows = list(dict.fromkeys(row for rows in chosen.values() for row in rows))
    rows += [row for row, said in enumerate(samples) if said.sample_id in set(errors) and row not in rows]
    started = time.perf_counter()
    answers = {row: _maps(wanted, sides, members[samples[row].sample_id], samples[row]) for row in rows}
    section = _section(wanted, samples, chosen, answers)
    log.info(
        "saliency: %s at %s, %s cells, %d maps drawn from in %.1f s",
        section["method"],
        section["layer"],
        " × ".join(str(n) for n in section["grid"]),
        section["n_maps"],
        time.perf_counter() - started,
    )
    if wanted.settings.checks:
        from scantune.pipeline.maps.checks import checks_of

        section["checks"] = checks_of(wanted, sides, samples, members)
    warnings = warnings_of(section)
    warned = {
        row: [(replace(shown, warnings=warnings), saliency) for shown, saliency in found]
        for row, found in answers.items()
    }
    own = questions.of_task(wanted.task.name)
    main = {
        row: found[own.main_question(wanted.task, samples[row].prediction, len(found))] for row, found in warned.items()
    }
    plain = {row: (replace(shown, warnings=()), saliency) for row, (shown, saliency) in main.items()}
    groups = {title: [main[row] for row in rows] for title, rows in chosen.items()}
    notes = own.notes(wanted.task)
    figures = {"sheet": draw.sheet(groups, seed=wanted.settings.seed, notes=notes)}
    figures |= _several(samples, chosen, warned, notes)
    figures |= _singles(samples, chosen["worst"] + chosen["best"], main, out, wanted.settings.animation)
    figures |= _check_figures(section.get("checks") or {})
    return MapResults(section, {samples[row].sample_id: found for row, found in plain.items()}, figures)


def _maps(wanted: MapRequest, sides: Sides, member: Sample, said: SampleError) -> list[tuple[SampleView, Saliency]]:
    """A sample with the map of each question about it: one, or one a zone or structure."""
    from scantune import explain

    path, network = path_of(sides, member), wanted.network(member)
    x = input_of(path).to(wanted.device)
    asked = questions_of(wanted, network, x, member.sample_id)
    found = explain.maps(
        network, x, [a.target for a in asked], method=wanted.method, layer=wanted.settings.layer, **wanted.options()
    )
    if len(found) == 1 and len(asked) > 1:
        asked = asked[:1]
    shown = shown_of(member, path, said, wanted.facts.input)
    words = [questions.of_task(wanted.task.name).subject(wanted.task, one.index) for one in asked]
    return [(replace(shown, explained=text), saliency) for text, saliency in zip(words, found)]


def _section(
    wanted: MapRequest,
    samples: Sequence[SampleError],
    chosen: Mapping[str, Sequence[int]],
    answers: Mapping[int, Answers],
) -> dict[str, Any]:
    maps = [(samples[row].sample_id, saliency) for row, found in answers.items() for _, saliency in found]
    first = maps[0][1]
    undefined = {sample: saliency.reason for sample, saliency in maps if saliency.map is None}
    section: dict[str, Any] = {
        "method": wanted.method,
        "layer": first.layer,
        "grid": list(first.grid),
        "samples": {title: [samples[row].sample_id for row in rows] for title, rows in chosen.items()},
        "n_maps": len(maps),
        "undefined": undefined,
    }
    if len(wanted.networks) > 1:
        section["note"] = (
            f"A map is the mean of the maps of the networks that answered for the sample: all {len(wanted.networks)}, "
            "or the one of its fold."
        )
    return section


def warnings_of(section: Mapping[str, Any]) -> tuple[str, ...]:
    """What must stand on every map, by the checks in ``saliency`` of ``metrics.json``."""
    from scantune.explain import sanity

    return tuple(sanity.warnings(section.get("checks") or {}))


def _several(
    samples: Sequence[SampleError],
    chosen: Mapping[str, Sequence[int]],
    answers: Mapping[int, Answers],
    notes: Sequence[str],
) -> dict[str, Figure]:
    """Where a sample has a map a zone or structure: all of them, of the worst samples and one of the best."""
    from scantune.explain import draw

    rows = [*chosen["worst"][:2], *chosen["best"][:1]]
    shown = {samples[row].sample_id: answers[row] for row in rows if len(answers[row]) > 1}
    return {"every_question": draw.sheet(shown, notes=notes)} if shown else {}


def _singles(
    samples: Sequence[SampleError],
    rows: Sequence[int],
    main: Mapping[int, tuple[SampleView, Saliency]],
    out: Path,
    animation: str,
) -> dict[str, Figure]:
    """Planes and a NIfTI file of volumes, frames and an animation of loops; images are large enough in the sheet."""
    from scantune.explain import draw

    figures = {}
    for row in rows[:SINGLE]:
        shown, saliency = main[row]
        if shown.modality == "image":
            continue
        figures[f"sample_{samples[row].sample_id}"] = draw.draw(shown, saliency)
        out.mkdir(parents=True, exist_ok=True)
        if shown.modality == "video":
            for suffix in ("gif", "mp4") if animation == "both" else (animation,):
                draw.animate(out / f"{shown.sample_id}.{suffix}", shown, saliency)
        elif saliency.map is not None and shown.map_affine is not None:
            path = out / f"{shown.sample_id}.nii.gz"
            scan = shown.grid
            draw.write_nifti(path, saliency, shown.map_affine, scan=scan, stored=shown.stored)
    return figures


def _check_figures(checks: Mapping[str, Any]) -> dict[str, Figure]:
    from scantune.explain import draw

    if not checks:
        return {}
    figures = {"checks": draw.overview(checks)}
    if (checks.get("weight_randomization") or {}).get("steps"):
        figures["weight_randomization"] = draw.cascade(checks["weight_randomization"])
    return figures
