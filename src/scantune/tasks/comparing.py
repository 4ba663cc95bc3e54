"""Two predictions files of the same test subjects compared, metric by metric, on paired draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scantune.amounts import number_of
from scantune.files import write_json
from scantune.records import ScantuneError
from scantune.statistics.comparison import equivalence, holm, non_inferiority, non_inferiority_p
from scantune.statistics.estimate import jsonable, number
from scantune.statistics.intervals import difference_interval
from scantune.statistics.resampling import Resampler
from scantune.tasks.catalogue import optional_part
from scantune.tasks.custom import metrics_of
from scantune.tasks.directions import lower_is_better, undecided
from scantune.tasks.foreign import load, settings_for
from scantune.tasks.plan import Result, carry_out
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.predictions_file import read
from scantune.tasks.scoring import (
    joined_table,
    parse,
    resampler_of,
    rows_of,
)

_SHOWN = 5


class ComparisonError(ScantuneError):
    """Two files that cannot be compared."""


def compare(
    reference: PredictionTable,
    challenger: PredictionTable,
    task: Any,
    *,
    primary: str | None = None,
    margin: float = 0.0,
    split: str = "test",
    draws: int = 2000,
    seed: int = 42,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Challenger − reference for every headline metric, on the same subjects in the same draws.

    Args:
        reference: predictions of the model in place.
        challenger: predictions of the other.
        task: settings of the task.
        primary: the primary metric that decides, prespecified; None: the task's first headline figure.
        margin: the loss in it that still counts as not inferior.
        split: the rows compared.
        draws: resampling draws.
        seed: of the draws.
        confidence: level of the intervals.

    Returns:
        ``primary``, ``decision`` (non-inferiority, superiority and, with a margin above 0, equivalence in the primary
        figure), ``metrics`` by name with
        ``reference``, ``challenger`` and ``difference`` (interval, p-value and Holm's over the others), and the task's
        own ``paired_tests`` (of classes ``delong`` and ``mcnemar``).

    Raises:
        PredictionsError: a file has faults.
        ComparisonError: samples, subjects or targets differ, or there is no such primary figure.
        ScantuneError: the primary figure has no direction.
    """
    module = metrics_of(task.name)
    first, sides = sides_of(reference, challenger, task, split)
    rows = np.arange(len(first))
    resampler = resampler_of(first, rows, draws, seed)
    names, missing = _common(module, sides, (reference.name, challenger.name))
    primary = names[0] if primary is None else primary
    if primary not in names:
        why = f": {missing[primary]}" if primary in missing else ""
        raise ComparisonError(f"primary metric {primary!r}{why}; there are {', '.join(names)}")
    is_error = lower_is_better(module.ERRORS, primary)
    plans = [module.plan(d, rows, headline=True, paired=True, confidence=confidence) for d in sides]
    old, new = carry_out(plans, resampler, confidence)
    metrics = {n: paired_difference(n, old, new, confidence) for n in names if n in old.figures}
    tests, task_differences = paired_tests(task, sides, resampler, confidence)
    for name in task_differences.keys() & metrics.keys():
        metrics[name]["difference"] = task_differences[name] | {"reason": None}
    _correct(metrics, primary)
    difference = metrics[primary]["difference"]
    return jsonable(
        {
            "task": task.name,
            "n": len(rows),
            "n_subjects": resampler.n_subjects,
            "difference": "challenger − reference",
            "primary": primary,
            "lower_is_better": [n for n in names if not undecided(n) and lower_is_better(module.ERRORS, n)],
            "decision": _decision(difference, margin, is_error),
            "metrics": metrics,
            **({"not_compared": missing} if missing else {}),
            **tests,
        }
    )


def sides_of(
    reference: PredictionTable, challenger: PredictionTable, task: Any, split: str
) -> tuple[PredictionTable, list[Any]]:
    """The reference's rows of a split, joined as the task states, and what the task reads of both tables in that order.

    Raises:
        PredictionsError: a file has faults.
        ComparisonError: samples, subjects or targets differ.
    """
    for table in (reference, challenger):
        parse(table, task)
    first, second = _aligned(*(_of_split(joined_table(table, task), split) for table in (reference, challenger)))
    sides = [parse(table, task) for table in (first, second)]
    _same_targets(first, *sides)
    return first, sides


