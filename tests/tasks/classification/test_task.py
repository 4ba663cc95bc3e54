"""Metrics of an epoch of a classification, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from scantune.tasks.classification.task import ClassificationTask


def test_auroc_of_two_classes_is_the_same_from_one_logit_and_from_two() -> None:
    scores, truth = np.array([0.1, 0.4, 0.4, 0.8, 0.3]), np.array([0, 0, 1, 1, 1])
    # of 6 pairs 3 + 1 are in order (0.8 above both, 0.3 above 0.1, 0.4 above 0.1) and one is a tie
    area = 4.5 / 6
    one = ClassificationTask("grade", ["a", "b"], sigmoid=True).summarise(scores[:, None], truth[:, None])
    two = ClassificationTask("grade", ["a", "b"]).summarise(np.stack([-scores, scores], axis=1), truth)
    assert one["auroc"] == two["auroc"] == pytest.approx(area)


def test_auroc_of_several_classes_is_the_mean_over_those_present() -> None:
    task = ClassificationTask("grade", ["a", "b", "c"])
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.2, 0.6, 0.2], [0.4, 0.3, 0.3]]))
    # a against b: 0.7, 0.4 above 0.2; b against a: 0.6 above both; c is absent
    assert task.summarise(logits, np.array([0, 1, 0]))["auroc"] == pytest.approx((1 + 1) / 2)
    assert np.isnan(task.summarise(logits[:1], np.array([0]))["auroc"])
    assert next(iter(task.epoch_metrics)) == "auroc"
