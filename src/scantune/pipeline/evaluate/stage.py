"""The evaluate stage: predictions, metrics, figures and report, and their logging to MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scantune.files import remove_half, write_json
from scantune.pipeline.answers import Answers
from scantune.pipeline.data.sides import Side, Sides
from scantune.pipeline.evaluate import covariates, distances, folders, reporting
from scantune.pipeline.evaluate.evaluation import Evaluation
from scantune.pipeline.predictions import open_predictors, predictions_of
from scantune.pipeline.project import evaluated_block, group_of
from scantune.records import ScantuneError
from scantune.registry.looks import Look, look
from scantune.registry.model import ModelFacts, read_facts, weights_digest
from scantune.registry.pages import HEADLINE, headline_of
from scantune.tasks import figures, scoring
from scantune.tasks.predictions import PredictionTable, write
from scantune.tasks.protocol import MaskTask
from scantune.tracking import Run, RunReference

if TYPE_CHECKING:
    from scantune.config.evaluate import EvaluateConfig
    from scantune.config.params import ExperimentConfig, Params
    from scantune.tasks.base import TaskSettings


def evaluate(
    params: Params, key: str, sides: Sides, model: Path, out: Path, run: Run, trained: RunReference
) -> dict[str, Any]:
    """Write predictions, figures, maps, errors and the report to ``out``; log them.

    Args:
        params: all settings.
        key: the experiment or ensemble.
        sides: its samples.
        model: the trained model's folder.
        out: ``outputs/<experiment>/evaluate``, ``ensembles/<ensemble>/evaluate``.
        run: the MLflow run.
        trained: run and logged model of the train stage.

    Returns:
        ``metrics.json``.
    """
    from scantune.models.named import FOR_NETWORK, check_maps

    block, ensemble = evaluated_block(params, key), params.ensembles.get(key)
    facts = read_facts(model)
    test = sides.side("test")
    predictors, answers = open_predictors(block.task, facts, model, block.train.device), Answers()
    if block.evaluate.saliency.enabled:
        maps = block.evaluate.saliency.model_dump(include=FOR_NETWORK)
        check_maps(f"{group_of(params, key)}.{key}.evaluate.saliency.", predictors.networks, **maps)
    test_look = look(run, test=test.source_digest, model=weights_digest(model), key=key, locked=block.evaluate.locked)
    remove_half(out)
    folder = masks_folder(out, block.evaluate)
    table = predictions_of(
        predictors, block.task, sides, batch_size=block.train.batch_size, answers=answers, masks=folder
    )
    write(table, out / "predictions.csv")
    metrics, summary = write_figures(
        table,
        block.task,
        block.evaluate,
        out,
        test_look,
        calibration=block.train.calibration,
        miscoverage=block.train.miscoverage,
        cohort=covariates_of(block),
        **fit_of(facts),
        beside=beside(block.task, facts, sides, table),
        units=units_of(test),
    )
    if (distance := distances.section(table, block.task, block.evaluate)) is not None:
        metrics["distance"] = distance
    beside_image = covariates.section(
        predictors, block.task, block.evaluate, sides, table, covariates_of(block), block.train.batch_size
    )
    if beside_image is not None:
        metrics["covariates"] = beside_image
    reporting.finish(
        Evaluation(
            *(params, key, block, facts, model, sides, table, metrics, out),
            members=tuple(ensemble.members) if ensemble else (),
            predictors=predictors,
            answers=answers,
        )
    )
    log_results(run, f"{block.dataset} test", test, metrics, summary, out, trained)
    folders.say_why_empty(out)
    return metrics


def masks_folder(out: Path, settings: EvaluateConfig) -> Path | None:
    """The folder of the predicted masks, an output of the stage that is always created; None where none are written."""
    folder = folders.opened(out / "masks")
    return folder if settings.write_masks else None


def fit_of(facts: ModelFacts) -> dict[str, Any]:
    """Keywords of :func:`scantune.tasks.scoring.evaluate` on how the model's predictions were calibrated.

    With calibration out of fold there is no single calibrator.
    """
    one = facts.fitted.get("calibration") if "out_of_fold" not in facts.fitted else None
    return {"calibrated_by": one, "served": facts.fitted}


def write_figures(
    table: PredictionTable,
    schema: TaskSettings,
    settings: EvaluateConfig,
    out: Path,
    test_look: Look,
    *,
    fitted_on: PredictionTable | None = None,
    units: figures.Units | None = None,
    **options: Any,
) -> tuple[dict[str, Any], dict[str, float | None]]:
    """Predictions to ``metrics.json``, ``summary.json`` and ``figures/`` in ``out``.

    Args:
        table: the predictions.
        schema: the ``task:`` block.
        settings: the ``evaluate:`` block.
        out: the folder.
        test_look: the number of this look at the test set.
        fitted_on: validation rows for thresholds and calibration, if ``table`` has none.
        units: of lengths and sizes of masks.
        **options: other keywords of :func:`scantune.tasks.scoring.evaluate`.

    Returns:
        ``metrics.json`` and ``summary.json``.

    Raises:
        ScantuneError: ``evaluate.primary`` is no headline metric of the task.
    """
    rows = table if fitted_on is None else stacked([table, fitted_on])
    chosen = ("draws", "seed", "confidence", "groups", "age_bands", "min_group", "covariates", "case_mix")
    metrics = scoring.evaluate(rows, schema, **{name: getattr(settings, name) for name in chosen}, **options)
    if settings.primary is not None and settings.primary not in metrics["headline"]:
        raise ScantuneError(
            f"evaluate.primary: {settings.primary!r} is none of the metrics by which models are compared: "
            f"{', '.join(metrics['headline'])}"
        )
    metrics["test_set"] = test_look.as_dict()
    if in_units := figures.units_of(schema, metrics, units):
        metrics["units"] = in_units
    write_json(out / "metrics.json", metrics)
    summary = scoring.summary(metrics)
    write_json(out / "summary.json", summary)
    figures.save_all(figures.draw(rows, schema, metrics, units=units), out / "figures")
    return metrics, summary


def units_of(side: Side) -> figures.Units:
    """Units of lengths and sizes on a side: millimetres, or pixels if a sample has no spacing."""
    spaced = bool(len(side)) and all(member.row.get("spacing") for member in side)
    return figures.Units.of(spaced, len(side[0].shape) - 1 if len(side) else 2)


def beside(
    schema: TaskSettings, facts: ModelFacts, sides: Sides, table: PredictionTable, home: Sides | None = None
) -> dict[str, PredictionTable]:
    """Baselines that need the images: those of masks; fitted on ``home`` if ``sides`` are of another dataset."""
    if not schema.mask_classes:
        return {}
    from scantune.pipeline.evaluate.mask_baselines import mask_baselines
    from scantune.pipeline.predictions import task_of

    return mask_baselines(cast(MaskTask, task_of(schema, facts)), sides, table, home=home)


def stacked(tables: Sequence[PredictionTable]) -> PredictionTable:
    """Concatenate the rows of several tables; a column that a table lacks is empty there."""
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    parts = {
        name: [table.text(name) if name in table else np.full(len(table), "", dtype=object) for table in tables]
        for name in names
    }
    return PredictionTable({name: np.concatenate(part) for name, part in parts.items()}, tables[0].name)


def covariates_of(block: ExperimentConfig) -> PredictionTable:
    """All sides with their targets and covariates, for the simple baseline models."""
    from scantune.tasks.baselining import cohort_table
    from scantune.tasks.predictions_file import read

    manifest = Path("data/cache") / block.input / "manifest.csv"
    splits = read(Path("data/splits") / block.dataset / "splits.csv")
    if block.train.folds and "fold" in splits:
        splits = splits.with_columns({"split": np.where(splits.text("fold") != "", "train", splits.split)})
    return cohort_table(read(manifest), splits, block.task)


def log_results(
    run: Run,
    dataset: str,
    test: Side,
    metrics: dict[str, Any],
    summary: dict[str, Any],
    out: Path,
    trained: RunReference,
    *,
    prefix: str = "test",
) -> None:
    """Log every metric to the run, with the model and the test data, and the headline metrics to the train run too.

    Args:
        run: the run of this stage.
        dataset: name of the test data.
        test: their samples.
        metrics: ``metrics.json``.
        summary: ``summary.json``.
        out: folder with the files.
        trained: run and logged model of the train stage.
        prefix: of the headline metrics on the train run.
    """
    if not run.on:
        return
    data = (dataset, test.digest)
    run.dataset(*data, context="test", rows=len(test))
    values = {f"test_{name}": entry["value"] for name, entry in metrics["metrics"].items()}
    run.metrics(values, model_id=trained.model_id, dataset=data)
    bounds = {
        f"test_{name}_{bound}": metrics["metrics"][name][bound]
        for name in metrics["headline"]
        if name in metrics["metrics"]
        for bound in ("lower", "upper")
    }
    run.metrics(bounds)
    for name in ("predictions.csv", "metrics.json", "errors.csv", "report.html", "cases.html", "model_card.md"):
        if (out / name).exists():
            run.artifact(out / name)
    for name in ("figures", "saliency"):
        if (out / name).is_dir() and any((out / name).iterdir()):
            run.artifact(out / name, name)
    if trained.run_id:
        parent, primary = run.other(trained.run_id), next(iter(summary), "")
        entry = metrics["metrics"].get(primary, {})
        bounds = {f"{primary}_{bound}": entry.get(bound) for bound in ("lower", "upper")} | {"n": entry.get("n")}
        parent.metrics({f"{prefix}_{name}": value for name, value in {**summary, **bounds}.items()})
        if prefix == "test":
            parent.tags({HEADLINE: headline_of(summary)})
        parent.close(None)
