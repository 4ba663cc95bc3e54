"""Where the network looked on the test side: maps of the best, the worst and a random draw, and tests of the maps."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from scantune.assembly.cohort import Member, Sides
from scantune.assembly.errors import Judged
from scantune.assembly.shown import shown_of
from scantune.records import ScantuneError

log = logging.getLogger(__name__)

CHECKED = 12
"""Samples that the tests of the maps draw."""
MASKED = 40
"""Samples with a mask that maps are compared with, at most."""
SINGLE = 6
"""Volumes and loops that get a figure, and a file for a viewer, of their own."""


@dataclass(frozen=True)
class Explained:
    """What came of it.

    Attributes:
        section: ``saliency`` of ``metrics.json``.
        maps: sample id to (:class:`Shown`, :class:`Saliency`) of its main question.
        figures: name to matplotlib figure, in the report's order.
    """

    section: dict[str, Any]
    maps: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What maps are made with.

    Attributes:
        networks: of the members.
        facts: of the model.
        task: the task.
        settings: the ``saliency:`` block.
        device: where it computes.
    """

    networks: Sequence[Any]
    facts: Any
    task: Any
    settings: Any
    device: Any

    @property
    def method(self) -> str:
        """The method, ``auto`` decided."""
        chosen = self.settings.method
        return ("hirescam" if self.task.name == "zones" else "gradcam") if chosen == "auto" else chosen

    def network(self, member: Member) -> Any:
        """The network that answered for a sample: the fold's own, else the first."""
        fold = member.fold if member.fold is not None and member.fold < len(self.networks) else 0
        return self.networks[fold].to(self.device).eval()

    def options(self) -> dict[str, Any]:
        """Further keywords of :func:`scantune.explain.maps`."""
        return {"layer_idx": self.settings.layer_idx} if self.method == "attention" else {}


def explain_test(wanted: Wanted, sides: Sides, samples: Sequence[Judged], out: Path) -> Explained:
    """Maps, figures, files for viewers and tests. A failure is a reason in the section, never an end of the stage.

    Args:
        wanted: networks and settings.
        sides: the samples.
        samples: the test samples, judged.
        out: folder for files of its own; figures are returned.
    """
    if not wanted.settings.enabled:
        return Explained({"reason": "switched off (evaluate.saliency)"})
    try:
        return _explain(wanted, sides, samples, out)
    except ScantuneError as error:
        log.warning("no saliency maps: %s", error)
        return Explained({"reason": str(error)})
    except Exception as error:  # a map must never cost the figures
        log.warning("no saliency maps: %s", error, exc_info=log.isEnabledFor(logging.DEBUG))
        return Explained({"reason": f"the maps failed ({type(error).__name__})"})


def _explain(wanted: Wanted, sides: Sides, samples: Sequence[Judged], out: Path) -> Explained:
    from scantune.explain import draw

    members = {m.sample_id: m for m in sides.members}
    chosen = draw.pick([s.size for s in samples], wanted.settings.samples, wanted.settings.seed)
    rows = list(dict.fromkeys(row for rows in chosen.values() for row in rows))
    answers = {row: _maps(wanted, sides, members[samples[row].sample_id], samples[row]) for row in rows}
    section = _section(wanted, samples, chosen, answers)
    if wanted.settings.checks:
        section["checks"] = _checks(wanted, sides, samples, members)
    warnings = _warnings(section.get("checks") or {})
    warned = {
        row: [(replace(shown, warnings=warnings), saliency) for shown, saliency in found]
        for row, found in answers.items()
    }
    main = {row: found[_main(wanted.task, samples[row], found)] for row, found in warned.items()}
    plain = {row: (replace(shown, warnings=()), saliency) for row, (shown, saliency) in main.items()}
    groups = {title: [main[row] for row in rows] for title, rows in chosen.items()}
    figures = {"sheet": draw.sheet(groups, seed=wanted.settings.seed)}
    figures |= _several(samples, chosen, warned)
    figures |= _singles(samples, chosen["worst"] + chosen["best"], main, out)
    figures |= _check_figures(section.get("checks") or {})
    return Explained(section, {samples[row].sample_id: found for row, found in plain.items()}, figures)


def _maps(wanted: Wanted, sides: Sides, member: Member, said: Judged) -> list[tuple[Any, Any]]:
    """A sample with the map of each question about it: one, or one a zone or structure."""
    import torch

    from scantune import explain
    from scantune.explain import targets

    path, network = _path(sides, member), wanted.network(member)
    x = _input(path).to(wanted.device)
    with torch.inference_mode():
        output = network(x[None])[0].float()
    asked = targets.predicted(wanted.task.name, output)
    found = explain.maps(
        network, x, [a.target for a in asked], method=wanted.method, layer=wanted.settings.layer, **wanted.options()
    )
    if len(found) == 1 and len(asked) > 1:
        asked = asked[:1]
    shown = shown_of(member, path, said, wanted.facts.input)
    words = [_asked(wanted, a.index) for a in asked]
    return [(replace(shown, asked=text), saliency) for text, saliency in zip(words, found)]


