"""Do the intervals hold what they promise? Cohorts with a known truth, through the very code that scores a file.

``python -m benchmarks.coverage --cohorts 500 --out docs/intervals.json`` measures, in half an hour or more. The tables
of ``docs/intervals.md`` are :func:`markdown` of that file.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from scantune.statistics.resampling import Resampler, interval
from scantune.tasks.catalogue import part
from scantune.tasks.plan import carry_out
from scantune.tasks.predictions import Faults, PredictionTable
from scantune.tasks.scoring import settings_of

SIZES = (15, 30, 60, 200)
LARGE = 30_000
"""Subjects of the cohort that the truth is taken from, several times over."""

Make = Callable[[np.random.Generator, int, bool], dict[str, np.ndarray]]


def owners(rng: np.random.Generator, subjects: int, repeats: bool) -> np.ndarray:
    """The subject of each sample: one each, or unequally 1 to 6."""
    return np.repeat(np.arange(subjects), rng.choice([1, 1, 2, 3, 4, 6], subjects) if repeats else 1)


def regression(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
    """Normal scores and errors; subjects have errors of their own."""
    s = owners(rng, subjects, repeats)
    target = rng.normal(10, 5, subjects)[s] + rng.normal(0, 1.5, len(s))
    prediction = 1 + 0.9 * target + rng.normal(0, 1.5, subjects)[s] + rng.normal(0, 1.2, len(s))
    return {"subject_id": s, "target": target, "prediction": prediction}


def skewed(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
    """Skewed scores in half points, with ties, whose errors are skewed and grow with the score."""
    s = owners(rng, subjects, repeats)
    level = rng.gamma(2, 5, subjects)
    target = np.round(2 * np.maximum(level[s] + rng.normal(0, 1.5, len(s)), 0)) / 2
    own, each = (rng.gamma(4, 1, subjects) - 4) / 2, (rng.gamma(4, 1, len(s)) - 4) / 2
    return {
        "subject_id": s,
        "target": target,
        "prediction": target + 0.5 + (1.2 * own[s] + each) * (1 + 0.05 * level)[s],
    }


def binary(share: float, distance: float) -> Make:
    """Two classes of a share of the subjects, scores a distance apart; calibrated."""

    def made(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
        s = owners(rng, subjects, repeats)
        y = (rng.random(subjects) < share)[s]
        own = 0.6 if repeats else 0.0
        score = distance * y + own * rng.normal(size=subjects)[s] + math.sqrt(1 - own**2) * rng.normal(size=len(s))
        p = 1 / (1 + np.exp(-(distance * score - distance**2 / 2 + math.log(share / (1 - share)))))
        return {"subject_id": s, "target": y.astype(int), "p/0": 1 - p, "p/1": p}

    return made


def graded(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
    """Six zones of four grades; zones of one film go together, some are ungradable."""
    s = owners(rng, subjects, repeats)
    zones = settings_of("zones").zones
    level = rng.normal(0, 1, subjects)[s]
    skill = rng.normal(0, 0.4, subjects)[s]
    columns: dict[str, np.ndarray] = {"subject_id": s}
    for zone in zones:
        grade = level + rng.normal(0, 0.6, len(s))
        seen = grade + 0.3 * skill + rng.normal(0, 0.45, len(s))
        y, said = (np.digitize(v, (-0.5, 0.4, 1.2)) for v in (grade, seen))
        y = np.where(rng.random(len(s)) < 0.04, 4, y)
        said = np.where((y == 4) & (rng.random(len(s)) < 0.7), 4, said)
        columns[f"target/{zone}"] = y
        p = np.full((len(s), 5), 0.05)
        p[np.arange(len(s)), said] = 0.8
        columns |= {f"p/{zone}/{c}": p[:, k] for k, c in enumerate(("0", "1", "2", "3", "ungradable"))}
    return columns


def several(classes: int, distance: float) -> Make:
    """Classes alike in number, scores a distance apart."""

    def made(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
        s = owners(rng, subjects, repeats)
        y = rng.permutation(np.arange(subjects) % classes)[s]
        score = 0.5 * rng.normal(size=(subjects, classes))[s] + 0.85 * rng.normal(size=(len(s), classes))
        score[np.arange(len(s)), y] += distance
        p = np.exp(distance * score)
        p /= p.sum(1, keepdims=True)
        return {"subject_id": s, "target": y} | {f"p/{k}": p[:, k] for k in range(classes)}

    return made


def findings(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
    """Three findings of 50, 30 and 20 % of the subjects, which go together."""
    s = owners(rng, subjects, repeats)
    shared = rng.normal(size=subjects)
    columns: dict[str, np.ndarray] = {"subject_id": s}
    for name, share in (("a", 0.5), ("b", 0.3), ("c", 0.2)):
        limit = NormalDist().inv_cdf(1 - share)
        y = (0.6 * shared + 0.8 * rng.normal(size=subjects) > limit)[s]
        score = 1.8 * y + 0.6 * rng.normal(size=subjects)[s] + 0.8 * rng.normal(size=len(s))
        columns |= {f"target/{name}": y.astype(int)}
        columns |= {f"p/{name}": 1 / (1 + np.exp(-(1.8 * score - 1.62 + math.log(share / (1 - share)))))}
    return columns


def followed(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
    """Exponential times with a risk, a third censored; probabilities from the true hazard."""
    s = owners(rng, subjects, repeats)
    risk = rng.normal(0, 1, subjects)
    until, end = rng.exponential(3 / np.exp(risk)), rng.uniform(1.5, 9, subjects)
    seen = risk[s] + rng.normal(0, 0.5, len(s))
    task = settings_of("survival")
    columns = {"subject_id": s, "prediction": seen}
    columns |= dict(zip(task.columns, (np.minimum(until, end)[s], (until <= end)[s].astype(int)), strict=True))
    for name, horizon in zip(task.probability_columns(), task.horizons, strict=True):
        columns[name] = 1 - np.exp(-horizon / 3 * np.exp(seen))
    return columns


def masks(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
    """Dice near its upper end with a tail of failures, distances with a long one."""
    s = owners(rng, subjects, repeats)
    hard = rng.beta(2, 9, subjects)[s]
    dice = np.clip(1 - hard * rng.uniform(0.5, 1.5, len(s)), 0, 1)
    hd95 = 30 * hard * rng.gamma(2, 0.5, len(s)) + 1
    return {"subject_id": s, "dice": dice, "iou": dice / (2 - dice), "hd95": hd95}


@dataclass(frozen=True)
class Scenario:
    """Cohorts of one kind, and the task that scores them."""

    name: str
    task: str
    make: Make
    sizes: tuple[int, ...] = SIZES


SCENARIOS = (
    Scenario("scores, normal", "regression", regression),
    Scenario("scores, skewed", "regression", skewed),
    Scenario("two classes, AUROC .87", "classification", binary(0.4, 1.6)),
    Scenario("two classes, 20 % positive, AUROC .98", "classification", binary(0.2, 2.9), (30, 60, 200)),
    Scenario("ten classes", "classification", several(10, 2.5), (60, 200)),
    Scenario("ten classes, almost without error", "classification", several(10, 4.0), (60, 200)),
    Scenario("three findings", "multilabel", findings, (30, 60, 200)),
    Scenario("survival", "survival", followed, (30, 60)),
    Scenario("graded zones", "zones", graded),
    Scenario("masks", "segmentation", masks),
)

EXTRA = ("bland_altman_sd", "bland_altman_lower", "bland_altman_upper", "bland_altman_slope")


def table_of(columns: dict[str, np.ndarray]) -> PredictionTable:
    """The cohort as a predictions table."""
    named = {"subject_id": [f"s{i}" for i in columns["subject_id"]]}
    return PredictionTable.make(columns | named)


def figures_of(scenario: Scenario, columns: dict[str, np.ndarray], draws: int = 0, seed: int = 0) -> tuple[Any, Any]:
    """Figures of one cohort, and the distributions behind them."""
    module = part(scenario.task, "metrics")
    table = table_of(columns)
    data = module.parse(table, settings_of(scenario.task), Faults())
    resampler = Resampler(table.subject_id.astype(str), draws, seed)
    plan = _plan(module, scenario, data, len(table))
    (found,) = carry_out([plan], resampler)
    names = [n for n in (*module.headline_names(data), *EXTRA) if n in found.figures]
    return {n: found.figures[n] for n in names}, (plan, resampler)


def _plan(module: Any, scenario: Scenario, data: Any, n: int) -> Any:
    """The headline metrics and the limits of agreement."""
    plan = module.plan(data, np.arange(n), headline=True)
    return replace(plan, statistics=[*plan.statistics, *_limits(scenario, data, n)])


@cache
def truth_of(scenario: Scenario, repeats: bool) -> dict[str, float]:
    """Each metric in a very large cohort, from the statistics themselves (no subject is left out)."""
    module = part(scenario.task, "metrics")
    found: dict[str, list[float]] = {}
    for seed in range(6):
        columns = scenario.make(np.random.default_rng([7, seed]), LARGE, repeats)
        table = PredictionTable.make(columns)
        data = module.parse(table, settings_of(scenario.task), Faults())
        plan = module.plan(data, np.arange(len(table)), headline=True, paired=True)
        for statistic in (*plan.statistics, *_limits(scenario, data, len(table))):
            if hasattr(statistic, "features"):
                values = statistic.figures(statistic.features.sum(0))
            else:
                values = {k: v[0] for k, v in statistic.figures(np.ones((len(statistic.rows), 1))).items()}
            for name, value in values.items():
                found.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _limits(scenario: Scenario, data: Any, n: int) -> list[Any]:
    if scenario.task != "regression":
        return []
    from scantune.statistics.agreement import error_statistic, repeated_statistic

    rows = np.arange(n)
    plain = error_statistic(data.target, data.prediction, rows, 2.0)
    repeated = repeated_statistic(data.target, data.prediction, data.subjects, rows)
    return [plain, repeated] if len(set(data.subjects.tolist())) < n else [plain]


def cell(scenario: Scenario, subjects: int, repeats: bool, cohorts: int, bootstrap: int = 0) -> list[dict[str, Any]]:
    """Coverage of every headline metric at one size; ``bootstrap``: cohorts for which BCa's is counted too."""
    truth = truth_of(scenario, repeats)
    seen: dict[str, list[tuple[float, float]]] = {}
    before: dict[str, list[tuple[float, float]]] = {}
    withheld: dict[str, int] = {}
    for cohort in range(cohorts):
        columns = scenario.make(np.random.default_rng([subjects, cohort]), subjects, repeats)
        if scenario.task == "classification" and len(set(columns["target"].tolist())) < 2:
            continue
        figures, (plan, resampler) = figures_of(scenario, columns, 1000 if cohort < bootstrap else 0, cohort)
        for name, figure in figures.items():
            if figure.lower is None:
                withheld[name] = withheld.get(name, 0) + 1
            else:
                seen.setdefault(name, []).append((figure.lower, figure.upper))
        if cohort < bootstrap:
            for named in resampler.run(plan.statistics):
                for name in set(named) & set(figures):
                    bca = interval(named[name], resampler.n_subjects)
                    if bca.lower is not None:
                        before.setdefault(name, []).append((bca.lower, bca.upper))
    rows = []
    for name, bounds in seen.items():
        row = {
            "scenario": scenario.name,
            "repeats": repeats,
            "subjects": subjects,
            "metric": name,
            "truth": truth[name],
        }
        row |= _counted(bounds, truth[name]) | {"withheld": withheld.get(name, 0) / cohorts}
        if name in before:
            row |= {f"bca_{k}": v for k, v in _counted(before[name], truth[name]).items()}
        rows.append(row)
    return rows


