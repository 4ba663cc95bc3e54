"""Sanity checks of the maps on the samples of an experiment; see :mod:`scantune.explain.sanity`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.cohort.manifest import Sample
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.maps import masks as mapmasks
from scantune.pipeline.maps.request import MapRequest, input_of, path_of, questions_of, too_large
from scantune.records import ScantuneError
from scantune.tasks import questions
from scantune.tasks.errors import SampleError

if TYPE_CHECKING:
    from torch import nn

    from scantune.explain.sanity.question import Question

CHECKED = 12
"""Number of samples drawn for the checks."""
COMPARED = 4
"""Maximum number of networks with the same training whose maps are compared."""


def checks_of(
    request: MapRequest, sides: Sides, samples: Sequence[SampleError], members: Mapping[str, Sample]
) -> dict[str, Any]:
    """The checks on a random draw of samples, and the comparison with masks on samples that have one.

    Returns:
        Name to entry, as in ``metrics.json``.
    """
    from scantune.explain import sanity
    from scantune.statistics.estimate import jsonable

    seed, layer, confidence = request.settings.seed, request.settings.layer, request.confidence
    order = np.random.default_rng(seed).permutation(len(samples)).tolist()
    drawn = [samples[i] for i in order if members[samples[i].sample_id].fold in (None, 0)]  # of the first's fold
    drawn = [error for error in drawn if not _in_windows(request, sides, members[error.sample_id])]
    if samples and not drawn:
        return {}
    first = members[drawn[0].sample_id] if drawn else next(iter(members.values()))
    network = request.predictors.of(first).network
    questions = [_question(request, sides, members[error.sample_id], error) for error in drawn[:CHECKED]]
    alike = list(request.networks[:COMPARED])
    left_out: dict[str, Any] = {}
    if "another_seed" in request.others:
        alike += _optional("repeatability", left_out, lambda: [_other(request, "another_seed")]) or []
    shuffled = None
    if "shuffled_labels" in request.others:
        shuffled = _optional("label_randomization", left_out, lambda: _other(request, "shuffled_labels"))
    make = sanity.mapper(request.method, layer)
    results = sanity.check(network, questions, make=make, shuffled=shuffled, seed=seed, confidence=confidence)
    if len(alike) > 1:
        results |= sanity.repeatability(alike, questions, make=make, confidence=confidence)
    masked = mapmasks.masked(request, sides, members, drawn)
    if masked:
        segmentation = _optional("mask_auprc_segmentation", left_out, lambda: mapmasks.segmented(request, masked))
        results |= sanity.overlap(network, masked, make=make, segmentation=segmentation, confidence=confidence)
    elif "segmentation" in request.others:
        left_out["mask_auprc_segmentation"] = _undefined("no test sample has a mask that is not empty")
    return jsonable(results | left_out)


def _in_windows(request: MapRequest, sides: Sides, member: Sample) -> bool:
    """Whether a sample is explained window by window: the checks compare maps of whole samples."""
    patched = request.facts.input.get("patch") is not None
    return patched and too_large(request.facts.input, input_of(path_of(sides, member)))


def _optional(name: str, left_out: dict[str, Any], make: Callable[[], Any]) -> Any:
    """The input of a check; None, with the reason in ``left_out``, if it is not available."""
    try:
        return make()
    except ScantuneError as error:
        left_out[name] = _undefined(str(error))
        return None


def _undefined(reason: str) -> dict[str, Any]:
    from scantune.statistics.estimate import undefined

    return undefined(reason).as_dict() | {"passed": None, "rule": "requested, but could not be computed"}


def _other(request: MapRequest, use: str) -> nn.Module:
    """Another network with the same training.

    Raises:
        ScantuneError: not found, or of an earlier model.
    """
    return request.others[use].network().to(request.device).eval()


def _question(request: MapRequest, sides: Sides, member: Sample, error: SampleError) -> Question:
    from scantune.explain import sanity

    x = input_of(path_of(sides, member)).to(request.device)
    map_questions = questions_of(request, request.network(member), x, member.sample_id)
    main = questions.of_task(request.task.name).main_question(request.task, error.prediction, len(map_questions))
    target = map_questions[main].target
    condition = request.condition(member)
    return sanity.Question(member.sample_id, member.subject_id, x, target, covariates=condition)
