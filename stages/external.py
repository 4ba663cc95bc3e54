"""A model on another dataset: ``python stages/external.py <name in external>`` → ``outputs/external/<name>/``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scantune.config.load import load
from scantune.pipeline.project import evaluated_block, external_block, home_of
from scantune.script import stage_main

if TYPE_CHECKING:
    from scantune.config.params import Params


def run(key: str) -> None:
    """:func:`evaluate` with the files of samples in its errors."""
    from scantune.pipeline.naming import files_named

    params = load()
    with files_named(params, external_block(params, key).dataset):
        evaluate(params, key)


def evaluate(params: Params, key: str) -> None:
    """Evaluate the model of ``external.<key>``, or that of ``external_ensembles.<key>``, on all of another dataset."""
    from scantune.pipeline.answers import Answers
    from scantune.pipeline.data import training_cohort
    from scantune.pipeline.data.seen import seen_by_model
    from scantune.pipeline.data.sides import sides_of
    from scantune.pipeline.evaluate import across, covariates, distances, external, folders, reporting
    from scantune.pipeline.evaluate import stage as judging
    from scantune.pipeline.predictions import open_predictors, predictions_of
    from scantune.registry.looks import look
    from scantune.registry.model import read_facts, weights_digest
    from scantune.tables import write_rows
    from scantune.tasks.predictions import write
    from scantune.tasks.predictions_file import read
    from scantune.tracking import RunReference, known_training, open_run

    block = external_block(params, key)
    experiment = evaluated_block(params, block.experiment)
    source, out = home_of(params, block.experiment), across.HOME / key
    model = source / "train" / "model"
    trained = known_training(block.experiment, source / "train" / "run.json", params.tracking)
    facts = read_facts(model)
    external.check_inputs(key, params, facts)
    home = json.loads((source / "evaluate" / "metrics.json").read_text())
    sides = sides_of(params, block.input, None)
    home_sides = sides_of(params, experiment.input, experiment.dataset, folds=bool(experiment.train.folds))
    with open_run(
        "external",
        key,
        dataset=experiment.dataset,
        parent=trained.run_id,
        enabled=params.tracking.enabled,
        require=params.tracking.require,
    ) as tracked:
        tracked.params({"external": block.model_dump(mode="json")})
        trained = trained.completed(tracked)
        test_look = look(
            tracked, test=sides.all_samples.source_digest, model=weights_digest(model), key=block.experiment
        )
        predictors, answers = open_predictors(experiment.task, facts, model, experiment.train.device), Answers()
        folder, batch_size = judging.masks_folder(out, experiment.evaluate), experiment.train.batch_size
        table = predictions_of(predictors, experiment.task, sides, batch_size=batch_size, answers=answers, masks=folder)
        cohort = external.cohort(experiment, sides.cache)
        out.mkdir(parents=True, exist_ok=True)
        write(table, out / "predictions.csv")
        metrics, summary = judging.write_figures(
            table,
            experiment.task,
            experiment.evaluate,
            out,
            test_look,
            fitted_on=external.validation_rows(source / "evaluate" / "predictions.csv"),
            calibration=experiment.train.calibration,
            miscoverage=experiment.train.miscoverage,
            cohort=cohort,
            **judging.fit_of(facts),
            beside=judging.beside(experiment.task, facts, sides, table, home=home_sides),
            units=judging.units_of(sides.all_samples),
        )
        known = seen_by_model(params, block.experiment, block.dataset, home_sides, sides.all_samples)
        metrics["external"] = external.section(block, home, metrics, known=len(known))
        own = read(source / "evaluate" / "predictions.csv")
        if (distance := distances.section(table, experiment.task, experiment.evaluate, own)) is not None:
            metrics["distance"] = distance
        if (beside_training := training_cohort.shifts(facts.training.get("cohort") or {}, sides.all_samples)) != {}:
            metrics["cohort"] = beside_training
        beside_image = covariates.section(
            *(predictors, experiment.task, experiment.evaluate, sides, table, cohort),
            experiment.train.batch_size,
        )
        if beside_image is not None:
            metrics["covariates"] = beside_image
        pair = (experiment.dataset, home), {block.dataset: metrics}
        across.draw_across(block.experiment, *pair, out / "figures")
        write_rows(out / "table.csv", across.table_rows(*pair))
        reporting.finish(external.evaluation_of(params, key, predictors, sides, table, metrics, answers))
        judging.log_results(
            tracked,
            block.dataset,
            sides.all_samples,
            metrics,
            summary,
            out,
            trained,
            prefix=f"external_{block.dataset}",
        )
        tracked.artifact(out / "table.csv")
        folders.say_why_empty(out)
        RunReference(tracked.run_id, trained.model_id).write(out / "run.json")
    for line in [*external.in_words(metrics["external"]), *distances.in_words(metrics.get("distance"))]:
        print(line)


if __name__ == "__main__":
    stage_main(run)
