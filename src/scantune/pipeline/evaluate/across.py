"""One model on several datasets: a table, a figure, and the differences of its metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scantune.config.params import Params

#: Parent folder of the outputs of external validations.
HOME = Path("outputs") / "external"


def others_of(params: Params, experiment: str) -> dict[str, dict[str, Any]]:
    """Every other dataset on which an experiment's model was validated, with its ``metrics.json``."""
    by_dataset = {}
    for name, block in params.externals.items():
        path = HOME / name / "metrics.json"
        if block.experiment == experiment and path.exists():
            by_dataset[block.dataset if block.dataset not in by_dataset else name] = json.loads(path.read_text())
    return by_dataset


def difference(home: Mapping[str, Any], away: Mapping[str, Any]) -> dict[str, Any]:
    """Difference away − home of one metric between independent samples, with an interval from both intervals.

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
    entry = {"value": value, "lower": None, "upper": None, "method": "MOVER", "reason": None}
    if None in (home["lower"], home["upper"], away["lower"], away["upper"]):
        return entry | {"method": None, "reason": "one of the two has no interval"}
    down = math.hypot(away["value"] - away["lower"], home["upper"] - home["value"])
    up = math.hypot(away["upper"] - away["value"], home["value"] - home["lower"])
    return entry | {"lower": value - down, "upper": value + up}


def table_rows(home: tuple[str, Mapping[str, Any]], others: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per dataset: its size, each headline metric with its interval, and its difference from home.

    Args:
        home: the model's own dataset and its ``metrics.json``.
        others: dataset to ``metrics.json`` there.
    """
    name, home_metrics = home
    rows = []
    for dataset, metrics in {name: home_metrics, **others}.items():
        row: dict[str, Any] = {"dataset": dataset, "n": metrics["n"], "n_subjects": metrics["n_subjects"]}
        for metric in home_metrics["headline"]:
            entry = metrics["metrics"].get(metric)
            if entry is None:
                continue
            row |= {metric: entry["value"], f"{metric}_lower": entry["lower"], f"{metric}_upper": entry["upper"]}
            change = {} if dataset == name else difference(home_metrics["metrics"][metric], entry)
            row |= {f"{metric}_difference{end}": change.get(key) for end, key in _ENDS.items()}
        rows.append(row)
    return rows


_ENDS = {"": "value", "_lower": "lower", "_upper": "upper"}


def draw_across(
    experiment: str, home: tuple[str, Mapping[str, Any]], others: Mapping[str, Mapping[str, Any]], folder: Path
) -> None:
    """Draw ``across_datasets`` in ``folder``: the headline metric on every dataset, its value at home as a line."""
    from scantune import plots
    from scantune.tasks.figures import unit_of

    name, home_metrics = home
    primary = home_metrics["headline"][0]
    entries = {name: home_metrics["metrics"][primary]}
    entries |= {dataset: metrics["metrics"][primary] for dataset, metrics in others.items()}
    line = home_metrics["metrics"][primary]["value"]
    level = (home_metrics.get("settings") or {}).get("confidence", 0.95)
    figure = plots.across_datasets(
        {experiment: entries},
        primary,
        reference=line,
        reference_name=f"{name} (own test)",
        unit=unit_of(home_metrics, primary),
        confidence=level,
    )
    plots.save(figure, folder / "across_datasets")
