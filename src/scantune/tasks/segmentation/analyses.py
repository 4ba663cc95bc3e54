"""Additional analyses of masks: those that other readers drew, beside the model's; and how masks are postprocessed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scantune.statistics.estimate import Estimate
from scantune.tasks.context import Analyses, Context
from scantune.tasks.predictions import Faults, PredictionTable
from scantune.tasks.segmentation.metrics import LARGEST, LESIONS, Data, plan
from scantune.tasks.segmentation.settings import MEASURES

_MODEL = "model"


def run(data: Data, context: Context) -> Analyses:
    """Agreement of model, reference and readers, where readers have drawn masks; and the model's postprocessing."""
    sections = {"raters": readers(data, context), "postprocessing": postprocessing(data, context)}
    return Analyses(sections={name: section for name, section in sections.items() if section})


def postprocessing(data: Data, context: Context) -> dict[str, Any]:
    """Which classes are their largest component alone, and what that was chosen on, and the size of the smallest
    component; empty where neither was, or of predictions of another program."""
    if context.served is None:
        return {}
    fitted = {name: context.served[name] for name in (LARGEST, "fitted_on") if name in context.served}
    least = data.settings.min_component
    return (fitted if LARGEST in fitted else {}) | ({} if least is None else {"min_component": least})


def readers(data: Data, context: Context) -> dict[str, Any]:
    """Each reader beside the model, on the samples that the reader has drawn; empty where nobody has.

    Returns:
        ``pairs``: the metrics of model and reference, of each reader and the reference, and of model and reader;
        ``beside``: for each reader, the model's metrics less the reader's, both against the reference.
    """
    drawn = drawn_by(context.table)
    pairs: dict[str, dict[str, Estimate]] = {}
    beside: dict[str, dict[str, Estimate]] = {}
    for reader, (against_reference, against_model) in drawn.items():
        rows = context.rows[np.isfinite(against_reference["dice"][context.rows])]
        if not len(rows):
            continue
        measured = [name for name, values in against_reference.items() if not np.isnan(values[rows]).all()]
        of_model = {name: data.measures[name] for name in measured if name in data.measures}
        alone = "model and reference" if len(drawn) == 1 else f"model and reference, where {reader} has drawn"
        pairs[alone] = _means(of_model, data, context, rows)
        pairs[f"{reader} and reference"] = _means(against_reference, data, context, rows, measured)
        pairs[f"model and {reader}"] = _means(against_model, data, context, rows, measured)
        differences = {name: values - against_reference[name] for name, values in of_model.items()}
        beside[reader] = _differences(differences, context, rows)
    return {"pairs": pairs, "beside": beside} if pairs else {}


def drawn_by(table: PredictionTable) -> dict[str, tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """Reader to the metrics [N] of that reader's masks, against the reference and the model's against them.

    They are the columns ``rater/<reader>/<metric>`` and ``rater/<reader>/model/<metric>``; metrics of single classes
    are not among them.
    """
    measures = (*MEASURES, *LESIONS)
    names = [c.split("/")[1] for c in table.columns if c.startswith("rater/") and c.endswith("/dice")]
    drawn: dict[str, tuple[dict[str, np.ndarray], dict[str, np.ndarray]]] = {}
    for name in dict.fromkeys(names):
        starts = f"rater/{name}", f"rater/{name}/{_MODEL}"
        both = [
            {m: table.numbers(f"{start}/{m}", Faults()) for m in measures if f"{start}/{m}" in table}
            for start in starts
        ]
        if all("dice" in columns for columns in both):
            drawn[name] = both[0], both[1]
    return drawn


def _means(
    measures: Mapping[str, np.ndarray],
    data: Data,
    context: Context,
    rows: np.ndarray,
    names: Collection[str] | None = None,
) -> dict[str, Estimate]:
    """The mean of each of some measures over rows."""
    chosen = {name: values for name, values in measures.items() if names is None or name in names}
    of_pair = replace(data, measures=chosen, volumes=None, class_volumes={})
    estimates = context.figures(plan(of_pair, rows, headline=True, confidence=context.confidence))
    return {name: estimates[name] for name in chosen if name in estimates}


def _differences(differences: Mapping[str, np.ndarray], context: Context, rows: np.ndarray) -> dict[str, Estimate]:
    """Means of paired differences, each over the samples in which both are defined."""
    estimates: dict[str, Estimate] = {}
    for name, values in differences.items():
        defined = rows[np.isfinite(values[rows])]
        if len(defined) >= 2:
            estimates |= context.means({name: values[defined]}, defined, {name: "real"})
    return estimates
