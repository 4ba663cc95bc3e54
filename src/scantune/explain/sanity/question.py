"""The explained output of a sample, and functions that compute its map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from scantune.explain.maps import map as saliency_map
from scantune.explain.saliency import Saliency
from scantune.prediction.averaging import conditioned
from scantune.tasks.questions import Target


@dataclass(frozen=True)
class Question:
    """One sample and the part of the output that is explained.

    Attributes:
        sample_id: of the sample.
        subject_id: unit of resampling for intervals.
        input: [C, …space] float32.
        target: see :mod:`scantune.tasks.questions`.
        mask: [… space], above 0 in the region of the finding; None where unknown.
        label: label value of ``mask`` in the masks of the data set; None for all labels.
        fold: in which the sample is held out; None without folds.
        covariates: of the sample, [Q]; None of networks without any.
    """

    sample_id: str
    subject_id: str
    input: Tensor
    target: Target
    mask: np.ndarray | None = None
    label: int | None = None
    fold: int | None = None
    covariates: Tensor | None = None


Mapper = Callable[[nn.Module, Question], Saliency]
"""Function that computes a map; see :func:`mapper`."""


def mapper(method: str = "gradcam", layer: str | None = None) -> Mapper:
    """Maps by one method at one layer, with the covariates of the question."""

    def run(network: nn.Module, question: Question) -> Saliency:
        return saliency_map(conditioned(network, question.covariates), question.input, question.target, method, layer)

    return run


def subjects(questions: Sequence[Question]) -> list[str]:
    """Subject of each question."""
    return [question.subject_id for question in questions]
