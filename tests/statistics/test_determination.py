"""A column that is, or determines, the target is told from one that only goes with it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scantune.statistics.determination import determined_by

RNG = np.random.default_rng(0)
AGE = RNG.uniform(20, 90, 200)
SEX = np.array(["F", "M"], dtype=object)[RNG.integers(0, 2, 200)]


def text(values):
    return np.array([str(v) for v in values], dtype=object)


@pytest.mark.parametrize(
    "column",
    [AGE, text(AGE), -AGE, AGE * 12, AGE + RNG.normal(0, 1, 200), np.round(AGE, -1), text(AGE // 30)],
    ids=["itself", "as text", "reversed", "months", "nearly", "decades", "bands"],
)
def test_functions_of_a_number_are_told(column):
    assert determined_by(column, AGE)


@pytest.mark.parametrize(
    "column",
    [SEX, RNG.normal(size=200), AGE + RNG.normal(0, 10, 200), np.full(200, 3.0), np.full(200, np.nan)],
    ids=["sex", "noise", "goes with it", "constant", "missing"],
)
def test_covariates_are_let_pass(column):
    assert determined_by(column, AGE) is None


def test_classes_recoded_and_split_further_are_told():
    site = np.array([{"F": ("a", "b"), "M": ("c", "d")}[s][i % 2] for i, s in enumerate(SEX)], dtype=object)
    assert determined_by(site, SEX) == "determines the target's class"
    assert determined_by(SEX, site) is None  # sex tells half of it
    assert determined_by((SEX == "M").astype(float), SEX)
    assert (
        determined_by(np.where(SEX == "M", AGE, -AGE), SEX)
        == "determines the target's class: its bands are the classes"
    )
    one_slip = SEX.copy()
    one_slip[0] = {"F": "M", "M": "F"}[SEX[0]]
    assert determined_by(one_slip, SEX) is not None


def test_few_rows_agree_by_chance():
    target = np.array(["no"] * 19 + ["yes"], dtype=object)
    scanner = np.array(["A"] * 19 + ["B"], dtype=object)
    assert determined_by(scanner, target) is None
    assert determined_by(np.array([1.0, 2.0, 3.0]), np.array([4.0, 9.0, 10.0])) is None


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(12, 60), st.integers(2, 4))
def test_columns_at_random_are_hardly_ever_taken_for_the_target(seed, n, levels):
    rng = np.random.default_rng(seed)
    column = text(rng.integers(0, levels, n))
    assert determined_by(column, rng.normal(size=n)) is None
    assert determined_by(column, text(rng.random(n) < 0.2)) is None


def test_a_rare_class_is_not_taken_for_a_band_of_any_number():
    rng = np.random.default_rng(0)
    age = rng.integers(4, 86, 1000).astype(float)
    rare = np.zeros(1000)
    rare[rng.choice(1000, 10, replace=False)] = 1
    assert determined_by(age, rare) is None
    assert determined_by(age, (age > 84).astype(float)) is not None
