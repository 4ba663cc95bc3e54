from __future__ import annotations

import numpy as np
import pytest

from scantune import engine
from scantune.engine.ensembles import seeds, train_all
from scantune.records import ScantuneError


def test_mean_and_spread_by_hand() -> None:
    joined = engine.join([np.array([1.0, 2.0]), np.array([3.0, 2.0])])
    np.testing.assert_allclose(joined.mean, [2.0, 2.0])
    np.testing.assert_allclose(joined.spread, [2**0.5, 0.0])
    assert np.isnan(engine.join([np.ones(2)]).spread).all()
    with pytest.raises(ScantuneError, match="differ in shape"):
        engine.join([np.ones(2), np.ones(3)])


def test_columns_are_averaged_and_the_spread_is_kept() -> None:
    one = {"sample_id": np.array(["a"]), "prediction": np.array([1.0]), "p/x": np.array([0.2])}
    two = {"sample_id": np.array(["a"]), "prediction": np.array([2.0]), "p/x": np.array([0.6])}
    made = engine.join_columns([one, two])
    assert set(made) == {"prediction", "prediction_sd", "p/x"}
    assert made["p/x"].tolist() == pytest.approx([0.4])
    assert made["prediction_sd"].tolist() == pytest.approx([0.5**0.5])
    with pytest.raises(ScantuneError, match="different columns"):
        engine.join_columns([one, {"prediction": np.ones(1)}])


def test_of_several_targets_each_is_averaged_and_has_its_spread() -> None:
    tables = [{"prediction/age": np.array([v]), "prediction_sd/age": np.array([9.0])} for v in (50.0, 60.0)]
    made = engine.join_columns(tables)
    assert made["prediction/age"].tolist() == [55.0]
    assert made["prediction_sd/age"].tolist() == pytest.approx([50**0.5])


def test_each_sample_is_answered_by_the_fold_that_did_not_see_it() -> None:
    fold = np.array([0, 1, 2, 0, 1, -1, 2])
    among = np.array([True] * 6 + [False])
    parts = []
    for number, train, held_out in engine.folds(fold, among):
        assert not set(train) & set(held_out)
        assert 5 not in train
        assert 6 not in [*train, *held_out]
        parts.append((held_out, np.full((len(held_out), 2), float(number))))
    made = engine.out_of_fold(7, parts)
    assert made[:5, 0].tolist() == [0, 1, 2, 0, 1]
    assert np.isnan(made[5:]).all()
    with pytest.raises(ScantuneError, match="more than one fold"):
        engine.out_of_fold(7, [parts[0], parts[0]])
    with pytest.raises(ScantuneError, match="at least two folds"):
        list(engine.folds(np.zeros(3, int), np.ones(3, bool)))


def test_members_that_are_done_are_not_trained_again() -> None:
    trained: list[str] = []
    labels = [f"seed {s}" for s in seeds(42, 3)]
    assert labels == ["seed 42", "seed 43", "seed 44"]
    assert train_all(labels, trained.append, lambda label: label == "seed 42") == labels[1:] == trained
