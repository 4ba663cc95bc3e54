"""References for maps: masks by zone, class and structure, and a segmentation network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune import mask_codes
from scantune.cohort.manifest import Sample
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.maps.others import OtherNetwork
from scantune.pipeline.maps.request import MapRequest, input_of, output_of, path_of
from scantune.pipeline.predictors import Predictors
from scantune.records import ScantuneError
from scantune.registry.model import load_networks, read_facts
from scantune.tasks import questions
from scantune.tasks.catalogue import settings_of
from scantune.tasks.errors import SampleError

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.explain.sanity.question import Question

MASKED = 40
"""Maximum number of samples whose maps are compared with masks; each may have one per zone or structure."""


def masked(
    request: MapRequest, sides: Sides, members: Mapping[str, Sample], drawn: Sequence[SampleError]
) -> list[Question]:
    """Map questions with a mask as reference, of at most :data:`MASKED` samples.

    Args:
        request: settings, task and device.
        sides: the samples.
        members: by sample id.
        drawn: in the order of selection.

    Raises:
        ScantuneError: ``mask_class`` is not a class.
    """
    from scantune.engine.data import read_cached

    marked: list[Question] = []
    samples = 0
    for error in drawn:
        member = members[error.sample_id]
        path = path_of(sides, member)
        mask = read_cached(path).get("mask")
        if mask is None or not mask_codes.marked(labels := mask[0].numpy()).any():
            continue
        answered = list(_questions(request, member, input_of(path), labels))
        marked += answered
        samples += bool(answered)
        if samples == MASKED:
            break
    return marked


def _questions(request: MapRequest, member: Sample, x: Tensor, mask: np.ndarray) -> Iterator[Question]:
    """Questions whose label occurs in the mask."""
    from scantune.explain import sanity

    x = x.to(request.device)
    task_questions = questions.of_task(request.task.name)
    output = output_of(request, request.network(member), x, member.sample_id)
    for target, label in task_questions.mask_questions(
        request.task, output, request.settings.mask_class, member.targets
    ):
        overlapping = bool(request.facts.input.get("mask_overlap"))
        marked = mask_codes.marked(mask) if label is None else mask_codes.plane(mask, label, overlapping)
        if marked.any():
            yield sanity.Question(
                *(member.sample_id, member.subject_id, x, target, marked.astype(np.uint8)),
                label=label,
                fold=member.fold,
                covariates=request.condition(member),
            )


def segmented(request: MapRequest, map_questions: Sequence[Question]) -> list[np.ndarray | None] | None:
    """Probabilities of the segmentation network of another experiment for each question's mask; None without one.

    Args:
        request: other networks and device.
        map_questions: from :func:`masked`.

    Returns:
        For each question probabilities, float32 [… space]: of its label if the network distinguishes labels, else of
        any
        foreground. With folds, the network that was not trained on the sample predicts.

    Raises:
        ScantuneError: not found, not a segmentation, or of other samples or other preparation.
    """
    other = request.others.get("segmentation")
    if other is None:
        return None
    predictors = _predictors(request, other)
    probabilities: list[np.ndarray | None] = []
    for question in map_questions:
        output = predictors.of_fold(question.fold).output(question.input[None].cpu())
        overlapping = predictors.task.class_axis == "each"
        probabilities.append(_there(output.mean[0], question.label, overlapping).cpu().numpy())
    return probabilities


def _predictors(request: MapRequest, other: OtherNetwork) -> Predictors:
    """Those of another experiment's model."""
    from scantune.pipeline.predictions import task_of
    from scantune.preprocess.agreement import differing

    folder, where = other.model, f"map_checks.{other.name}"
    facts = read_facts(folder)
    schema = settings_of(facts.task)
    if not schema.mask_classes:
        raise ScantuneError(f"{where}: {facts.name!r} is a {facts.task['name']}, not a segmentation")
    if facts.dataset != request.facts.dataset or differing(facts.input, request.facts.input):
        raise ScantuneError(f"{where}: {facts.name!r} uses other samples, or prepares them differently")
    return Predictors(facts, load_networks(folder, facts), task_of(schema, facts), request.device)


def _there(logits: Tensor, label: int | None, overlapping: bool = False) -> Tensor:
    """Probability [… space] of ``label``, or of anything that is not background; logits [K, … space]."""
    if overlapping:
        shares = logits.sigmoid()
        return shares[label - 1] if label is not None and label <= len(shares) else shares.amax(0)
    if len(logits) == 1:
        return logits[0].sigmoid()
    shares = logits.softmax(0)
    return shares[label] if label is not None and label < len(shares) else 1 - shares[0]
