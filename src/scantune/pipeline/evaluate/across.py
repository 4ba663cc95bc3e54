"""One model on several datasets: in a table, in a figure, and how far its metrics lie apart."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Home of what one external validation writes.
HOME = Path("outputs") / "external"


def others_of(params: Any, experiment: str) -> dict[str, dict[str, Any]]:
    """Every other dataset on which an experiment's model was validated, with its ``metrics.json``."""
    found = {}
    for name, block in params.external.items():
        path = HOME / name / "metrics.json"
        if block.experiment == experiment and path.exists():
            found[block.dataset if block.dataset not in found else name] = json.loads(path.read_text())
    return found


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
