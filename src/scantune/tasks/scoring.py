"""Predictions of any tool to ``metrics.json``: the entry point of ``scantune score`` and of the evaluate stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scantune.files import write_json
from scantune.statistics.estimate import Estimate, jsonable
from scantune.statistics.resampling import Resampler
from scantune.tasks import aggregating, baselining, casemix, confounding, subgroups
from scantune.tasks.catalogue import optional_part, part
from scantune.tasks.context import Analyses, Context
from scantune.tasks.custom import metrics_of
from scantune.tasks.foreign import load, settings_for
from scantune.tasks.pairing import with_differences
from scantune.tasks.plan import carry_out
from scantune.tasks.predictions import Faults, PredictionsError, PredictionTable
from scantune.tasks.predictions_file import File, read

AGE_BANDS = (2.0, 12.0, 18.0, 40.0, 65.0, 80.0)


def parse(table: PredictionTable, task: Any) -> Any:
    """What a task reads from a predictions table, checked completely; a table is parsed once.

    Raises:
        PredictionsError: with every fault of the table.
    """
    for settings, data in table.parsed:
        if settings == task:
            return data
    faults = Faults(table.lines)
    table.check(faults)
    data = metrics_of(task.name).parse(table, task, faults)
    faults.raise_for(table.name)
    table.parsed.append((task, data))
    return data


def evaluate(
    predictions: PredictionTable,
    task: Any,
    *,
    split: str = "test",
    draws: int = 2000,
    seed: int = 42,
    confidence: float = 0.95,
    groups: Sequence[str] | None = None,
    age_bands: Sequence[float] = AGE_BANDS,
    min_group: int = 20,
    calibration: str = "temperature",
    miscoverage: float = 0.1,
    cohort: PredictionTable | None = None,
    covariates: Sequence[str] = ("age", "sex", "volume", "mean"),
    calibrated_by: Mapping[str, Any] | None = None,
    served: Mapping[str, Any] | None = None,
    beside: Mapping[str, PredictionTable] | None = None,
    case_mix: casemix.CaseMix | None = None,
) -> dict[str, Any]:
    """All metrics of a predictions table, in the structure of ``metrics.json``.

    Args:
        predictions: rows of test, and of validation where calibration, operating points and conformal sets are wanted.
        task: settings of the task (a block of its ``schema``).
        split: the rows that the figures are of.
        draws: resampling draws.
        seed: of the draws.
        confidence: level of the intervals.
        groups: columns to form subgroups by; None: all that belong to no task.
        age_bands: years at which a band of the column ``age`` begins.
        min_group: subgroups with fewer subjects are marked as small.
        calibration: what is fitted on validation: ``temperature``, ``isotonic`` or ``none``.
        miscoverage: of conformal intervals and sets.
        cohort: ``sample_id``, ``split``, targets and covariates of all sides, for the baselines; None: the baselines
            are fitted on the validation rows of ``predictions``.
        covariates: columns that the baseline model may use.
        calibrated_by: the calibrator that the probabilities have gone through; None: none that is known of.
        served: what the model that made the predictions was fitted with (``conformal``, ``fitted_on`` in words): the
            conformal figures are then of its own intervals or sets, as they stand in the table. None: of intervals or
            sets that are fitted here on validation.
        beside: further baselines by name: predictions of the rows of ``split``, in their order.
        case_mix: grouping column to level to share: the headline metrics with the rows weighted to it are the section
            ``standardised``.

    Returns:
        ``metrics``, ``subgroups``, ``baselines`` and the task's further sections; with ``cohort`` ``confounders``, see
        :mod:`scantune.tasks.confounding`; ``covariates_left_out`` where a covariate is, or determines, the target;
        ``baselines_left_out``, why there are none.
        Where the task joins samples (``aggregate``), these are of the joined rows and ``levels`` has the figures of
        both.

    Raises:
        PredictionsError: with every fault of the table.
    """
    parse(predictions, task)
    joined = joined_table(predictions, task)
    # a temperature is undone sample by sample, not of what was joined
    known, sets = (calibrated_by, served) if joined is predictions else (None, None)
    options = _Options(
        *(split, draws, seed, confidence, groups, age_bands, min_group, calibration, miscoverage, known, sets),
        case_mix=case_mix or {},
    )
    out = _evaluate_level(joined, task, options)
    out["settings"]["baselines_fitted_on"] = "validation" if cohort is None else "training"
    out["baselines"], fitted = _baselines(predictions, task, options, cohort, covariates, beside or {})
    left_out = {"covariates_left_out": fitted.left_out, "baselines_left_out": fitted.reason}
    out |= {name: what for name, what in left_out.items() if what}
    if cohort is not None and (confounders := _confounders(predictions, joined, task, options, cohort)):
        out["confounders"] = confounders
    if joined is not predictions:
        samples = _evaluate_level(predictions, task, options, short=True)
        out["levels"] = {"sample": samples["metrics"], task.aggregate.by: out["metrics"]}
        out["aggregate"] = {"rule": task.aggregate.name, "by": task.aggregate.by}
    return jsonable(out)


@dataclass(frozen=True)
class _Options:
    """Keywords of :func:`evaluate`, passed on."""

    split: str
    draws: int
    seed: int
    confidence: float
    groups: Sequence[str] | None
    age_bands: Sequence[float]
    min_group: int
    calibration: str
    miscoverage: float
    calibrated_by: Mapping[str, Any] | None = None
    served: Mapping[str, Any] | None = None
    case_mix: casemix.CaseMix = field(default_factory=dict)


def joined_table(table: PredictionTable, task: Any) -> PredictionTable:
    """The table with samples joined as the task states, joined once; the same table where it states nothing.

    Raises:
        PredictionsError: class targets differ within what is to be joined.
    """
    if getattr(task, "aggregate", None) is None:
        return table
    for settings, joined in table.joined:
        if settings == task:
            return joined
    faults = Faults(table.lines)
    joined = aggregating.join(table, task.aggregate, faults, exclusive=task.exclusive)
    faults.raise_for(table.name)
    table.joined.append((task, joined))
    return joined


def rows_of(table: PredictionTable, split: str) -> np.ndarray:
    """Indices of the rows of a split.

    Raises:
        PredictionsError: there are none.
    """
    rows = np.flatnonzero(table.split == split)
    if not len(rows):
        known = ", ".join(sorted(set(table.split.tolist())))
        raise PredictionsError(f"{table.name}: no row has split {split}; there are {known}")
    return rows


def resampler_of(table: PredictionTable, rows: np.ndarray, draws: int, seed: int) -> Resampler:
    """Draws of the subjects of ``rows``, for statistics that name rows of the whole table."""
    resampler = Resampler(table.subject_id[rows].astype(str), draws, seed)
    codes = np.zeros(len(table), np.int64)
    codes[rows] = resampler.codes
    resampler.codes = codes
    return resampler


def _evaluate_level(table: PredictionTable, task: Any, options: _Options, short: bool = False) -> dict[str, Any]:
    """Figures of one level, samples or joined rows; ``short``: the task's figures alone."""
    module = metrics_of(task.name)
    data = parse(table, task)
    rows = rows_of(table, options.split)
    resampler = resampler_of(table, rows, options.draws, options.seed)
    (overall,) = carry_out([module.plan(data, rows, confidence=options.confidence)], resampler, options.confidence)
    if short:
        return {"metrics": overall.figures}
    named = subgroups.grouping_columns(table) if options.groups is None else options.groups
    labels = subgroups.levels(table, [g for g in named if g in table], options.age_bands)
    grouped = dict(labels)
    labels |= module.ranges_of(data) if hasattr(module, "ranges_of") else {}
    by_group = subgroups.adjusted(
        subgroups.figures(
            *(module, data, rows, labels, resampler), confidence=options.confidence, min_group=options.min_group
        )
    )
    crossed = casemix.intersections(
        *(module, data, rows, grouped, resampler), confidence=options.confidence, min_group=options.min_group
    )
    weighted = {}
    if options.case_mix:
        weighted = casemix.standardised(module, data, rows, grouped, options.case_mix, resampler, options.confidence)
    fitted_on = np.flatnonzero(table.split == "validation") if options.split != "validation" else rows[:0]
    context = Context(
        *(table, rows, fitted_on, labels, resampler),
        *(options.confidence, options.calibration, options.miscoverage, options.min_group, options.calibrated_by),
        served=options.served,
    )
    analyses = optional_part(task.name, "analyses")
    more = analyses.run(data, context) if analyses is not None else Analyses()
    for column, levels in more.subgroups.items():
        for level, figures in levels.items():
            by_group.setdefault(column, {}).setdefault(level, {}).update(figures)
    return {
        "task": task.name,
        "split": options.split,
        "n": len(rows),
        "n_subjects": resampler.n_subjects,
        "settings": {name: getattr(options, name) for name in ("draws", "seed", "confidence", "min_group")},
        "headline": list(module.headline_names(data)),
        "metrics": overall.figures | more.figures,
        "subgroups": by_group,
        **subgroups.left_out(labels, rows),
        **({"intersections": subgroups.adjusted(crossed)} if crossed else {}),
        **({"standardised": weighted} if weighted else {}),
        "baselines": {},
        "external": {},
        "saliency": {},
        **more.sections,
    }


