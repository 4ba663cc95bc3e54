"""What maps are held against: masks by zone, class and structure, and a segmentation network that finds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune.cohort.manifest import Sample
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.maps.others import OtherNetwork
from scantune.pipeline.maps.request import MapRequest, input_of, output_of, path_of
from scantune.pipeline.predictors import Predictors
from scantune.records import ScantuneError
from scantune.tasks import questions
from scantune.tasks.errors import SampleError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from scantune.explain.sanity.question import Question

MASKED = 40
"""Samples whose maps are compared with masks, at most; each may have several, one a zone or structure."""


def masked(
    wanted: MapRequest, sides: Sides, members: Mapping[str, Sample], drawn: Sequence[SampleError], network: nn.Module
) -> list[Question]:
    """Questions whose answer lies in a mask, of :data:`MASKED` samples at most.

    Args:
        wanted: settings, task and device.
        sides: the samples.
        members: by sample id.
        drawn: in the order in which samples are taken.
        network: which answers.

    Raises:
        ScantuneError: ``mask_class`` is no class.
    """
    from scantune.engine.data import read_cached

    found: list[Question] = []
    samples = 0
    for said in drawn:
        member = members[said.sample_id]
        path = path_of(sides, member)
        mask = read_cached(path).get("mask")
        if mask is None or not bool((mask > 0).any()):
            continue
        answered = list(_questions(wanted, member, input_of(path), mask[0].numpy(), network))
        found += answered
        samples += bool(answered)
        if samples == MASKED:
            break
    return found


def _questions(
    wanted: MapRequest, member: Sample, x: Tensor, mask: np.ndarray, network: nn.Module
) -> Iterator[Question]:
    """Those whose label is marked at all."""
    from scantune.explain import sanity

    x = x.to(wanted.device)
    own = questions.of_task(wanted.task.name)
    output = output_of(wanted, network, x, member.sample_id)
    for target, label in own.mask_questions(wanted.task, output, wanted.settings.mask_class, member.targets):
        marked = mask > 0 if label is None else mask == label
        if marked.any():
            yield sanity.Question(
                member.sample_id, member.subject_id, x, target, marked.astype(np.uint8), label=label, fold=member.fold
            )


def segmented(wanted: MapRequest, asked: Sequence[Question]) -> list[np.ndarray | None] | None:
    """Where the segmentation network of another experiment finds what each question's mask marks; None without one.

    Args:
        wanted: other networks and device.
        asked: from :func:`masked`.

    Returns:
        For each question probabilities, float32 [… space]: of its own label where the network tells labels apart,
        else of anything marked. With folds the network that did not see the sample answers.

    Raises:
        ScantuneError: it is not there yet, is none, or takes other samples or prepares them in another way.
    """
    other = wanted.others.get("segmentation")
    if other is None:
        return None
    predictors = _predictors(wanted, other)
    found: list[np.ndarray | None] = []
    for question in asked:
        output = predictors.of_fold(question.fold).output(question.input[None].cpu())
        found.append(_there(output.mean[0], question.label).cpu().numpy())
    return found


def _predictors(wanted: MapRequest, other: OtherNetwork) -> Predictors:
    """Those of another experiment's model."""
    from scantune.pipeline.predictions import task_of
    from scantune.preprocess.agreement import differing
    from scantune.registry.model import load_networks, read_facts
    from scantune.tasks.catalogue import settings_of

    folder, where = other.model, f"map_checks.{other.name}"
    facts = read_facts(folder)
    schema = settings_of(facts.task)
    if not schema.mask_classes:
        raise ScantuneError(f"{where}: {facts.name!r} is a {facts.task['name']}, not a segmentation")
    if facts.dataset != wanted.facts.dataset or differing(facts.input, wanted.facts.input):
        raise ScantuneError(f"{where}: {facts.name!r} takes other samples, or prepares them in another way")
    return Predictors(facts, load_networks(folder, facts), task_of(schema, facts), wanted.device)


def _there(logits: Tensor, label: int | None) -> Tensor:
    """Probability [… space] of ``label``, or of anything that is not background; logits [K, … space]."""
    if len(logits) == 1:
        return logits[0].sigmoid()
    shares = logits.softmax(0)
    return shares[label] if label is not None and label < len(shares) else 1 - shares[0]
