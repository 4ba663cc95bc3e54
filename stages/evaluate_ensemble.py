"""Evaluate an ensemble: ``python stages/evaluate_ensemble.py <name in ensembles>`` → ``ensembles/<name>/``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scantune.config.load import load
from scantune.pipeline.evaluate import reporting
from scantune.pipeline.evaluate import stage as judging
from scantune.pipeline.evaluate.evaluation import Evaluation
from scantune.pipeline.project import block_of, named
from scantune.script import stage_main


def run(key: str) -> None:
    """Compute and draw the metrics of the averaged predictions of ``ensembles.<key>``, and log them."""
    from scantune.pipeline.data.sides import sides_of
    from scantune.pipeline.evaluate.ensembles import digest_of
    from scantune.registry.looks import look
    from scantune.registry.model import read_facts
    from scantune.tasks.predictions import read
    from scantune.tracking import RunReference, open_run

    params = load()
    block, out = named(params, "ensembles", key), Path("ensembles") / key
    first = block_of(params, block.members[0])
    table = read(out / "predictions.csv")
    sides = sides_of(params, first.input, first.dataset)
    tested = set(table.sample_id[table.split == "test"])
    test = sides.only(tested)
    with open_run(
        "evaluate",
        key,
        dataset=first.dataset,
        enabled=params.tracking.enabled,
        require=params.tracking.require,
    ) as tracked:
        tracked.params({"members": ",".join(block.members), "evaluate": block.evaluate.model_dump(mode="json")})
        digest = digest_of(block.members, table)
        seen = look(tracked, test=test.source_digest, model=digest, key=key, locked=block.evaluate.locked)
        metrics, summary = judging.write_figures(
            table,
            first.task,
            block.evaluate,
            out,
            seen,
            calibration=first.train.calibration,
            miscoverage=first.train.miscoverage,
            cohort=judging.covariates_of(first),
        )
        facts = read_facts(Path("outputs") / block.members[0] / "train" / "model")
        averaged = first.model_copy(
            update={"evaluate": block.evaluate, "description": f"The mean of {', '.join(block.members)}."}
        )
        given = Evaluation(params, key, averaged, facts, None, sides, table, metrics, out)
        reporting.finish(replace(given, members=tuple(block.members), card=False))
        judging.log_results(tracked, f"{first.dataset} test", test, metrics, summary, out, RunReference(None))
        RunReference(tracked.run_id).write(out / "run.json")


if __name__ == "__main__":
    stage_main(run)