def _decision(difference: Mapping[str, Any], margin: float, lower_is_better: bool) -> dict[str, Any]:
    """Non-inferiority and superiority, and with a margin above 0 equivalence, by one standard error."""
    verdict = vars(non_inferiority(difference["lower"], difference["upper"], margin, lower_is_better=lower_is_better))
    value, error, df = (difference.get(name) for name in ("value", "standard_error", "df"))
    if value is None or error is None or df is None:
        return verdict | {"p_value": None, "equivalence": None}
    p = non_inferiority_p(value, error, df, margin, lower_is_better=lower_is_better)
    return verdict | {"p_value": p, "equivalence": vars(equivalence(value, error, df, margin)) if margin > 0 else None}


def _common(module: Any, sides: Sequence[Any], files: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Headline metrics that both files have, and why the others are not compared.

    Raises:
        ComparisonError: there are none.
    """
    headlines = [list(module.headline_names(side)) for side in sides]
    common = [name for name in headlines[0] if name in headlines[1]]
    missing = {
        name: f"{files[1 - i]} does not have it"
        for i in (0, 1)
        for name in headlines[i]
        if name not in headlines[1 - i]
    }
    if not common:
        lists = [f"{file} has {', '.join(names)}" for file, names in zip(files, headlines)]
        raise ComparisonError(f"no metric is in both files: {' and '.join(lists)}")
    return common, missing


def _of_split(table: PredictionTable, split: str) -> PredictionTable:
    return table.take(rows_of(table, split))


def _aligned(first: PredictionTable, second: PredictionTable) -> tuple[PredictionTable, PredictionTable]:
    """Both tables in the order of the first.

    Raises:
        ComparisonError: samples or subjects differ; says which.
    """
    one, other = (dict(zip(keys, range(len(keys)))) for keys in _keys(first, second))
    problems = []
    for mine, theirs, table, away in ((one, other, first, second), (other, one, second, first)):
        missing = [_described(key) for key in mine if key not in theirs]
        if missing:
            problems.append(
                f"{number_of(len(missing), 'sample')} of {table.name} {'is' if len(missing) == 1 else 'are'} "
                f"not in {away.name}: {_some(missing)}"
            )
    if problems:
        raise ComparisonError("the files contain different test samples:\n  " + "\n  ".join(problems))
    second = second.take(np.array([other[key] for key in one], np.int64))
    odd = np.flatnonzero(first.subject_id != second.subject_id)
    if len(odd):
        raise ComparisonError(
            f"{number_of(len(odd), 'sample belongs', 'samples belong')} to another subject in the other file: "
            f"{_some(first.sample_id[odd].tolist())}"
        )
    return first, second


def _keys(first: PredictionTable, second: PredictionTable) -> list[list[tuple[str, str]]]:
    """What tells the rows of each file apart: the sample, and its fold where both have a sample once a fold.

    A model of five folds has each sample in one of them, a single model in none: they are the same samples.

    Raises:
        ComparisonError: one file has samples several times, the other once.
    """
    tables = (first, second)
    repeated = [len(set(t.sample_id.tolist())) < len(t) for t in tables]
    if repeated[0] != repeated[1]:
        many, once = (first, second) if repeated[0] else (second, first)
        raise ComparisonError(
            f"{many.name} has samples several times (once a fold) and {once.name} once: join the rows of each sample "
            "of the first, by the mean, before the two are compared"
        )
    if not repeated[0]:
        return [[(s, "") for s in t.sample_id] for t in tables]
    return [list(zip(t.sample_id, t.text("fold") if "fold" in t else t.split)) for t in tables]


def _described(key: tuple[str, str]) -> str:
    return f"{key[0]} (fold {key[1]})" if key[1] else key[0]


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest


def _same_targets(table: PredictionTable, first: Any, second: Any) -> None:
    if not hasattr(first, "target"):
        return
    if getattr(first, "classes", None) != getattr(second, "classes", None):
        raise ComparisonError(f"the classes differ: {first.classes} and {second.classes}")
    same = np.isclose(first.target, second.target, equal_nan=True).reshape(len(table), -1).all(1)
    if not same.all():
        odd = table.sample_id[~same].tolist()
        raise ComparisonError(
            f"{number_of(len(odd), 'sample has', 'samples have')} another target in the other file: {_some(odd)}"
        )


def paired_tests(
    task: Any, sides: Sequence[Any], resampler: Resampler, confidence: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The task's own tests of two models by name, and the differences that take the place of the jackknife's."""
    analyses = optional_part(task.name, "analyses")
    if analyses is None or not hasattr(analyses, "paired_tests"):
        return {}, {}
    tests, differences = analyses.paired_tests(*sides, resampler, confidence)
    return tests, differences


def paired_difference(name: str, reference: Result, challenger: Result, confidence: float) -> dict[str, Any]:
    """A metric of both sides, and ``difference``: its interval and p-value, or the reason why there is none."""
    sides = (reference.figures[name], challenger.figures[name])
    entry: dict[str, Any] = {"reference": sides[0], "challenger": sides[1]}
    both = name in reference.distributions and name in challenger.distributions
    if not both or None in (sides[0].value, sides[1].value):
        why = sides[0].reason or sides[1].reason
        return entry | {"difference": no_difference(why)}
    difference = challenger.distributions[name].minus(reference.distributions[name])
    if difference.value == 0 and not np.any(difference.jackknife):
        method = "equal, whichever subject is left out"
        return entry | {"difference": {"value": 0.0, "lower": 0.0, "upper": 0.0, "method": method, "p_value": 1.0}}
    estimate = difference_interval(difference, min(s.n_subjects for s in sides), confidence)
    return entry | {
        "difference": {
            "value": number(difference.value),
            "lower": estimate.lower,
            "upper": estimate.upper,
            "method": estimate.method and "paired " + estimate.method,
            "standard_error": estimate.error,
            "df": estimate.df,
            "p_value": estimate.p_value,
            "reason": estimate.reason,
        }
    }


def no_difference(reason: str | None) -> dict[str, Any]:
    """The entry of a difference without an interval, and why."""
    return {"value": None, "lower": None, "upper": None, "method": None, "p_value": None, "reason": reason}


def _correct(metrics: dict[str, dict[str, Any]], primary: str) -> None:
    """Holm's correction over the figures beside the primary one, which stands alone."""
    others = {n: m["difference"]["p_value"] for n, m in metrics.items() if n != primary}
    for name, p in holm(others).items():
        metrics[name]["difference"]["p_holm"] = p
    metrics[primary]["difference"]["p_holm"] = metrics[primary]["difference"]["p_value"]


def read_both(reference: Path | str, challenger: Path | str) -> tuple[PredictionTable, PredictionTable]:
    """Two predictions files read; their paths are their names where these are the same.

    Raises:
        PredictionsError: one cannot be read.
    """
    tables = (read(reference), read(challenger))
    if tables[0].name != tables[1].name:
        return tables
    return replace(tables[0], name=str(reference)), replace(tables[1], name=str(challenger))


def compare_files(
    reference: Path | str, challenger: Path | str, task: str | Any, out: Path | str | None = None, **options: Any
) -> dict[str, Any]:
    """Compares two predictions files; see :func:`compare_tables`."""
    return compare_tables(*read_both(reference, challenger), task, out, **options)


def compare_tables(
    reference: PredictionTable,
    challenger: PredictionTable,
    task: str | Any,
    out: Path | str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Compares two predictions files that are read; see :func:`compare`.

    Args:
        reference: that of the model in place.
        challenger: the other.
        task: its settings, or its name: then the columns of the reference settle the zones, grades or horizons.
        out: where to write the comparison as JSON; None: not written.
        options: of :func:`compare`.
    """
    settings = settings_for(task, {}, list(reference.columns)) if isinstance(task, str) else task
    result = compare(load(reference, settings)[0], load(challenger, settings)[0], settings, **options)
    if out is not None:
        write_json(Path(out), result)
    return result


def lines(comparison: Mapping[str, Any]) -> list[str]:
    """The comparison as a person reads it on the terminal, one line a figure, the decision last."""
    out = []
    for name, entry in comparison["metrics"].items():
        d = entry["difference"]
        if d["lower"] is None or d["lower"] == d["upper"]:
            out.append(f"{name}: {d['reason'] if d['lower'] is None else d['method']}")
            continue
        adjusted = f", adjusted (Holm) {d['p_holm']:.3g}" if name != comparison["primary"] else ""
        out.append(f"{name}: {d['value']:+.4f} ({d['lower']:+.4f} … {d['upper']:+.4f}), p {d['p_value']:.3g}{adjusted}")
    decision = comparison["decision"]
    word = {True: "not inferior", False: "not shown to be non-inferior", None: "undecided"}[decision["holds"]]
    better = "; superior" if decision["superior"] else ""
    same = decision["equivalence"]
    if same is not None:
        inside = "equivalent" if same["holds"] else "not shown to be equivalent"
        bounds = f"{100 * same['confidence']:g} % interval {same['lower']:+.4f} … {same['upper']:+.4f}"
        out.append(f"{comparison['primary']}, within ±{same['margin']:g}: {inside} ({bounds}, p {same['p_value']:.3g})")
    out.append(f"{comparison['primary']}, margin {decision['margin']:g}: {word}{better}")
    return out
