"""Custom metrics are evaluated as a task's own: value, interval by subject, subgroups, comparison."""

from __future__ import annotations

import numpy as np
import pytest

from scantune.records import ScantuneError
from scantune.tasks import comparing, directions, scoring
from scantune.tasks.classification.task import ClassificationTask
from scantune.tasks.custom import epoch_values
from scantune.tasks.directions import metric
from scantune.tasks.predictions import PredictionTable


@pytest.fixture(autouse=True)
def _nothing_stays(monkeypatch):
    monkeypatch.setattr(directions, "CUSTOM", {})


def table(seed: int = 0, n: int = 40, subjects: int = 20, noise: float = 1.0) -> PredictionTable:
    rng = np.random.default_rng(seed)
    target = np.random.default_rng(9).uniform(0, 10, n)
    return PredictionTable.make(
        {
            "sample_id": [f"s{i}" for i in range(n)],
            "subject_id": [f"p{i % subjects}" for i in range(n)],
            "split": ["test"] * n,
            "target": target,
            "prediction": target + rng.normal(0, noise, n),
            "site": ["a" if i % 2 else "b" for i in range(n)],
        }
    )


def test_a_custom_metric_has_the_interval_of_the_same_metric_of_the_task():
    @metric("own_mae", mode="min", tasks=["regression"])
    def own_mae(reference, prediction):
        return abs(reference - prediction).mean()

    metrics = scoring.evaluate(table(), scoring.settings_of("regression"), draws=400)
    own, task = metrics["metrics"]["own_mae"], metrics["metrics"]["mae"]
    assert own["value"] == pytest.approx(task["value"], rel=1e-12)
    assert (own["n"], own["n_subjects"]) == (40, 20)
    assert own["lower"] == pytest.approx(task["lower"], rel=0.1)
    assert own["upper"] == pytest.approx(task["upper"], rel=0.1)
    assert metrics["headline"][-1] == "own_mae"
    assert metrics["subgroups"]["site"]["a"]["own_mae"]["gap"]["lower"] is not None
    assert scoring.summary(metrics)["own_mae"] == own["value"]


def test_classes_are_given_as_numbers_and_probabilities():
    seen = {}

    @metric("sure", mode="max", tasks=["classification"])
    def sure(reference, prediction):
        seen["shapes"] = reference.dtype.kind, reference.ndim, prediction.shape[1]
        return prediction.max(1).mean()

    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 30)
    columns = {"target": rng.integers(0, 3, 30).astype(str), **{f"p/{k}": p[:, k] for k in range(3)}}
    metrics = scoring.evaluate(PredictionTable.make(columns), scoring.settings_of("classification"), draws=100)
    assert metrics["metrics"]["sure"]["value"] == pytest.approx(p.max(1).mean())
    assert seen["shapes"] == ("i", 1, 3)
    assert "sure" not in scoring.evaluate(table(), scoring.settings_of("regression"), draws=50)["metrics"]


def test_a_comparison_goes_by_a_custom_metric():
    @metric("worst", mode="min")
    def worst(reference, prediction):
        return abs(reference - prediction).max()

    settings = scoring.settings_of("regression")
    result = comparing.compare(table(1, noise=4.0), table(2, noise=0.5), settings, primary="worst", draws=200)
    assert "worst" in result["lower_is_better"]
    assert result["metrics"]["worst"]["difference"]["value"] < 0


def test_what_a_metric_cannot_say_is_undefined_and_what_it_does_wrong_is_named():
    @metric("nothing")
    def nothing(reference, prediction):
        return 1 / 0

    result = scoring.evaluate(table(), scoring.settings_of("regression"), draws=50)["metrics"]["nothing"]
    assert (result["value"], result["reason"]) == (None, "undefined: the custom metric nothing gave no number")

    @metric("wrong")
    def wrong(reference, prediction):
        return prediction[:, 3]

    with pytest.raises(ScantuneError, match=r"metric 'wrong' failed on reference \(38,\), prediction \(38,\)"):
        scoring.evaluate(table(), scoring.settings_of("regression"), draws=50)


def test_the_arguments_have_these_names():
    with pytest.raises(
        ScantuneError, match=r"its arguments are reference and prediction, not \['predicted', 'truth'\]"
    ):
        metric("old")(lambda predicted, truth: 0.0)


def test_an_epoch_gives_probabilities_of_one_logit_too():
    @metric("mean_p")
    def mean_p(reference, prediction):
        return prediction[:, 1].mean()

    task = ClassificationTask("label", ("a", "b"), sigmoid=True)
    logits = np.array([[0.0], [2.0]])
    expected = (0.5 + 1 / (1 + np.exp(-2.0))) / 2
    assert epoch_values(task, logits, np.array([0, 1]), set())["mean_p"] == pytest.approx(expected)
    with pytest.raises(ScantuneError, match="has a metric of that name"):
        epoch_values(task, logits, np.array([0, 1]), {"mean_p"})
