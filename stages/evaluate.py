"""Evaluate an experiment or ensemble: ``python stages/evaluate.py <name>`` → ``outputs/<name>/evaluate/``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scantune.config.load import load
from scantune.pipeline.evaluate import stage as judging
from scantune.pipeline.project import evaluated_block, home_of
from scantune.script import stage_main

if TYPE_CHECKING:
    from scantune.config.params import Params


def run(key: str) -> None:
    """:func:`evaluate` with the files of samples in its errors."""
    from scantune.pipeline.naming import files_named

    params = load()
    with files_named(params, evaluated_block(params, key).dataset):
        evaluate(params, key)


def evaluate(params: Params, key: str) -> None:
    """Predict validation and test, compute every metric with its interval, draw, explain, report, log."""
    from scantune.pipeline.data.sides import sides_of
    from scantune.tracking import RunReference, known_training, open_run

    block, home = evaluated_block(params, key), home_of(params, key)
    trained = known_training(key, home / "train" / "run.json", params.tracking)
    sides = sides_of(params, block.input, block.dataset, folds=bool(block.train.folds))
    with open_run(
        "evaluate",
        key,
        dataset=block.dataset,
        parent=trained.run_id,
        enabled=params.tracking.enabled,
        require=params.tracking.require,
    ) as tracked:
        tracked.params({"task": block.task.model_dump(mode="json"), "evaluate": block.evaluate.model_dump(mode="json")})
        trained = trained.completed(tracked)
        judging.evaluate(params, key, sides, home / "train" / "model", home / "evaluate", tracked, trained)
        RunReference(tracked.run_id, trained.model_id).write(home / "evaluate" / "run.json")


if __name__ == "__main__":
    stage_main(run)