def _baselines(
    table: PredictionTable,
    task: Any,
    options: _Options,
    cohort: PredictionTable | None,
    covariates: Sequence[str],
    beside: Mapping[str, PredictionTable],
) -> tuple[dict[str, Any], baselining.Baselines]:
    """Headline metrics of each baseline on the same rows, with the model's paired difference; what was fitted."""
    analyses = optional_part(task.name, "analyses")
    fitted = baselining.Baselines()
    if analyses is not None and hasattr(analyses, "baseline_columns"):
        rows = rows_of(table, options.split)
        fitted = baselining.predictions(analyses, parse(table, task), table, rows, cohort, covariates)
    complete, tables = joined_table(table, task), fitted.tables | dict(beside)
    subset = complete.take(rows_of(complete, options.split))
    return {name: _against(subset, other, task, options) for name, other in tables.items()}, fitted


def _against(
    subset: PredictionTable | None, predictions: PredictionTable, task: Any, options: _Options
) -> dict[str, Estimate]:
    """Headline metrics of other predictions of the rows, with the paired difference of ``subset`` from them."""
    module, joined = metrics_of(task.name), joined_table(predictions, task)
    every = np.arange(len(joined))
    resampler = resampler_of(joined, every, options.draws, options.seed)
    data = parse(joined, task)
    plan = module.plan(data, every, headline=True, confidence=options.confidence)
    figures = carry_out([plan], resampler, options.confidence)[0].figures
    if subset is None or subset.sample_id.tolist() != joined.sample_id.tolist():
        return figures
    return with_differences(figures, module, parse(subset, task), data, resampler, options.confidence)


