"""A group that predicts the target, and a model that knows no more than the group."""

from __future__ import annotations

import numpy as np
import pytest

from scantune.statistics.pooled import weighted_mean
from scantune.statistics.resampling import Distribution
from scantune.tasks import scoring
from scantune.tasks.classification.settings import Classification
from scantune.tasks.predictions import PredictionTable

TASK = Classification(target="ill")


def table(rng: np.random.Generator, n: int, skill: float) -> PredictionTable:
    """AP films are of the ill in 80 %; the model knows the view and, by ``skill``, the film."""
    ap = rng.uniform(size=n) < 0.5
    ill = rng.uniform(size=n) < np.where(ap, 0.8, 0.2)
    score = 1 / (1 + np.exp(-(2.0 * ap - 1 + skill * (ill - 0.5) + rng.normal(size=n) * 0.5)))
    return PredictionTable.make(
        {
            "sample_id": [f"s{i}" for i in range(n)],
            "split": ["test"] * n,
            "target": ill.astype(int).astype(str),
            "p/0": 1 - score,
            "p/1": score,
            "view": np.where(ap, "AP", "PA").astype(object),
            "coin": np.where(rng.uniform(size=n) < 0.5, "a", "b").astype(object),
        }
    )


def cohort(tested: PredictionTable, rng: np.random.Generator) -> PredictionTable:
    train = table(rng, 400, 0).with_columns({"split": ["train"] * 400, "sample_id": [f"t{i}" for i in range(400)]})
    names = ("sample_id", "split", "target", "view", "coin")
    return PredictionTable.make({name: [*train.text(name), *tested.text(name)] for name in names})


@pytest.mark.parametrize("skill", [0.0, 2.0])
def test_the_metric_within_levels_shows_what_the_model_knows_beside_the_group(skill: float) -> None:
    rng = np.random.default_rng(1)
    tested = table(rng, 300, skill)
    confounders = scoring.evaluate(tested, TASK, draws=200, cohort=cohort(tested, rng), covariates=())["confounders"]
    view, coin = confounders["view"], confounders["coin"]
    assert view["predicts"]
    assert not coin["predicts"]
    assert view["alone"]["value"] == pytest.approx(0.8, abs=0.05)
    assert view["model"]["value"] > 0.75
    assert set(view["within"]) == {"AP", "PA"}
    shares = [view["within"][level]["n"] / 300 for level in ("AP", "PA")]
    values = [view["within"][level]["value"] for level in ("AP", "PA")]
    assert view["pooled"]["value"] == pytest.approx(np.dot(shares, values), abs=1e-9)
    assert view["pooled"]["lower"] < view["pooled"]["value"] < view["pooled"]["upper"]
    assert (view["pooled"]["lower"] > 0.5) is bool(skill)


def test_a_weighted_mean_by_hand() -> None:
    one = Distribution(0.8, np.empty(0), np.array([0.7, 0.9]), np.array([0, 1]))
    two = Distribution(0.6, np.empty(0), np.array([0.5]), np.array([2]))
    pooled = weighted_mean([one, two], [3, 1])
    assert pooled.value == pytest.approx(0.75)
    np.testing.assert_allclose(pooled.jackknife, [0.675, 0.825, 0.725])
