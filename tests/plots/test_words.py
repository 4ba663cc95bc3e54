"""Figures as words."""

import math

import pytest

from scantune.plots import words


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        ({"value": 0.8421, "lower": 0.7913, "upper": 0.8849}, "0.842 (0.791 to 0.885)"),
        ({"value": 0.0298, "lower": -0.4702, "upper": 0.5298}, "0.030 (−0.470 to 0.530)"),
        ({"value": 0.95, "lower": 0.9, "upper": 1.0}, "0.950 (0.900 to 1.000)"),
        ({"value": -78.10, "lower": -110.0, "upper": -45.0}, "−78 (−110 to −45)"),
        ({"value": 2.0, "lower": None, "upper": None}, "2.00"),
        ({"value": None, "reason": "one class"}, "undefined: one class"),
        ({"value": math.nan, "reason": "constant prediction"}, "undefined: constant prediction"),
        ({"value": None}, "undefined: no reason given"),
        (None, "undefined: not computed"),
        (0.5, "0.500"),
    ],
)
def test_value_and_interval(figure, text):
    assert words.interval(figure) == text


def test_an_object_with_as_dict_is_an_entry():
    class One:
        def as_dict(self):
            return {"value": 1.5, "lower": 1.0, "upper": 2.0}

    assert words.interval(One()) == "1.50 (1.00 to 2.00)"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12345, "12345"), (0.00004, "4.0e−05"), (-1.5, "−1.50"), (math.inf, "∞"), (-math.inf, "−∞"),
     (math.nan, "–"), (None, "–")],
)  # fmt: skip
def test_number(value, text):
    assert words.number(value) == text


def test_minus_zero_is_zero():
    assert words.fixed(-0.0004, 2) == "0.00"


@pytest.mark.parametrize(
    ("name", "text"),
    [("auroc/lesion", "AUROC, lesion"), ("mae_5_15", "MAE, range 5 15"), ("something_new", "something new")],
)
def test_label(name, text):
    assert words.label(name) == text


def test_levels_are_sorted_as_people_do():
    levels = ["site B", "18–<40", "from_15", "2–<12", "5_to_15", "below_5", "site A"]
    assert sorted(levels, key=words.level_order) == [
        "site A", "site B", "2–<12", "below_5", "5_to_15", "from_15", "18–<40"
    ]  # fmt: skip


def test_a_task_names_its_own_metrics_once(monkeypatch):
    monkeypatch.setattr(words, "LABELS", dict(words.LABELS))
    assert words.label("planted_loss/mean") == "planted loss, mean"
    words.add_labels({"planted_loss": "Planted loss"})
    words.add_labels({"planted_loss": "Planted loss"})
    assert words.label("planted_loss/mean") == "Planted loss, mean"
    with pytest.raises(ValueError, match="'auroc' has the label 'AUROC' already"):
        words.add_labels({"auroc": "Area"})
