"""Shifts of a column against its reference: by hand, by SciPy, and where nothing has shifted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from scantune.statistics.drift import FEWEST, KEPT, described, in_words, share_above, shift


def texts(values: np.ndarray) -> list[str]:
    return [repr(float(value)) for value in values]


def test_a_reference_keeps_the_order_statistics_of_many_numbers() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    reference = described([*texts(values), "", ""])
    assert reference["n"] == 5000
    assert len(reference["values"]) == KEPT
    assert reference["values"] == sorted(reference["values"])
    assert reference["values"][0] == pytest.approx(values.min(), rel=1e-5)
    assert np.median(reference["values"]) == pytest.approx(np.median(values), abs=0.02)


@pytest.mark.parametrize(
    ("cells", "counts"),
    [
        (["F", "M", "F", ""], {"F": 2, "M": 1}),
        (["0", "1.0", "1"], {"0": 1, "1": 2}),
        (["0", "1.0", "1", "unknown"], {"0": 1, "1": 2, "unknown": 1}),
        (["1234567", "1234568", "1234568"], {"1234567": 1, "1234568": 2}),
        ([f"scan {i}" for i in range(50)], None),
    ],
)
def test_levels_are_counted_and_texts_that_tell_samples_apart_are_left_out(
    cells: list[str], counts: dict | None
) -> None:
    assert described(cells).get("counts") == counts


def test_numbers_by_the_test_of_scipy() -> None:
    rng = np.random.default_rng(1)
    old, new = rng.normal(size=150), rng.normal(0.4, 1.2, size=90)
    result = shift(described(texts(old)), texts(new))
    expected = stats.ks_2samp(old, new, method="asymp")
    assert (result.n_reference, result.n) == (150, 90)
    together = 150 * 90 / 240
    assert result.p_value == pytest.approx(stats.kstwobign.sf(math.sqrt(together) * expected.statistic), rel=1e-3)
    assert result.reference["median"] == pytest.approx(np.median(old), rel=1e-4)
    assert result.now["median"] == pytest.approx(np.median(new))


def test_levels_by_hand() -> None:
    result = shift(described(["F"] * 50 + ["M"] * 50), ["F"] * 30 + ["M"] * 10)
    p, q = np.array([50.5, 50.5]) / 101, np.array([30.5, 10.5]) / 41
    assert result.psi == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert result.p_value == pytest.approx(stats.chi2_contingency([[50, 50], [30, 10]], correction=False).pvalue)
    assert result.now == {"F": 0.75, "M": 0.25}


def test_a_level_that_the_reference_lacks_counts() -> None:
    result = shift(described(["GE"] * 100), ["GE"] * 20 + ["Siemens"] * 20)
    assert result.reference == {"GE": 1.0, "Siemens": 0.0}
    assert result.p_value is not None
    assert result.p_value < 1e-6
    assert result.psi is not None
    assert result.psi > 1


def test_one_cell_of_text_makes_no_other_level_new() -> None:
    result = shift(described(["1", "2"] * 50), ["1.0", "2.0"] * 20 + ["unknown"])
    assert set(result.now) == {"1", "2", "unknown"}
    assert result.psi is not None
    assert result.psi < 0.1


@pytest.mark.parametrize(("share", "now", "shifted"), [(0, 100.0, True), (0.1, 100.0, True), (0.1, 0.0000001, False)])
def test_a_value_that_most_of_the_reference_has_is_left_for_a_larger_one(
    share: float, now: float, shifted: bool
) -> None:
    old = np.where(np.random.default_rng(3).random(200) < share, 100.0, 1.0)
    result = shift(described(texts(old), few=0), texts(np.full(50, 1.0 + now)))
    assert result.psi is not None
    assert (result.psi > 1) == shifted


def test_where_nothing_has_shifted_few_p_values_are_small() -> None:
    rng = np.random.default_rng(2)
    small = 0
    for _ in range(400):
        reference = described(texts(rng.normal(size=1000)))
        small += (shift(reference, texts(rng.normal(size=60))).p_value or 0) < 0.05
    assert small / 400 < 0.08


@pytest.mark.parametrize("values", [[1.5] * 5, []])
def test_too_few_values_show_nothing(values: list[float]) -> None:
    result = shift(described(texts(np.arange(100))), texts(np.array(values)))
    assert result.p_value is None
    assert result.psi is None
    assert result.reason == f"too few new values: {len(values)} of at least {FEWEST}"


def test_text_among_numbers_is_named() -> None:
    result = shift(described(texts(np.arange(100))), ["1", "Philips"])
    assert result.p_value is None
    assert result.reason == "'Philips' is not a number"


def test_the_share_above_a_limit_is_tested_against_what_is_expected() -> None:
    far, near = share_above([0.5] * 30 + [2.0] * 10, 1.0, 0.05), share_above([0.5] * 39 + [2.0], 1.0, 0.05)
    assert far.now == {"above": 0.25}
    assert far.p_value == pytest.approx(stats.binomtest(10, 40, 0.05, alternative="greater").pvalue)
    assert near.p_value is not None
    assert near.p_value > 0.5


def test_ages_over_89_count_as_numbers() -> None:
    ages = [str(age) for age in range(20, 90)] + ["90+", "90+"]
    reference = described(ages)
    assert reference["n"] == 72
    assert reference["values"][-1] == 90
    assert shift(reference, [*ages[::2], "90+"]).p_value == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("level", ["median", "above"])
def test_levels_named_as_the_values_of_numbers_are_levels(level: str) -> None:
    result = shift(described([level] * 40), [level] * 30)
    assert in_words(result.reference, result.kind) == f"{level} 100.0%"
    result = shift(described([level] * 20 + ["B"] * 20), [level] * 30 + ["B"] * 10)
    assert in_words(result.now, result.kind) == f"B 25.0%; {level} 75.0%"


def test_words_of_numbers_and_of_a_share() -> None:
    result = shift(described([str(value) for value in range(101)]), [])
    assert (in_words(result.reference, result.kind), in_words(result.now, result.kind)) == ("50 (25 to 75)", "")
    one = share_above([0.5] * 15 + [2.0] * 5, 1.0, 0.05)
    assert in_words(one.now, one.kind) == "25.0%"


def test_one_image_of_a_rare_level_is_no_shift():
    """By the chi-square distribution one of 20 from a level of 1 % has p .0001."""
    reference = described(["A"] * 990 + ["B"] * 5 + ["C"] * 3 + ["D"] * 2)
    one = shift(reference, ["A"] * 19 + ["D"])
    assert one.p_value > 0.05
    assert shift(reference, ["A"] * 5 + ["new"] * 15).p_value < 1e-4


def test_equal_rare_levels_are_seldom_called_shifted():
    rng, level, share = np.random.default_rng(0), list("ABCDEF"), [0.9, 0.04, 0.02, 0.02, 0.01, 0.01]
    found = []
    for _ in range(200):
        one = shift(described(rng.choice(level, 1000, p=share).tolist()), rng.choice(level, 20, p=share).tolist())
        found.append(one.p_value < 0.005)
    assert np.mean(found) <= 0.02
