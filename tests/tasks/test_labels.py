"""Names of classes as tables write them: numbers by value, each class once."""

from __future__ import annotations

import numpy as np
import pytest

from scantune.class_names import label
from scantune.records import ScantuneError
from scantune.tasks import scoring
from scantune.tasks.classification.settings import Classification
from scantune.tasks.classification.task import ClassificationTask
from scantune.tasks.labels import distinct, natural
from scantune.tasks.predictions import PredictionsError, PredictionTable


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1.0", "1"),
        (" 01", "1"),
        ("0.50", "0.5"),
        ("-2", "-2"),
        ("1_2", "1_2"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("é ", "é"),
    ],
)
def test_numbers_are_named_by_their_value_and_words_by_themselves(text: str, name: str) -> None:
    assert label(text) == name


def test_classes_are_in_the_order_of_numbers_and_each_is_there_once() -> None:
    assert natural(["10", "9", "b", "-1", "a"]) == ["-1", "9", "10", "a", "b"]
    assert distinct(["1.0", "0", "1", "10", "2.0"]) == ["0", "1", "2.0", "10"]


def test_a_class_in_two_spellings_is_one_output() -> None:
    rows = [{"target": text} for text in ("1.0", "0", "1", "0.0")]
    classes = Classification().classes_in(rows)
    assert classes == ("0", "1")
    assert [int(ClassificationTask("target", classes).encode(row)) for row in rows] == [1, 0, 1, 0]
    assert ClassificationTask("target", ("0.0", "1.0")).encode({"target": "1"}) == 1


def test_stated_classes_take_numbers_by_value_in_the_table() -> None:
    assert Classification(classes=[0, 1]).target_rules() == {"target": {"values": [0.0, 1.0]}}
    assert Classification(classes=["no", "1_2"]).target_rules() == {"target": {"values": ["no", "1_2"]}}


@pytest.mark.parametrize(
    ("settings", "cells", "message"),
    [
        (Classification(), ("a|b", "c"), r"class 'a\|b' has a \|.* rename it by 'recode'"),
        (Classification(ordinal=True), ("mild", "severe"), "mild, severe have no order of their own"),
    ],
)
def test_names_that_cannot_be_kept_apart_or_ranked_are_refused_before_training(
    settings: Classification, cells: tuple[str, ...], message: str
) -> None:
    (target,) = settings.target_names()
    with pytest.raises(ScantuneError, match=message):
        settings.classes_in([{target: text} for text in cells])


def test_grades_are_not_ranked_by_the_alphabet() -> None:
    names = ("low", "medium", "high")
    p = np.eye(3)[[0, 1, 2, 0, 1, 0]] * 0.8 + 0.2 / 3
    columns = {"target": [names[i] for i in (0, 1, 2, 0, 1, 2)]} | {f"p/{n}": p[:, k] for k, n in enumerate(names)}
    table = PredictionTable.make(columns)
    with pytest.raises(PredictionsError, match="ordinal: high, low, medium have no order of their own"):
        scoring.evaluate(table, Classification(ordinal=True), draws=10)
    metrics = scoring.evaluate(table, Classification(ordinal=True, classes=names), draws=10)["metrics"]
    # one of six is two grades off; expected squared distance by the margins (3, 2, 1) and (2, 2, 2) is 48 / 36
    assert metrics["kappa_quadratic"]["value"] == pytest.approx(1 - (4 / 6) / (48 / 36))


def test_columns_of_one_class_are_refused() -> None:
    table = PredictionTable.make({"target": ["1", "2"], "p/1": [0.2, 0.2], "p/01": [0.3, 0.3], "p/2": [0.5, 0.5]})
    with pytest.raises(PredictionsError, match="columns p/<class>: '1' and '01' are one class"):
        scoring.evaluate(table, Classification(), draws=10)


def test_sets_name_classes_as_the_table_writes_them() -> None:
    names, p = ("0.0", "1.0"), np.array([[0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.9, 0.1]])
    columns = {"target": ["0.0", "0.0", "1.0", "1.0"], "set": ["0.0", "0.0|1.0", "1.0", "0.0"]}
    table = PredictionTable.make(columns | {f"p/{name}": p[:, k] for k, name in enumerate(names)})
    served = {"conformal": {"quantile": 0.5, "miscoverage": 0.1}, "fitted_on": "validation"}
    metrics = scoring.evaluate(table, Classification(), draws=10, served=served)["metrics"]
    assert metrics["conformal_coverage"]["value"] == 0.75
    assert metrics["conformal_set_size"]["value"] == 1.25
