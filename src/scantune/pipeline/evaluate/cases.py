"""The page of cases: every test sample with its prediction, and pictures of those with the largest errors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.mask_codes import IGNORED
from scantune.pipeline.data.datasets import samples as samples_of
from scantune.pipeline.evaluate import outlines
from scantune.pipeline.evaluate.case_pictures import picture
from scantune.registry.model import weights_digest
from scantune.tasks import errors as errors_of
from scantune.tasks.errors import SampleError
from scantune.tasks.figures import mask_units
from scantune.tasks.subgroups import grouping_columns, levels

if TYPE_CHECKING:
    from scantune.pipeline.evaluate.evaluation import Evaluation

NAME = "cases.html"
"""The page, beside ``report.html``."""

MOST_BYTES = 24_000_000
"""Bytes of the list with all its pictures, at most: without them no sample is left out."""


def write(
    evaluation: Evaluation, samples: Sequence[SampleError], banners: Sequence[str] = (), most_bytes: int = MOST_BYTES
) -> None:
    """Write ``cases.html``; where ``evaluate.cases`` is 0 a line that says so, as the file is an output of the stage.

    Args:
        evaluation: the evaluation.
        samples: the error of each test sample.
        banners: what must stand above everything else.
        most_bytes: of the list with all its pictures.
    """
    from scantune.files import write_text
    from scantune.report import cases

    settings = evaluation.block.evaluate
    data = {"banners": list(banners), **content(evaluation, samples, most_bytes)} if settings.cases else None
    write_text(evaluation.out / NAME, cases.none() if data is None else cases.html(data))


def content(evaluation: Evaluation, samples: Sequence[SampleError], most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """All that the page shows, JSON-able: ``cases`` by error, the largest first, and what they have in common."""
    from scantune.explain.draw import planes

    block, table = evaluation.block, evaluation.table
    ordered = sorted(samples, key=_by_error)
    judgements = errors_of.judgements(table, block.task)
    named = grouping_columns(table) if block.evaluate.groups is None else block.evaluate.groups
    groups = levels(table, [name for name in named if name in table], block.evaluate.age_bands)
    cases = [_case(evaluation, one, groups, judgements) for one in ordered]
    size = len(json.dumps(cases))
    for case, drawn in zip(cases, _pictures(evaluation, ordered[: block.evaluate.cases]), strict=False):
        size += len(json.dumps(drawn))
        if size > most_bytes:
            break
        case["picture"] = drawn
    name = evaluation.name or evaluation.key
    classes = block.task.mask_classes
    return {
        "name": name,
        "dataset": evaluation.data,
        "key": f"{name} {evaluation.data} {weights_digest(evaluation.model)[:12]}",
        "errors": errors_of.in_words(samples, block.task),
        "units": mask_units(evaluation.metrics),
        "modality": evaluation.facts.input["modality"],
        "convention": planes.CONVENTION,
        "groups": list(groups),
        "classes": list(classes),
        "overlapping": bool(getattr(block.task, "overlapping", False)),
        "colours": [_hex(colour) for colour in (outlines.REFERENCE, outlines.MODEL)],
        "judgements": [
            {name: value for name, value in vars(one).items() if name not in ("answers", "truth")} for one in judgements
        ],
        "cases": cases,
    }


def _by_error(sample: SampleError) -> tuple[bool, bool, float, str]:
    """Errors first, the largest before others; samples without a size last."""
    known = math.isfinite(sample.size)
    return not known, not sample.wrong, -sample.size if known else 0.0, sample.sample_id


def _case(
    evaluation: Evaluation,
    sample: SampleError,
    groups: Mapping[str, np.ndarray],
    judgements: Sequence[errors_of.Judgement],
) -> dict[str, Any]:
    table, row = evaluation.table, sample.row
    known = math.isfinite(sample.size)
    distance = table.text("distance")[row] if "distance" in table else ""
    return {
        "id": sample.sample_id,
        "subject": str(table.subject_id[row]) if "subject_id" in table else "",
        "target": sample.target,
        "prediction": sample.answer,
        "kind": sample.kind,
        "error": sample.error,
        "size": float(sample.size) if known else None,
        "wrong": bool(sample.wrong) if known else None,
        "doubtful": sample.doubtful,
        "distance": float(distance) if distance else None,
        "groups": [str(of_row[row]) for of_row in groups.values()],
        "answers": [one.answers[row] for one in judgements],
        "truth": [one.truth[row] for one in judgements],
    }


def _pictures(evaluation: Evaluation, ordered: Sequence[SampleError]) -> Iterator[dict[str, Any]]:
    """The picture of each sample, made when it is taken."""
    if not ordered:
        return
    settings = evaluation.facts.input
    side = evaluation.sides.only({one.sample_id for one in ordered})
    places = {member.sample_id: number for number, member in enumerate(side)}
    masked = errors_of.of_task(evaluation.block.task.name).OUTLINED
    data = samples_of(side, evaluation.predictors.task) if masked else None
    for one in ordered:
        place = places[one.sample_id]
        member, path = side[place], side.paths[place]
        masks = None if data is None else _masks(evaluation, data[place]["target"].numpy().astype(np.uint8), one)
        yield picture(member, path, settings, masks)


def _masks(evaluation: Evaluation, reference: np.ndarray, sample: SampleError) -> tuple[np.ndarray, np.ndarray]:
    """Labels of reference and model; what does not count is background in both."""
    return reference, np.where(reference == IGNORED, np.uint8(0), evaluation.answers.mask(sample.sample_id))


def _hex(colour: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)