def _asked(wanted: Wanted, index: tuple[int, ...]) -> str:
    """What a map explains, in words."""
    task = wanted.task
    if not index:
        return ""
    if task.name == "zones":
        return f"{task.zones[index[0]].replace('_', ' ')}: {task.classes[index[1]]}"
    if task.name == "segmentation":
        return task.foreground[index[0] - (len(task.foreground) > 1)]
    return f"class {wanted.facts.classes[index[0]]}"


def _main(task: Any, said: Judged, found: Sequence[Any]) -> int:
    """The question that stands for the sample: of zones the one with the highest predicted grade."""
    if task.name != "zones":
        return 0
    grades = [int(word) if word.isdigit() else -1 for word in said.prediction.split()]
    return int(np.argmax(grades[: len(found)]))


def _section(
    wanted: Wanted, samples: Sequence[Judged], chosen: Mapping[str, Sequence[int]], answers: Mapping[int, Any]
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
        section["note"] = f"Of {len(wanted.networks)} networks that are averaged the maps show one."
    return section


def _checks(wanted: Wanted, sides: Sides, samples: Sequence[Judged], members: Mapping[str, Member]) -> dict[str, Any]:
    """The tests on a random draw, and the comparison with masks on samples that have one."""
    from scantune.explain import sanity
    from scantune.statistics.figure import jsonable

    seed, layer = wanted.settings.seed, wanted.settings.layer
    order = np.random.default_rng(seed).permutation(len(samples)).tolist()
    drawn = [samples[i] for i in order]
    network = wanted.networks[0].to(wanted.device).eval()
    questions = [_question(wanted, sides, members[s.sample_id], s, network) for s in drawn[:CHECKED]]
    bare = [replace(question, mask=None) for question in questions]
    others = [other.to(wanted.device).eval() for other in wanted.networks[1:4]]
    found = sanity.check(network, bare, method=wanted.method, layer=layer, networks=others, seed=seed)
    masked = _masked(wanted, sides, members, drawn, network)
    if masked:
        found |= sanity.overlap(network, masked, make=sanity.mapper(wanted.method, layer))
    return jsonable(found)


def _masked(
    wanted: Wanted, sides: Sides, members: Mapping[str, Member], drawn: Sequence[Judged], network: Any
) -> list[Any]:
    """Questions about samples whose mask has something in it, :data:`MASKED` at most."""
    from scantune.engine.data import read_cached

    found: list[Any] = []
    for said in drawn:
        member = members[said.sample_id]
        mask = read_cached(_path(sides, member)).get("mask")
        if mask is not None and bool((mask > 0).any()):
            found.append(_question(wanted, sides, member, said, network))
        if len(found) == MASKED:
            break
    return found


def _question(wanted: Wanted, sides: Sides, member: Member, said: Judged, network: Any) -> Any:
    import torch

    from scantune.engine.data import read_cached
    from scantune.explain import sanity, targets

    path = _path(sides, member)
    x = _input(path).to(wanted.device)
    with torch.inference_mode():
        output = network(x[None])[0].float()
    asked = targets.predicted(wanted.task.name, output)
    mask = read_cached(path).get("mask")
    return sanity.Question(
        sample_id=member.sample_id,
        subject_id=member.subject_id,
        input=x,
        target=asked[_main(wanted.task, said, asked)].target,
        mask=None if mask is None else mask[0].numpy(),
    )


def _warnings(checks: Mapping[str, Any]) -> tuple[str, ...]:
    from scantune.explain import sanity

    return tuple(sanity.warnings(checks)) if checks else ()


def _several(
    samples: Sequence[Judged], chosen: Mapping[str, Sequence[int]], answers: Mapping[int, Sequence[Any]]
) -> dict[str, Any]:
    """Where a sample has a map a zone or structure: all of them, of the worst samples and one of the best."""
    from scantune.explain import draw

    rows = [*chosen["worst"][:2], *chosen["best"][:1]]
    shown = {samples[row].sample_id: answers[row] for row in rows if len(answers[row]) > 1}
    return {"every_question": draw.sheet(shown)} if shown else {}


def _singles(
    samples: Sequence[Judged], rows: Sequence[int], main: Mapping[int, tuple[Any, Any]], out: Path
) -> dict[str, Any]:
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
            draw.gif(out / f"{shown.sample_id}.gif", shown, saliency)
        elif saliency.map is not None and shown.affine is not None:
            draw.write_nifti(out / f"{shown.sample_id}.nii.gz", saliency, shown.affine)
    return figures


def _check_figures(checks: Mapping[str, Any]) -> dict[str, Any]:
    from scantune.explain import draw

    if not checks:
        return {}
    figures = {"checks": draw.overview(checks)}
    if (checks.get("weight_randomization") or {}).get("steps"):
        figures["weight_randomization"] = draw.cascade(checks["weight_randomization"])
    return figures


def _path(sides: Sides, member: Member) -> Path:
    return sides.cache / "samples" / f"{member.sample_id}.safetensors"


def _input(path: Path) -> Any:
    from scantune.engine.data import as_input, read_cached

    return as_input(read_cached(path)["input"])
