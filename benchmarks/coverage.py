"""Do the intervals hold what they promise? Cohorts with a known truth, through the very code that scores a file.

``python -m benchmarks.coverage --cohorts 2000 --bootstrap 200 --out docs/intervals.json`` measures, in about 40 minutes
of a processor; with ``--page docs/intervals.md`` the tables of that file are written into the page. Beside each
interval stand those of other methods for the same cohorts (:mod:`benchmarks.coverage_rivals`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.coverage_cohorts import SCENARIOS, SIZES, Scenario
from benchmarks.coverage_rivals import Bounds, of_areas, rivals
from benchmarks.coverage_tables import line, rewritten
from scantune.statistics.resampling import Distribution, Resampler
from scantune.tasks.catalogue import part
from scantune.tasks.plan import MetricPlan, Result, carry_out
from scantune.tasks.predictions import Faults, PredictionTable
from scantune.tasks.scoring import settings_of

LARGE = 30_000
"""Subjects of the cohort that the truth is taken from, several times over."""

DRAWS = 1000
"""Of the bootstrap intervals beside."""

DRAWN = 60
"""Most subjects of a cohort of which bootstrap intervals are made."""

EXTRA = ("bland_altman_sd", "bland_altman_lower", "bland_altman_upper", "bland_altman_slope")


@dataclass(frozen=True)
class Evaluation:
    """The metrics of one cohort and how they came about."""

    names: tuple[str, ...]
    result: Result
    plan: MetricPlan
    resampler: Resampler

    @property
    def kinds(self) -> dict[str, str]:
        """Rule of each metric's interval."""
        return {name: kind for statistic in self.plan.statistics for name, kind in statistic.kinds.items()}


def _settings(scenario: Scenario) -> Any:
    """Of the task, with a significant error of 2 in scores, by which ``clinical_error_rate`` counts."""
    return part(scenario.task, "settings").Settings(
        **({"significant_error": 2} if scenario.task == "regression" else {})
    )


def evaluated(scenario: Scenario, columns: dict[str, np.ndarray], draws: int = 0, seed: int = 0) -> Evaluation:
    """Metrics of one cohort with their intervals."""
    module = part(scenario.task, "metrics")
    table = PredictionTable.make(columns | {"subject_id": [f"s{i}" for i in columns["subject_id"]]})
    data = module.parse(table, _settings(scenario), Faults())
    resampler = Resampler(table.subject_id.astype(str), draws, seed)
    plan = module.plan(data, np.arange(len(table)), headline=True)
    plan = replace(plan, statistics=[*plan.statistics, *_limits(scenario, data, len(table))])
    (result,) = carry_out([plan], resampler)
    names = tuple(n for n in (*module.headline_names(data), *EXTRA) if n in result.figures)
    return Evaluation(names, result, plan, resampler)


@cache
def truth_of(scenario: Scenario, repeats: bool) -> dict[str, float]:
    """Each metric in a very large cohort, from the statistics themselves (no subject is left out)."""
    module = part(scenario.task, "metrics")
    figures: dict[str, list[float]] = {}
    for seed in range(6):
        columns = scenario.make(np.random.default_rng([7, seed]), LARGE, repeats)
        table = PredictionTable.make(columns)
        data = module.parse(table, _settings(scenario), Faults())
        plan = module.plan(data, np.arange(len(table)), headline=True, paired=True)
        for statistic in (*plan.statistics, *_limits(scenario, data, len(table))):
            if hasattr(statistic, "features"):
                values = statistic.figures(statistic.features.sum(0))
            else:
                values = {k: v[0] for k, v in statistic.figures(np.ones((len(statistic.rows), 1))).items()}
            for name, value in values.items():
                figures.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in figures.items()}


def _limits(scenario: Scenario, data: Any, n: int) -> list[Any]:
    if scenario.task != "regression":
        return []
    from scantune.statistics.agreement import error_statistic, repeated_statistic

    rows = np.arange(n)
    plain = error_statistic(data.target, data.prediction, rows, 2.0)
    repeated = repeated_statistic(data.target, data.prediction, data.subjects, rows)
    return [plain, repeated] if len(set(data.subjects.tolist())) < n else [plain]


@dataclass
class _Counted:
    """Bounds that one method gave, and ours of the same cohorts, [c, 2] each."""

    bounds: list[tuple[float, float]] = field(default_factory=list)
    ours: list[tuple[float, float]] = field(default_factory=list)

    def row(self, truth: float) -> dict[str, float]:
        """Coverage, share of misses below the truth and above it, median width; width of ours in these cohorts."""
        lower, upper = np.array(self.bounds).T
        above, below = float((lower > truth + 1e-12).mean()), float((upper < truth - 1e-12).mean())
        shares = {"coverage": 1 - above - below, "below": below, "above": above}
        widths = {"width": float(np.median(upper - lower))}
        if self.ours:
            widths["ours"] = float(np.median(np.diff(np.array(self.ours), axis=1)))
        return {k: round(v, 4) for k, v in shares.items()} | {k: float(f"{v:.4g}") for k, v in widths.items()}


