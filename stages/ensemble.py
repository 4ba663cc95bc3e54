"""Join models: ``python stages/ensemble.py <name in ensembles>`` → ``ensembles/<name>/train/``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scantune.config.load import load
from scantune.pipeline.project import named
from scantune.script import stage_main

if TYPE_CHECKING:
    from scantune.config.params import Params


def run(key: str) -> None:
    """:func:`join` with the files of samples in its errors."""
    from scantune.pipeline.naming import files_named

    params = load()
    with files_named(params, named(params, "ensembles", key).dataset):
        join(params, key)


def join(params: Params, key: str) -> None:
    """Make one model of the networks of the members of ``ensembles.<key>``, fit it on validation, log it."""
    from scantune.pipeline.train import ensembles
    from scantune.tracking import RunReference, open_run

    block = named(params, "ensembles", key)
    models = ensembles.members_of(params, key)
    out = Path("ensembles") / key / "train"
    plan = ensembles.plan_of(params, key, models)
    with open_run(
        "ensemble",
        key,
        dataset=block.dataset,
        description=f"Everything done on the dataset {block.dataset}.",
        enabled=params.tracking.enabled,
        require=params.tracking.require,
    ) as tracked:
        out.mkdir(parents=True, exist_ok=True)
        model_id = ensembles.finish(tracked, plan, models, out)
        RunReference(tracked.run_id, model_id).write(out / "run.json")


if __name__ == "__main__":
    stage_main(run)
