"""A trained model on another dataset: its figures there, and how far they fall below those at home."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scantune.records import ScantuneError
from scantune.tasks.predictions import PredictionTable

#: Home of what one external validation writes.
HOME = Path("outputs") / "external"


def check_inputs(key: str, params: Any, facts: Any) -> None:
    """That the other dataset is prepared as the model's own training data were.

    Args:
        key: the block's name in ``external``.
        params: all settings.
        facts: of the model.

    Raises:
        ScantuneError: settings that change the tensors differ; which, and both values.
    """
    from scantune.preprocess.agreement import differing

    block = params.external[key]
    odd = differing(params.inputs[block.input], facts.input)
    if odd:
        told = "; ".join(f"{name} is {theirs}, the model's {own}" for name, (theirs, own) in odd.items())
        raise ScantuneError(
            f"external.{key}.input: {block.input!r} prepares files in another way than {block.experiment!r} was "
            f"trained on ({told}); make them the same"
        )


def validation_rows(path: Path) -> PredictionTable | None:
    """The experiment's own validation rows, on which thresholds and calibration are chosen; None without any."""
    from scantune.tasks.predictions import read

    table = read(path)
    rows = table.split == "validation"
    return table.take(rows) if rows.any() else None


def difference(home: Mapping[str, Any], away: Mapping[str, Any]) -> dict[str, Any]:
    """Away − home of one figure on different samples, its interval recovered from both intervals.

    Args:
        home: entry of ``metrics.json`` on the model's own test data.
        away: on the other data.

    Returns:
        ``value``, ``lower``, ``upper``, ``method``, ``reason``; by MOVER (Zou & Donner, Statistics in Medicine 2008).
    """
    if home["value"] is None or away["value"] is None:
        why = away["reason"] if away["value"] is None else home["reason"]
        return {"value": None, "lower": None, "upper": None, "method": None, "reason": why}
    value = away["value"] - home["value"]
    made = {"value": value, "lower": None, "upper": None, "method": "MOVER", "reason": None}
    if None in (home["lower"], home["upper"], away["lower"], away["upper"]):
        return made | {"method": None, "reason": "one of the two has no interval"}
    down = math.hypot(away["value"] - away["lower"], home["upper"] - home["value"])
    up = math.hypot(away["upper"] - away["value"], home["value"] - home["lower"])
    return made | {"lower": value - down, "upper": value + up}


def section(block: Any, home: Mapping[str, Any], away: Mapping[str, Any]) -> dict[str, Any]:
    """The ``external`` section of ``metrics.json``: whose model, and every headline figure at home, here, between."""
    figures = {
        name: {
            "home": home["metrics"][name],
            "away": away["metrics"][name],
            "difference": difference(home["metrics"][name], away["metrics"][name]),
        }
        for name in away["headline"]
        if name in away["metrics"] and name in home["metrics"]
    }
    return {"experiment": block.experiment, "dataset": block.dataset, "difference": "external − own test", **figures}


def table_rows(home: tuple[str, Mapping[str, Any]], others: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a dataset: its size, each headline figure with its interval, and its difference from home.

    Args:
        home: the model's own dataset and its ``metrics.json``.
        others: dataset to ``metrics.json`` there.
    """
    name, own = home
    rows = []
    for dataset, metrics in {name: own, **others}.items():
        row: dict[str, Any] = {"dataset": dataset, "n": metrics["n"], "n_subjects": metrics["n_subjects"]}
        for figure in own["headline"]:
            entry = metrics["metrics"].get(figure)
            if entry is None:
                continue
            row |= {figure: entry["value"], f"{figure}_lower": entry["lower"], f"{figure}_upper": entry["upper"]}
            found = {} if dataset == name else difference(own["metrics"][figure], entry)
            row |= {f"{figure}_difference{end}": found.get(key) for end, key in _ENDS.items()}
        rows.append(row)
    return rows


_ENDS = {"": "value", "_lower": "lower", "_upper": "upper"}


def draw_across(
    experiment: str, home: tuple[str, Mapping[str, Any]], others: Mapping[str, Mapping[str, Any]], folder: Path
) -> None:
    """The headline figure on every dataset, its value at home as a line: ``across_datasets`` in ``folder``."""
    from scantune import plots

    name, own = home
    primary = own["headline"][0]
    found = {name: own["metrics"][primary]}
    found |= {dataset: metrics["metrics"][primary] for dataset, metrics in others.items()}
    line = own["metrics"][primary]["value"]
    figure = plots.across_datasets({experiment: found}, primary, reference=line, reference_name=f"{name} (own test)")
    plots.save(figure, folder / "across_datasets")


def cohort(block: Any, cache: Path) -> PredictionTable:
    """What the simple baselines are fitted on and asked: the model's own training side, and the other data set.

    Args:
        block: the experiment's.
        cache: of the other data set's input.
    """
    from scantune.pipeline.evaluate.stage import covariates_of, stacked
    from scantune.tasks.baselining import cohort_table
    from scantune.tasks.predictions import read

    home, manifest = covariates_of(block), read(cache / "manifest.csv")
    tested = manifest.with_columns({"split": ["test"] * len(manifest)})
    away = cohort_table(manifest, tested, block.task)
    return stacked([home.take(home.split == "train"), away])


def judged(params: Any, key: str, facts: Any, sides: Any, table: PredictionTable, metrics: dict[str, Any]) -> Any:
    """What the report of the block ``external.<key>`` is of.

    The maps themselves were tested on the model's own test data: that is not done again.
    """
    from scantune.pipeline.evaluate.reporting import Evaluation

    block = params.external[key]
    experiment = params.experiments[block.experiment]
    saliency = experiment.evaluate.saliency.model_copy(update={"checks": False})
    evaluate = experiment.evaluate.model_copy(update={"saliency": saliency})
    source = Path("outputs") / block.experiment / "train"
    return Evaluation(
        params,
        block.experiment,
        experiment.model_copy(update={"evaluate": evaluate}),
        facts,
        source / "model",
        sides,
        table,
        metrics,
        HOME / key,
        trained=source,
        dataset=block.dataset,
        name=f"{block.experiment} on {block.dataset}",
        card=False,
    )


def in_words(figures: Mapping[str, Any]) -> list[str]:
    """The section as lines for the terminal."""
    lines = []
    for name, entry in figures.items():
        if not isinstance(entry, Mapping):
            continue
        found = entry["difference"]
        if found["lower"] is None:
            lines.append(f"{name}: {found['reason']}")
            continue
        lines.append(
            f"{name}: {entry['home']['value']:.4f} at home, {entry['away']['value']:.4f} here, "
            f"{found['value']:+.4f} ({found['lower']:+.4f} … {found['upper']:+.4f})"
        )
    return lines


def others_of(params: Any, experiment: str) -> dict[str, dict[str, Any]]:
    """Every other dataset on which an experiment's model was validated, with its ``metrics.json``."""
    found = {}
    for name, block in params.external.items():
        path = HOME / name / "metrics.json"
        if block.experiment == experiment and path.exists():
            found[block.dataset if block.dataset not in found else name] = json.loads(path.read_text())
    return found
