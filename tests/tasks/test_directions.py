"""Which way a metric is better comes from the task's table."""

from __future__ import annotations

import numpy as np
import pytest

from scantune.config.task import SCHEMAS
from scantune.records import ScantuneError
from scantune.tasks import directions
from scantune.tasks.build import build_task
from scantune.tasks.directions import direction, epoch_directions, lower_is_better, monitor_fault, named_ranges
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.subgroups import grouping_columns

#: What each task keeps of some samples, and their targets; a task that has none here shows it in tests of its own.
SUMMARISED = {
    "regression": (np.zeros((4, 1)), np.array([[1.0], [6.0], [20.0], [3.0]])),
    "classification": (np.eye(2)[[0, 1, 0]], np.array([0, 1, 1])),
    "zones": (np.zeros((3, 6, 5)), np.zeros((3, 6), int)),
    "segmentation": (np.ones((2, 1, 3)), np.zeros(2)),
}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_metric_of_an_epoch_has_a_direction(name: str) -> None:
    schema = SCHEMAS[name]()
    task = build_task(schema, classes=("a", "b"))
    assert set(task.epoch_metrics) == set(schema.epoch_metrics())
    if name in SUMMARISED:
        assert set(task.summarise(*SUMMARISED[name])) == set(task.epoch_metrics)
    assert set(schema.epoch_metrics().values()) <= {"min", "max"}


@pytest.mark.parametrize("name", SUMMARISED)
def test_nothing_is_grouped_by_what_a_task_answers(name: str) -> None:
    reduced, targets = SUMMARISED[name]
    answers = build_task(SCHEMAS[name](), classes=("a", "b")).answers(reduced, targets, {})
    assert grouping_columns(PredictionTable.make(answers)) == []


@pytest.mark.parametrize("name", ["val_mae_below_5", "val_mae_5_to_15", "val_mae_from_15", "val_mean_score_mae"])
def test_errors_are_better_low_whatever_their_name_ends_in(name: str) -> None:
    known = epoch_directions(SCHEMAS["regression"]().epoch_metrics() | SCHEMAS["zones"]().epoch_metrics(), (5, 15))
    assert direction(name, "auto", known) == "min"
    assert direction(name, "max", known) == "max"


def test_tasks_agree_on_the_direction_of_a_name() -> None:
    seen: dict[str, str] = {}
    for schema in SCHEMAS.values():
        for name, way in schema().epoch_metrics().items():
            assert seen.setdefault(name, way) == way


def test_what_is_not_in_the_table_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    custom = directions.CustomMetric(lambda reference, prediction: 0.0)
    monkeypatch.setattr(directions, "CUSTOM", {"surprise_mae": custom})
    known = epoch_directions({"mae": "min"})
    with pytest.raises(ScantuneError, match="'val_surprise_mae' is to be maximised or minimised; set mode"):
        direction("val_surprise_mae", "auto", known)
    assert "set mode" in str(monitor_fault("val_surprise_mae", "auto", known))
    assert monitor_fault("val_surprise_mae", "min", known) is None
    assert "did you mean 'val_mae'?" in str(monitor_fault("val_mea", "min", known))
    assert direction("val_dice_loss", "auto", known) == "min"


def test_ranges_by_hand() -> None:
    assert [name for name, _, _ in named_ranges((5, 15))] == ["below_5", "5_to_15", "from_15"]
    assert named_ranges(()) == []


def test_a_metric_of_one_target_or_finding_has_the_direction_of_the_metric():
    assert lower_is_better(("mae", "brier"), "mae/age")
    assert lower_is_better(("mae", "brier"), "brier/Mass")
    assert not lower_is_better(("mae", "brier"), "r2/age")