def _counted(bounds: list[tuple[float, float]], truth: float) -> dict[str, float]:
    lower, upper = np.array(bounds).T
    above, below = float((lower > truth + 1e-12).mean()), float((upper < truth - 1e-12).mean())
    return {"coverage": 1 - above - below, "below": below, "above": above, "width": float(np.median(upper - lower))}


def type_one(subjects: int, cohorts: int = 1000) -> dict[str, float]:
    """Share of pairs of equally good models that ``compare`` finds different at .05, by the metric that decides."""
    from scantune.tasks.comparing import compare

    wrong: dict[str, list[bool]] = {}
    for cohort in range(cohorts):
        rng = np.random.default_rng([subjects, cohort])
        target = rng.normal(10, 5, subjects)
        base = {"sample_id": [f"x{i}" for i in range(subjects)], "target": target}
        sides = [PredictionTable.make(base | {"prediction": target + rng.normal(0, 2, subjects)}) for _ in "ab"]
        found = compare(*sides, settings_of("regression"), draws=0)["metrics"]
        for name in ("mae", "rmse", "pearson_r", "ccc"):
            wrong.setdefault(name, []).append(found[name]["difference"]["p_value"] < 0.05)
    return {name: float(np.mean(values)) for name, values in wrong.items()}


def main() -> None:
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=1000)
    parser.add_argument("--bootstrap", type=int, default=0, help="cohorts for which the BCa interval is counted beside")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="subjects of a cohort")
    parser.add_argument("--only", default="", help="scenarios whose name has this")
    parser.add_argument("--out", type=Path, default=None, help="JSON with all rows")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for scenario in SCENARIOS:
        if given.only not in scenario.name:
            continue
        for repeats in (False, True):
            for subjects in [n for n in scenario.sizes if n in given.sizes]:
                found = cell(scenario, subjects, repeats, given.cohorts, given.bootstrap)
                rows += found
                for row in found:
                    print(line(row), flush=True)
    if given.out is not None:
        given.out.write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(0)


