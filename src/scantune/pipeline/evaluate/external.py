"""External validation: a trained model on another dataset, its metrics there and their difference from home."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.amounts import number_of
from scantune.pipeline.evaluate.across import HOME, difference
from scantune.pipeline.evaluate.evaluation import Evaluation
from scantune.pipeline.project import evaluated_block, home_of
from scantune.records import ScantuneError
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.predictions_file import read

if TYPE_CHECKING:
    from scantune.config.params import ExperimentConfig, ExternalConfig, ExternalEnsembleConfig, Params
    from scantune.pipeline.answers import Answers
    from scantune.pipeline.data.sides import Sides
    from scantune.pipeline.predictors import Predictors
    from scantune.registry.model import ModelFacts


def check_inputs(key: str, params: Params, facts: ModelFacts) -> None:
    """Check that the other dataset is prepared like the model's training data.

    Args:
        key: the block's name in ``external``.
        params: all settings.
        facts: of the model.

    Raises:
        ScantuneError: settings that change the tensors differ; which, and both values.
    """
    from scantune.preprocess.agreement import differing

    block = params.externals[key]
    group = "external" if key in params.external else "external_ensembles"
    odd = differing(params.inputs[block.input], facts.input)
    if odd:
        differences = "; ".join(
            f"{name} is {theirs}, the model's {model_value}" for name, (theirs, model_value) in odd.items()
        )
        raise ScantuneError(
            f"{group}.{key}.input: {block.input!r} prepares files differently from the training data of "
            f"{block.experiment!r} ({differences}); use the same settings"
        )


def validation_rows(path: Path) -> PredictionTable | None:
    """The experiment's own validation rows, on which thresholds and calibration are chosen; None without any."""
    table = read(path)
    rows = table.split == "validation"
    return table.take(rows) if rows.any() else None


def section(
    block: ExternalConfig | ExternalEnsembleConfig, home: Mapping[str, Any], away: Mapping[str, Any], *, known: int = 0
) -> dict[str, Any]:
    """The ``external`` section of ``metrics.json``: the model, and each headline metric at home, here and as
    difference.

    Args:
        block: of ``external``.
        home: metrics of the experiment's own test.
        away: metrics here.
        known: samples here that the model was trained on.
    """
    comparisons = {
        name: {
            "home": home["metrics"][name],
            "away": away["metrics"][name],
            "difference": difference(home["metrics"][name], away["metrics"][name]),
        }
        for name in away["headline"]
        if name in away["metrics"] and name in home["metrics"]
    }
    return {
        "experiment": block.experiment,
        "dataset": block.dataset,
        "difference": "external − own test",
        "trained_on": known,
        **comparisons,
    }


def cohort(block: ExperimentConfig, cache: Path) -> PredictionTable:
    """Samples of the simple baselines: the model's training side to fit them, the other dataset to test them.

    Args:
        block: the experiment's.
        cache: of the other data set's input.
    """
    from scantune.pipeline.evaluate.stage import covariates_of, stacked
    from scantune.tasks.baselining import cohort_table

    home, manifest = covariates_of(block), read(cache / "manifest.csv")
    tested = manifest.with_columns({"split": ["test"] * len(manifest)})
    away = cohort_table(manifest, tested, block.task)
    return stacked([home.take(home.split == "train"), away])


def evaluation_of(
    params: Params,
    key: str,
    predictors: Predictors,
    sides: Sides,
    table: PredictionTable,
    metrics: dict[str, Any],
    answers: Answers,
) -> Evaluation:
    """The evaluation of the block ``external.<key>``.

    The checks of the maps are not repeated: they ran on the model's own test data.
    """
    block = params.externals[key]
    experiment = evaluated_block(params, block.experiment)
    saliency = experiment.evaluate.saliency.model_copy(update={"checks": False})
    evaluate = experiment.evaluate.model_copy(
        update={"saliency": saliency, "case_mix": {}}
    )  # its levels are the test set's
    source = home_of(params, block.experiment) / "train"
    return Evaluation(
        params,
        block.experiment,
        experiment.model_copy(update={"evaluate": evaluate}),
        predictors.facts,
        source / "model",
        sides,
        table,
        metrics,
        HOME / key,
        trained=source,
        dataset=block.dataset,
        name=f"{block.experiment} on {block.dataset}",
        card=False,
        predictors=predictors,
        answers=answers,
    )


def in_words(comparisons: Mapping[str, Any]) -> list[str]:
    """The section as lines for the terminal."""
    lines = []
    if comparisons.get("trained_on"):
        lines.append(
            f"{number_of(comparisons['trained_on'], 'sample')} of {comparisons['dataset']}: files or subjects "
            f"that the model of {comparisons['experiment']} was trained on: that is no external test of "
            f"them; leave them out by datasets.{comparisons['dataset']}.where"
        )
    for name, entry in comparisons.items():
        if not isinstance(entry, Mapping):
            continue
        change = entry["difference"]
        if change["lower"] is None:
            lines.append(f"{name}: {change['reason']}")
            continue
        lines.append(
            f"{name}: {entry['home']['value']:.4f} at home, {entry['away']['value']:.4f} here, "
            f"{change['value']:+.4f} ({change['lower']:+.4f} … {change['upper']:+.4f})"
        )
    return lines
