"""Sanity checks of saliency maps.

Each check gives entries of the section "saliency" of ``metrics.json``: a metric with its interval, ``passed`` (None for
no verdict) and the ``rule``. Maps that fail are still displayed, with :func:`warnings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from scantune.explain.saliency import Saliency
from scantune.explain.sanity.agree import label_randomization, repeatability, shifts
from scantune.explain.sanity.overlap import overlap
from scantune.explain.sanity.question import Mapper, Question, mapper
from scantune.explain.sanity.randomise import cascade
from scantune.explain.sanity.shuffling import shuffle_labels
from scantune.explain.sanity.verdicts import Entry

__all__ = [
    "Entry",
    "Question",
    "cascade",
    "check",
    "label_randomization",
    "mapper",
    "overlap",
    "repeatability",
    "shifts",
    "shuffle_labels",
    "warnings",
]

_WORDS = {
    "weight_randomization": "does not depend on what the network learned (weights randomised)",
    "label_randomization": "is similar to that of a network trained on shuffled labels",
    "repeatability": "differs between networks trained in the same way",
    "shift_reproducibility": "changes when the image is moved by a few pixels",
    "mask_auprc": "does not localise the annotated finding better than chance",
    "mask_pointing": "does not point at the annotated finding more often than chance",
    "mask_auprc_segmentation": "was not shown to localise the annotated finding as well as a segmentation network",
    "mask_pointing_segmentation": "was not shown to point at the annotated finding as often as a segmentation network",
}


def check(
    network: nn.Module,
    questions: Sequence[Question],
    *,
    make: Mapper | None = None,
    networks: Sequence[nn.Module] = (),
    shuffled: nn.Module | None = None,
    segmentation: Sequence[np.ndarray | None] | None = None,
    steps: int = 5,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Entry]:
    """All checks that the arguments allow.

    Args:
        network: the evaluated network; not changed.
        questions: test samples, preferably random; at least a dozen subjects for useful intervals.
        make: how maps are made, by :func:`mapper`; None: Grad-CAM.
        networks: others that differ in seed or fold only, for repeatability.
        shuffled: network trained on shuffled labels, for label randomisation.
        segmentation: probabilities of a segmentation network for each question.
        steps: stages of the weight randomisation.
        seed: of random weights and shifts.
        confidence: level of the intervals that the verdicts go by.

    Returns:
        Name to entry; JSON-serialisable.
    """
    make = _each_once(make or mapper(), network, questions)
    entries = cascade(network, questions, make=make, steps=steps, seed=seed, confidence=confidence)
    entries |= shifts(network, questions, make=make, seed=seed, confidence=confidence)
    if networks:
        entries |= repeatability([network, *networks], questions, make=make, confidence=confidence)
    if shuffled is not None:
        entries |= label_randomization(network, shuffled, questions, make=make, confidence=confidence)
    if any(question.mask is not None for question in questions):
        entries |= overlap(network, questions, make=make, segmentation=segmentation, confidence=confidence)
    return entries


def _each_once(make: Mapper, network: nn.Module, questions: Sequence[Question]) -> Mapper:
    """The same maps; those of the network for the questions as they are, which every check needs, are made once."""
    made = {id(question): make(network, question) for question in questions}

    def run(explained: nn.Module, question: Question) -> Saliency:
        kept = made.get(id(question)) if explained is network else None
        return kept if kept is not None else make(explained, question)

    return run


def warnings(entries: Mapping[str, Entry]) -> list[str]:
    """Warnings for every map of a method that failed a check, one sentence each."""
    return [f"This map {_WORDS[name]}." for name, entry in entries.items() if entry["passed"] is False]
