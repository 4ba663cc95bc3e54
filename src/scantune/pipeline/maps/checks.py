"""The maps put to the test on the samples of an experiment; see :mod:`scantune.explain.sanity` for the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.cohort.manifest import Sample
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.maps import masks as mapmasks
from scantune.pipeline.maps.request import MapRequest, input_of, path_of, questions_of
from scantune.records import ScantuneError
from scantune.tasks import questions
from scantune.tasks.errors import SampleError

if TYPE_CHECKING:
    from torch import nn

    from scantune.explain.sanity.question import Question

CHECKED = 12
"""Samples that the tests of the maps draw."""
COMPARED = 4
"""Networks trained alike whose maps are compared, at most."""


def checks_of(
    wanted: MapRequest, sides: Sides, samples: Sequence[SampleError], members: Mapping[str, Sample]
) -> dict[str, Any]:
    """The tests on a random draw, and the comparison with masks on samples that have one.

    Returns:
        Name to entry, as it stands in ``metrics.json``.
    """
    from scantune.explain import sanity
    from scantune.statistics.figure import jsonable

    seed, layer = wanted.settings.seed, wanted.settings.layer
    order = np.random.default_rng(seed).permutation(len(samples)).tolist()
    drawn = [samples[i] for i in order if members[samples[i].sample_id].fold in (None, 0)]  # unseen by the first
    network = wanted.network(members[drawn[0].sample_id]) if drawn else wanted.predictors.whole.network
    questions = [_question(wanted, sides, members[said.sample_id], said, network) for said in drawn[:CHECKED]]
    alike = list(wanted.networks[:COMPARED])
    left_out: dict[str, Any] = {}
    if "another_seed" in wanted.others:
        alike += _optional("repeatability", left_out, lambda: [_other(wanted, "another_seed")]) or []
    shuffled = None
    if "shuffled_labels" in wanted.others:
        shuffled = _optional("label_randomization", left_out, lambda: _other(wanted, "shuffled_labels"))
    found = sanity.check(network, questions, method=wanted.method, layer=layer, shuffled=shuffled, seed=seed)
    if len(alike) > 1:
        found |= sanity.repeatability(alike, questions, make=sanity.mapper(wanted.method, layer))
    masked = mapmasks.masked(wanted, sides, members, drawn, network)
    if masked:
        said = _optional("mask_auprc_segmentation", left_out, lambda: mapmasks.segmented(wanted, masked))
        found |= sanity.overlap(network, masked, make=sanity.mapper(wanted.method, layer), segmentation=said)
    elif "segmentation" in wanted.others:
        left_out["mask_auprc_segmentation"] = _undefined("no test sample has a mask with something in it")
    return jsonable(found | left_out)


def _optional(name: str, left_out: dict[str, Any], make: Callable[[], Any]) -> Any:
    """What a test needs; None, and its reason in ``left_out``, where it cannot be had."""
    try:
        return make()
    except ScantuneError as error:
        left_out[name] = _undefined(str(error))
        return None


def _undefined(reason: str) -> dict[str, Any]:
    from scantune.statistics.figure import undefined

    return undefined(reason).as_dict() | {"passed": None, "rule": "asked for, and could not be made"}


def _other(wanted: MapRequest, use: str) -> nn.Module:
    """Another network trained alike.

    Raises:
        ScantuneError: it is not there, or belongs to an earlier model.
    """
    return wanted.others[use].network().to(wanted.device).eval()


def _question(wanted: MapRequest, sides: Sides, member: Sample, said: SampleError, network: nn.Module) -> Question:
    from scantune.explain import sanity

    x = input_of(path_of(sides, member)).to(wanted.device)
    asked = questions_of(wanted, network, x, member.sample_id)
    main = questions.of_task(wanted.task.name).main_question(wanted.task, said.prediction, len(asked))
    target = asked[main].target
    return sanity.Question(member.sample_id, member.subject_id, x, target)