def line(row: dict[str, Any]) -> str:
    """One row as text."""
    text = (
        f"{row['scenario']:38s} {'repeated' if row['repeats'] else 'one':8s} n {row['subjects']:3d} "
        f"{row['metric']:26s} "
        f"{row['truth']:8.3f}  coverage {row['coverage']:.3f} (below {row['below']:.3f}, above {row['above']:.3f}) "
        f"width {row['width']:.3f}"
    )
    if row["withheld"]:
        text += f" withheld {row['withheld']:.3f}"
    if "bca_coverage" in row:
        text += f" | BCa {row['bca_coverage']:.3f} width {row['bca_width']:.3f}"
    return text


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The tables of ``docs/intervals.md``, one for each scenario."""
    parts = []
    for name, repeats in dict.fromkeys((row["scenario"], row["repeats"]) for row in rows):
        here = [row for row in rows if (row["scenario"], row["repeats"]) == (name, repeats)]
        sizes = sorted({row["subjects"] for row in here})
        cells = {(row["metric"], row["subjects"]): row for row in here}
        title = f"{name[0].upper()}{name[1:]}, {'1 to 6 samples' if repeats else 'one sample'} a subject"
        lines = [f"### {title}", "", "| metric | truth | " + " | ".join(f"{n} subjects" for n in sizes) + " |"]
        lines.append("| --- " * (2 + len(sizes)) + "|")
        for metric in dict.fromkeys(row["metric"] for row in here):
            truth = next(row["truth"] for row in here if row["metric"] == metric)
            found = [_cell(cells.get((metric, n))) for n in sizes]
            lines.append(f"| `{metric}` | {truth:.3g} | " + " | ".join(found) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _cell(row: Mapping[str, Any] | None) -> str:
    """Coverage (share of misses below the truth, above it) and width."""
    if row is None:
        return "–"
    shares = [f"{row[name]:.3f}".removeprefix("0") for name in ("coverage", "below", "above")]
    withheld = f", withheld {100 * row['withheld']:.0f} %" if row["withheld"] >= 0.005 else ""
    return f"{shares[0]} ({shares[1]}, {shares[2]}) {row['width']:.2g}{withheld}"


if __name__ == "__main__":
    main()