def cell(
    scenario: Scenario, subjects: int, repeats: bool, cohorts: int, bootstrap: int = 0, beside: bool = True
) -> list[dict[str, Any]]:
    """Coverage of every headline metric at one size.

    Args:
        scenario: the cohorts.
        subjects: of a cohort.
        repeats: several samples a subject.
        cohorts: how many.
        bootstrap: of how many of them bootstrap intervals are made too.
        beside: count other methods' intervals too.
    """
    truth = truth_of(scenario, repeats)
    seen: dict[str, _Counted] = {}
    others: dict[str, dict[str, _Counted]] = {}
    withheld: dict[str, int] = {}
    drawn = 0
    for cohort in range(cohorts):
        columns = scenario.make(np.random.default_rng([subjects, cohort]), subjects, repeats)
        if scenario.task == "classification" and len(set(columns["target"].tolist())) < 2:
            continue
        drawn += 1
        evaluation = evaluated(scenario, columns, DRAWS if cohort < bootstrap else 0, cohort)
        of_cohort = _rivals(evaluation, scenario, columns, not repeats, cohort < bootstrap) if beside else {}
        for name in evaluation.names:
            figure = evaluation.result.figures[name]
            if figure.lower is None or figure.upper is None:
                withheld[name] = withheld.get(name, 0) + 1
                continue
            ours = (figure.lower, figure.upper)
            seen.setdefault(name, _Counted()).bounds.append(ours)
            for method, bounds in of_cohort.get(name, {}).items():
                counted = others.setdefault(name, {}).setdefault(method, _Counted())
                counted.bounds.append(bounds)
                counted.ours.append(ours)
    where = {"scenario": scenario.name, "task": scenario.task, "repeats": repeats, "subjects": subjects}
    return [
        where
        | {"metric": name, "cohorts": drawn, "truth": float(f"{truth[name]:.4g}")}
        | counted.row(truth[name])
        | {"withheld": round(withheld.get(name, 0) / drawn, 4)}
        | {"rivals": {method: c.row(truth[name]) | {"n": len(c.bounds)} for method, c in others.get(name, {}).items()}}
        for name, counted in seen.items()
    ]


def _rivals(
    evaluation: Evaluation, scenario: Scenario, columns: dict[str, np.ndarray], alone: bool, bootstrap: bool
) -> dict[str, Bounds]:
    """Bounds of each metric by other methods."""
    distributions: dict[str, Distribution] = dict(evaluation.result.distributions)
    if bootstrap:
        for named in evaluation.resampler.run(evaluation.plan.statistics):
            distributions |= named
    kinds = evaluation.kinds
    out = {
        name: rivals(name, kinds.get(name), distributions[name], evaluation.resampler.n_subjects, alone)
        for name in evaluation.names
        if name in distributions and np.isfinite(distributions[name].value)
    }
    if alone and "p/1" in columns and "p/2" not in columns:
        out.setdefault("auroc", {}).update(of_areas(columns["p/1"], columns["target"] == 1))
    return out


def type_one(subjects: int, cohorts: int = 1000) -> dict[str, float]:
    """Share of pairs of equally good models that ``compare`` finds different at .05, by the metric that decides."""
    from scantune.tasks.comparing import compare

    wrong: dict[str, list[bool]] = {}
    for cohort in range(cohorts):
        rng = np.random.default_rng([subjects, cohort])
        target = rng.normal(10, 5, subjects)
        base = {"sample_id": [f"x{i}" for i in range(subjects)], "target": target}
        sides = [PredictionTable.make(base | {"prediction": target + rng.normal(0, 2, subjects)}) for _ in "ab"]
        compared = compare(*sides, settings_of("regression"), draws=0)["metrics"]
        for name in ("mae", "rmse", "pearson_r", "ccc"):
            wrong.setdefault(name, []).append(compared[name]["difference"]["p_value"] < 0.05)
    return {name: float(np.mean(values)) for name, values in wrong.items()}


def main() -> None:
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=1000)
    parser.add_argument("--bootstrap", type=int, default=0, help="cohorts of up to 60 subjects that are drawn from too")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="subjects of a cohort")
    parser.add_argument("--only", default="", help="scenarios whose name has this")
    parser.add_argument("--samples", choices=("one", "several", "both"), default="both", help="of a subject")
    parser.add_argument("--out", type=Path, default=None, help="JSON with all rows")
    parser.add_argument("--page", type=Path, default=None, help="page whose tables are written from the JSON file")
    options = parser.parse_args()
    if options.page is not None:
        rows = json.loads(options.out.read_text(encoding="utf-8"))
        options.page.write_text(rewritten(options.page.read_text(encoding="utf-8"), rows), encoding="utf-8")
        return
    rows = []
    for scenario in SCENARIOS:
        if options.only in scenario.name:
            repeats = [several for several in (False, True) if options.samples in ("both", ("one", "several")[several])]
            rows += _all_sizes(scenario, repeats, options.sizes, options.cohorts, options.bootstrap)
    if options.out is not None:
        options.out.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")


def _all_sizes(
    scenario: Scenario, repeats: Sequence[bool], sizes: Sequence[int], cohorts: int, bootstrap: int
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for several in repeats:
        for subjects in [n for n in scenario.sizes if n in sizes]:
            here = cell(scenario, subjects, several, cohorts, bootstrap if subjects <= DRAWN else 0)
            print("\n".join(line(row) for row in here), flush=True)
            rows += here
    return rows


if __name__ == "__main__":
    main()