def compared_with(
    predictions: PredictionTable,
    task: Any,
    others: Mapping[str, PredictionTable],
    *,
    draws: int,
    seed: int,
    confidence: float,
) -> dict[str, Any]:
    """Headline metrics of other predictions of the test rows, with the paired differences of ``predictions``.

    Args:
        predictions, task, draws, seed, confidence: as in :func:`evaluate`.
        others: name to predictions of the test rows, in their order.
    """
    options = _Options("test", draws, seed, confidence, None, (), 0, "", 0.0)
    complete = joined_table(predictions, task)
    subset = complete.take(rows_of(complete, "test"))
    return jsonable({name: _against(subset, table, task, options) for name, table in others.items()})


def _confounders(
    table: PredictionTable, joined: PredictionTable, task: Any, options: _Options, cohort: PredictionTable
) -> dict[str, Any]:
    """The section ``confounders``; empty where the task has no simple model on columns."""
    module, analyses = metrics_of(task.name), optional_part(task.name, "analyses")
    if analyses is None or not hasattr(analyses, "baseline_columns"):
        return {}
    named = subgroups.grouping_columns(joined) if options.groups is None else options.groups
    labels = subgroups.levels(joined, [group for group in named if group in joined], options.age_bands)
    rows, joined_rows = rows_of(table, options.split), rows_of(joined, options.split)

    def alone(column: str) -> PredictionTable | None:
        fitted = baselining.predictions(analyses, parse(table, task), table, rows, cohort, [column])
        return fitted.tables.get("covariates")

    return confounding.confounders(
        *(module, parse(joined, task), joined_rows, labels),
        resampler_of(joined, joined_rows, options.draws, options.seed),
        confidence=options.confidence,
        alone=alone,
        score=lambda predicted: _against(None, predicted, task, options),
    )


def summary(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """The headline metrics of ``metrics.json``, flat: what DVC shows as a table."""
    return {name: metrics["metrics"][name]["value"] for name in metrics["headline"] if name in metrics["metrics"]}


def settings_of(task: str | Any) -> Any:
    """A task's default settings by its name; settings are returned as they come.

    Raises:
        ScantuneError: there is no such task.
    """
    if not isinstance(task, str):
        return task
    return part(task, "settings").Settings()


def score_file(file: File, task: str | Any, out: Path | str | None = None, **options: Any) -> dict[str, Any]:
    """Scores a predictions file.

    Args:
        file: the file, or the table that was read from it.
        task: its settings, or its name: then the file's columns settle the zones, grades or horizons.
        out: where to write ``metrics.json``; None: not written.
        options: of :func:`evaluate`.

    Returns:
        As :func:`evaluate`, with ``read_as`` where logits or calls were read as probabilities.

    Raises:
        ScantuneError: with every fault of the file; there is no such task.
    """
    table = read(file)
    settings = settings_for(task, {}, list(table.columns)) if isinstance(task, str) else task
    table, notes = load(table, settings)
    metrics = evaluate(table, settings, **options) | ({"read_as": notes} if notes else {})
    if out is not None:
        write_json(Path(out), metrics)
    return metrics
