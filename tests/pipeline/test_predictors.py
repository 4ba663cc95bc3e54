from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from scantune.pipeline.predictors import Predictors
from scantune.registry.model import ModelFacts
from scantune.tasks.regression.settings import Regression
from scantune.tasks.regression.task import RegressionTask

FACTS = ModelFacts("m", "d", {"name": "regression", "target": "t"}, {"modality": "image"})


def of_fold(folds: int, count: int, fold: int | None, **fitted: object) -> tuple[int, dict]:
    networks = [nn.Linear(2, 1) for _ in range(count)]
    facts = replace(FACTS, folds=folds, members=count, fitted=dict(fitted))
    result = Predictors(facts, networks, RegressionTask(Regression(target="t"))).of_fold(fold)
    return len(result.networks), dict(result.fitted)


@pytest.mark.parametrize(
    ("folds", "count", "fold", "networks"),
    [
        (3, 3, None, 3),  # the test side: the mean of all
        (3, 3, 1, 1),  # held out in a fold: the one network that did not see it
        (0, 3, 1, 3),  # networks of several seeds on a split that has folds
        (0, 1, 1, 1),
    ],
)
def test_no_network_answers_about_what_it_was_trained_on(
    folds: int, count: int, fold: int | None, networks: int
) -> None:
    assert of_fold(folds, count, fold)[0] == networks


def test_a_fold_is_calibrated_by_the_others_where_that_was_fitted() -> None:
    fits = [{"conformal": {"quantile": 1.0}}, {"conformal": {"quantile": 2.0}}]
    own = {"conformal": {"quantile": 3.0}, "out_of_fold": fits}
    assert of_fold(2, 2, 1, **own)[1] == fits[1]
    assert of_fold(2, 2, None, **own)[1]["conformal"] == {"quantile": 3.0}
    assert of_fold(2, 2, 1, conformal={"quantile": 3.0})[1]["conformal"] == {"quantile": 3.0}


def test_the_network_that_maps_explain_is_the_averaged_one() -> None:
    networks = [nn.Linear(2, 1) for _ in range(3)]
    predictors = Predictors(replace(FACTS, folds=0, members=3), networks, RegressionTask(Regression(target="t")))
    x = torch.randn(4, 2)
    with torch.no_grad():
        torch.testing.assert_close(predictors.served.network(x), torch.stack([n(x) for n in networks]).mean(0))
    assert predictors.served.network is predictors.served.network  # the layer of a map is looked for once
