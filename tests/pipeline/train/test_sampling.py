"""Confounders in the training set: a sampler balanced by groups, and a training set matched by them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scantune.cohort.manifest import Sample
from scantune.config.train import TrainConfig
from scantune.engine import samplers
from scantune.pipeline.data.datasets import encode
from scantune.pipeline.data.sides import Side
from scantune.pipeline.train.sampling import balance_of, matched, partners_of, scanners_of
from scantune.records import ScantuneError
from scantune.tasks.classification.task import ClassificationTask

TASK = ClassificationTask("ill", ("0", "1"))
COUNTS = {("1", "AP"): 30, ("0", "AP"): 10, ("1", "PA"): 12, ("0", "PA"): 48, ("0", "LL"): 5}


def side() -> Side:
    members = []
    for (ill, view), count in COUNTS.items():
        for _ in range(count):
            name = f"s{len(members)}"
            members.append(Sample(name, name, "train", None, (1, 4, 4), {"ill": ill}, {"view": view}, {}, {}))
    return Side(members, Path("cache"))


def test_the_balanced_sampler_draws_each_class_in_each_level_equally_often() -> None:
    samples = side()
    encoded = encode(samples, TASK)
    plain, by = (
        balance_of(SimpleNamespace(sampler="balanced", sampler_by=columns), TASK, samples, encoded)  # type: ignore[arg-type]
        for columns in ((), ("view",))
    )
    np.testing.assert_array_equal(plain, TASK.strata(encoded))  # type: ignore[arg-type]
    assert by is not None
    order = samplers.balanced(by, 0)(0)
    drawn = Counter((samples[i].targets["ill"], samples[i].groups["view"]) for i in order)
    assert set(drawn) == set(COUNTS)
    assert max(drawn.values()) - min(drawn.values()) <= 1


def test_in_a_matched_training_set_the_group_says_nothing_of_the_class() -> None:
    chosen = matched(side(), TASK, ("view",), seed=3)
    counts = Counter((m.targets["ill"], m.groups["view"]) for m in chosen)
    assert counts == {("1", "AP"): 10, ("0", "AP"): 10, ("1", "PA"): 12, ("0", "PA"): 12}
    again, other = (matched(side(), TASK, ("view",), seed=seed) for seed in (3, 4))
    assert list(again) == list(chosen)
    assert list(other) != list(chosen)
    whole = side()
    assert matched(whole, TASK, (), seed=3) is whole
    alike = [Sample(**{**vars(m), "groups": {"ill": m.targets["ill"]}}) for m in whole]
    with pytest.raises(ScantuneError, match="no level of ill has training samples of every class"):
        matched(Side(alike, Path("cache")), TASK, ("ill",), seed=3)


def test_what_no_training_sample_would_take_part_in_is_refused() -> None:
    samples = side()
    block = TrainConfig.model_validate({"partners": {"good_above": 1}, "scanner_consistency": {"group": "view"}})
    found = partners_of(block, "image", encode(samples, TASK))  # type: ignore[arg-type]
    assert found is not None
    assert found.good.sum() == 42
    assert scanners_of(block, samples) == ("view", {"AP": 0, "LL": 1, "PA": 2})
    assert scanners_of(TrainConfig(), samples) == (None, {})
    healthy = samples.of([one for one in samples if one.targets["ill"] == "0" and one.groups["view"] == "PA"])
    with pytest.raises(ScantuneError, match="no training sample has a target of 1 or more"):
        partners_of(block, "image", encode(healthy, TASK))  # type: ignore[arg-type]
    with pytest.raises(ScantuneError, match="the training samples have PA alone in 'view'"):
        scanners_of(block, healthy)
