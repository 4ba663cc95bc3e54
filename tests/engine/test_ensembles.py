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
