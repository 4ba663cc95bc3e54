"""What a model's answer says of a study: each prediction with its interval, or the probabilities."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from scantune import io
from scantune.registry.results import measured


def of(values: dict[str, Any]) -> list[Any]:
    return measured(SimpleNamespace(values=values))  # type: ignore[arg-type]


def test_a_prediction_has_its_interval() -> None:
    assert of({"prediction": 4.0, "prediction_sd": 1.0, "lower": 2.0, "upper": 6.0}) == [
        io.Measured("prediction", 4.0, 2.0, 6.0)
    ]


def test_of_several_targets_each_has_its_own() -> None:
    values = {"prediction/age": 63.0, "lower/age": 55.0, "upper/age": 71.0, "prediction/score": 4.0}
    assert of(values) == [io.Measured("prediction age", 63.0, 55.0, 71.0), io.Measured("prediction score", 4.0)]


def test_without_a_prediction_they_are_the_probabilities() -> None:
    assert of({"p/a": 0.25, "set": "a|b"}) == [io.Measured("a", 0.25)]


def test_of_a_survival_they_are_the_risk_and_the_probabilities_by_each_horizon_that_was_followed() -> None:
    values = {"prediction": 0.4, "prediction_sd": 0.1, "p/1/event": 0.2, "p/5/event": float("nan"), "distance": 0.3}
    assert of(values) == [io.Measured("prediction", 0.4), io.Measured("1 event", 0.2)]


def test_of_neither_they_are_all_numbers_but_the_distance() -> None:
    assert of({"volume_prediction": 12.0, "distance": 0.3}) == [io.Measured("volume_prediction", 12.0)]
