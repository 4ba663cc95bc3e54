"""What covariates add to the image: the section ``covariates`` of ``metrics.json``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scantune.pipeline.data.sides import Sides
from scantune.pipeline.predictions import predictions_of
from scantune.pipeline.predictors import Predictors
from scantune.tasks import baselining, scoring
from scantune.tasks.catalogue import optional_part
from scantune.tasks.predictions import PredictionTable

if TYPE_CHECKING:
    from scantune.config.evaluate import EvaluateConfig
    from scantune.tasks.base import TaskSettings


def section(
    predictors: Predictors,
    schema: TaskSettings,
    settings: EvaluateConfig,
    sides: Sides,
    table: PredictionTable,
    cohort: PredictionTable,
    batch_size: int = 8,
) -> dict[str, Any] | None:
    """Metrics of the image alone and of the covariates alone, with the paired differences of both together from them.

    The image alone: the same networks, all covariates unknown. Covariates alone: the simple model of the baselines
    (logistic, linear or Cox), fitted on the training set.

    Args:
        predictors: the model's.
        schema: the ``task:`` block.
        settings: the ``evaluate:`` block.
        sides: the samples.
        table: predictions from image and covariates.
        cohort: training and test samples with targets and covariates.
        batch_size: samples at once.

    Returns:
        ``columns`` as text, ``fusion``, ``dropout`` (share of the training samples with unknown covariates), and
        metrics by name of ``image`` and ``covariates``; None of a model without covariates.
    """
    covariates = predictors.served.covariates
    if covariates is None:
        return None
    fusion: Any = predictors.networks[0].fusion
    rows = scoring.rows_of(table, "test")
    tested = set(table.sample_id[rows].tolist())
    unknown = dict.fromkeys(covariates.names, "")
    members = [replace(m, groups={**m.groups, **unknown}) for m in sides.members if m.sample_id in tested]
    image = predictions_of(predictors, schema, replace(sides, members=tuple(members)), batch_size=batch_size)
    image = image.take(image.split == "test")
    analyses = optional_part(schema.name, "analyses")
    alone = baselining.predictions(
        analyses, scoring.parse(table, schema), table, rows, cohort, covariates.names
    ).tables.get("covariates")
    options = {name: getattr(settings, name) for name in ("draws", "seed", "confidence")}
    others = {"image": image} | ({} if alone is None else {"covariates": alone})
    return {
        "columns": [column.describe() for column in covariates.columns],
        "fusion": fusion.kind,
        "dropout": fusion.dropout,
        **scoring.compared_with(table, schema, others, **options),
    }
