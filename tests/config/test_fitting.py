"""Calibration and conformal intervals that a task does not have are refused when params.yaml is read."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from scantune.config.load import ConfigError, parse
from tests.config.test_load import GOOD

TASKS: dict[str, dict[str, Any]] = {
    "classification": {"target": "grade"},
    "regression": {"target": "grade"},
    "zones": {"zones": ["grade"], "grades": 3},
    "multilabel": {"findings": ["grade"]},
    "survival": {"time": "time", "event": "event"},
    "segmentation": {"classes": ["background", "bone"]},
}


def knees(task: str, **train: Any) -> dict[str, Any]:
    params: dict[str, Any] = copy.deepcopy(GOOD)
    params["datasets"]["knees"] |= {"targets": {"grade": "kl", "time": "t", "event": "e"}, "masks": "{id}_mask.png"}
    params["experiments"]["knees"] |= {"task": {"name": task, **TASKS[task]}, "train": {"epochs": 1, **train}}
    if task == "segmentation":
        params["experiments"]["knees"]["model"] = {"backbone": "unet"}
    return params


@pytest.mark.parametrize("task", TASKS)
def test_what_a_task_has_and_what_is_written_as_it_is_by_default_is_read(task: str) -> None:
    parse(knees(task, calibration="temperature", miscoverage=0.1))
    parse(knees(task, calibration="none"))
    if task in ("classification", "zones", "multilabel"):
        parse(knees(task, calibration="isotonic"))


@pytest.mark.parametrize(
    ("task", "key", "value", "why"),
    [
        ("regression", "calibration", "isotonic", "no effect on the task regression, which gives no probabilities"),
        ("segmentation", "calibration", "isotonic", "no effect on the task segmentation, which gives no probabilities"),
        ("survival", "calibration", "isotonic", "no effect on the task survival, which takes temperature, none"),
        ("segmentation", "miscoverage", 0.2, "which the task segmentation does not have: remove the key"),
        ("survival", "miscoverage", 0.2, "which the task survival does not have: remove the key"),
        ("multilabel", "miscoverage", 0.2, "which the task multilabel does not have: remove the key"),
    ],
)
def test_a_fit_that_a_task_does_not_have_is_refused(task: str, key: str, value: object, why: str) -> None:
    with pytest.raises(ConfigError, match=f"experiments.knees.train.{key}: {value} .*{re.escape(why)}"):
        parse(knees(task, **{key: value}))
