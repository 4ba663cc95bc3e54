"""Points in the store, counted: each is there once, however often a stage that was killed runs again."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scantune import tracking
from scantune.pipeline.evaluate.stage import log_results
from scantune.tracking import RunReference, open_run


def rows(store: Path, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(store / "mlflow.db")) as database:
        return list(database.execute(query))


def points(store: Path, run_id: str | None) -> list[tuple[str, int, float]]:
    return rows(
        store, f"SELECT key, step, value FROM metrics WHERE run_uuid = '{run_id}' ORDER BY key, step, timestamp"
    )


@pytest.fixture
def trained(store: Path) -> RunReference:
    """A training with a logged model."""
    with open_run("train", "knees", dataset="hips") as run:
        pass
    service = tracking.client()
    experiment = service.get_experiment_by_name("hips").experiment_id
    model = service.create_logged_model(experiment, name="knees", source_run_id=run.run_id)
    return RunReference(run.run_id, model.model_id)


def evaluate(store: Path, trained: RunReference, value: float, *, killed: bool = False) -> str | None:
    """The end of an evaluation; its run, which is never closed where the stage is killed."""
    entry = {"value": value, "lower": 0.7, "upper": 0.9, "n": 10}
    metrics = {"metrics": {"auroc": entry}, "headline": ["auroc"]}
    with open_run("evaluate", "knees", dataset="hips") as run:
        log_results(run, "hips", TenSamples(), metrics, {"auroc": value}, store / "out", trained)  # type: ignore[arg-type]
        run.flush()
        if killed:
            run.close = lambda status: None  # type: ignore[method-assign]
    return run.run_id


class TenSamples:
    """Ten test samples, as an evaluation logs them."""

    digest = "0" * 8

    def __len__(self) -> int:
        return 10


def of_model(store: Path) -> list[tuple[Any, ...]]:
    return rows(store, "SELECT metric_name, metric_value FROM logged_model_metrics ORDER BY metric_timestamp_ms")


@pytest.mark.slow
def test_an_evaluation_that_was_killed_leaves_each_point_once(store: Path, trained: RunReference) -> None:
    evaluate(store, trained, 0.8, killed=True)
    once = points(store, trained.run_id)
    assert once == [
        ("test_auroc", 0, 0.8),
        ("test_auroc_lower", 0, 0.7),
        ("test_auroc_upper", 0, 0.9),
        ("test_n", 0, 10.0),
    ]
    assert of_model(store) == [("test_auroc", 0.8)]
    again = evaluate(store, trained, 0.8)
    assert points(store, trained.run_id) == once
    assert of_model(store) == [("test_auroc", 0.8)]
    assert ("test_auroc", 0, 0.8) in points(store, again), "the run of the second evaluation has its values too"


def test_a_value_that_comes_back_after_another_is_the_last_again(store: Path, trained: RunReference) -> None:
    for value in (0.8, 0.6, 0.8):
        evaluate(store, trained, value)
    values = [value for key, _, value in points(store, trained.run_id) if key == "test_auroc"]
    assert values == [0.8, 0.6, 0.8]
    assert tracking.client().get_run(trained.run_id).data.metrics["test_auroc"] == 0.8
    assert [value for _, value in of_model(store)] == [0.8, 0.6, 0.8]


def test_a_training_that_was_killed_at_its_end_and_resumed_leaves_each_point_once(store: Path) -> None:
    resume = None
    for _ in range(2):
        with open_run("train", "knees", dataset="hips", resume=resume) as run:
            for epoch in (1, 2, 3):
                run.metrics({"train_loss": 1 / epoch}, epoch)
            run.metrics({"validation_auroc": 0.75, "validation_brier_score": 0.1})
            run.flush()
            resume = run.run_id
    assert points(store, resume) == [
        *(("train_loss", epoch, 1 / epoch) for epoch in (1, 2, 3)),
        ("validation_auroc", 0, 0.75),
        ("validation_brier_score", 0, 0.1),
    ]


class Unanswered:
    """A client whose calls reach the store, but whose answers are lost while it is down."""

    def __init__(self, service: Any) -> None:
        self.service, self.down = service, True

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            answer = getattr(self.service, name)(*arguments, **keywords)
            if self.down and name == "log_batch":
                raise ConnectionError("no answer")
            return answer

        return call


def test_points_whose_answer_was_lost_are_there_once_after_the_outbox_is_sent(store: Path) -> None:
    with open_run("train", "knees", dataset="hips") as run:
        run.service = Unanswered(run.service)
        run.metrics({"validation_auroc": 0.75})
        with pytest.raises(ConnectionError):
            run.send([(1, {"train_loss": 0.5})])
        time.sleep(0.01)
        run.service.down = False
        run.send([(1, {"train_loss": 0.5})])
        run.service.down = True
    assert list((store / ".scantune/pending").glob("*.jsonl"))
    with open_run("index", "hips", dataset="hips"):
        pass
    assert points(store, run.run_id) == [("train_loss", 1, 0.5), ("validation_auroc", 0, 0.75)]
    assert not list((store / ".scantune/pending").glob("*.jsonl"))


def test_what_the_training_run_did_not_take_is_sent_by_the_next_stage(store: Path, trained: RunReference) -> None:
    with open_run("evaluate", "knees", dataset="hips") as run:
        other = run.other(str(trained.run_id))
        other.service = SimpleNamespace(log_batch=None)  # a server that is away
        other.metrics({"test_auroc": 0.8})
        other.tags({"scantune.headline": "auroc"})
        other.close(None)
    assert points(store, trained.run_id) == []
    with open_run("index", "hips", dataset="hips"):
        pass
    assert points(store, trained.run_id) == [("test_auroc", 0, 0.8)]
    tracked = tracking.client().get_run(trained.run_id)
    assert tracked.data.tags["scantune.headline"] == "auroc"
    assert tracked.info.status == "FINISHED"
