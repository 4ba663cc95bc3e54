"""The ``train:`` block's loss as terms and their weights over the training."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.config.names import loss_name, loss_spec
from scantune.pipeline.data.datasets import frequencies
from scantune.records import ScantuneError
from scantune.tasks.protocol import Task

if TYPE_CHECKING:
    from torch import nn

    from scantune.config.train import TrainConfig
    from scantune.engine.parts import Term, TermWeights

__all__ = ["build_terms", "good_samples", "loss_name", "loss_spec"]


def build_terms(
    task: Task,
    spec: Mapping[str, Any],
    block: TrainConfig,
    *,
    targets: Collection[str],
    encoded: np.ndarray | None,
    classes: int | None,
    teacher: nn.Module | None = None,
) -> tuple[dict[str, Term], TermWeights]:
    """The loss as terms, and the function that returns their weights at each step.

    Args:
        task: what is predicted.
        spec: from :func:`loss_spec`.
        block: the ``train:`` block, for scanner consistency, partners and distillation.
        targets: kinds of targets that the task has.
        encoded: targets of the training side, as the task encodes them; None where the target is the mask.
        classes: K, where the task has classes.
        teacher: a trained network to learn from.

    Raises:
        ScantuneError: the loss does not fit the task, or compares the samples of a batch of one; or distillation has no
            teacher.
    """
    from scantune import losses

    def build(values: np.ndarray | None) -> losses.Combined:
        counted = frequencies(values)
        return losses.build(dict(spec), targets=targets, frequencies=counted, classes=classes, epochs=block.epochs)

    scale = None
    if encoded is not None and hasattr(task, "standard_units") and task.outputs > 1:
        scale = task.standard_units(encoded)[1]
        combined = losses.by_target(build, encoded, scale)
    else:
        combined = build(encoded)
    if hasattr(task, "loss_target"):
        combined = losses.of_counted(combined, task.loss_target)
    compares = [name for name, loss in combined.components.items() if getattr(loss, "compares", False)]
    if compares and block.batch_size == 1:
        raise ScantuneError(
            f"train.batch_size: 1, and the loss {compares[0]!r} compares the samples of a batch, so that nothing would "
            "be learned: set 2 or more"
        )
    terms: dict[str, Term] = dict(losses.on_target(combined))
    extra: dict[str, float] = {}
    if block.scanner_consistency is not None:
        plain = None if scale is None else partial(losses.in_units, scale=scale)
        terms["scanner_consistency"] = losses.ScannerConsistency(
            plain if task.class_axis is None else losses.probabilities
        )
        extra["scanner_consistency"] = block.scanner_consistency.weight
    if block.partners is not None:
        terms["pair"] = losses.PairTerm(margin=block.partners.margin)
        extra["pair"] = block.partners.weight
    share = 1.0
    if block.distillation is not None:
        if teacher is None:
            raise ScantuneError("train.distillation requires a teacher: a `derived` experiment with `use: teacher`")
        distillation = block.distillation
        terms["distillation"] = losses.Distillation(
            teacher, distillation.temperature, values=task.class_axis is None, scale=scale
        )
        extra["distillation"] = distillation.alpha
        share = 1.0 - distillation.alpha
    schedule = combined.weights

    def weights(epoch: int, step: int, history: list[dict[str, Any]]) -> dict[str, float]:
        return {name: share * value for name, value in schedule(epoch, step, history).items()} | extra

    return terms, weights


def good_samples(targets: np.ndarray, threshold: float) -> np.ndarray:
    """Bool [N]: which samples get a degraded partner: those with a target (class number or score) at or above the
    threshold."""
    if targets.reshape(len(targets), -1).shape[1] != 1:
        raise ScantuneError("train.partners requires a task with one target per sample (regression or two classes)")
    return targets.reshape(len(targets)) >= threshold
