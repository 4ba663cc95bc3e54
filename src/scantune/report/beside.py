"""What stands beside the image: confounders that predict the target alone, and covariates of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantune.plots import words
from scantune.report.facts import RunFacts
from scantune.report.parts import Cell, Table, Words, counted, figure, text


def confounders(facts: RunFacts) -> list[Any]:
    """A paragraph for each grouping column that alone predicts the target above chance, with the model within it."""
    entries = (facts.metrics.get("confounders") or {}).items()
    return [Words(_sentence(column, entry), "bad") for column, entry in entries if entry.get("predicts")]


def _sentence(column: str, entry: Mapping[str, Any]) -> str:
    label = words.label(entry["metric"])
    beginning = f"The column {column.replace('_', ' ')} alone predicts the target: {label} {_value(entry['alone'])}"
    if not words.defined((entry.get("pooled") or {}).get("value")):
        return f"{beginning}; the model {_value(entry['model'])}."
    levels = "; ".join(f"{words.level(column, name)} {_value(part)}" for name, part in entry["within"].items())
    return (
        f"{beginning}. The model has {_value(entry['model'])} on all samples and {_value(entry['pooled'])} within the "
        f"levels ({levels})."
    )


def _value(entry: Mapping[str, Any]) -> str:
    cell = figure(entry)
    return f"{cell.text} ({cell.sub})" if cell.kind == "number" and not cell.why else cell.text


def strata(facts: RunFacts) -> list[Any]:
    """A table of all grouping columns: what each predicts alone, the model on all samples and within its levels."""
    entries = facts.metrics.get("confounders") or {}
    if not entries:
        return []
    metric = words.label(next(iter(entries.values()))["metric"])
    rows: list[list[Cell]] = []
    for column, entry in entries.items():
        pooled = figure(entry["pooled"]) if "pooled" in entry else text(None)
        rows.append([text(column.replace("_", " ")), figure(entry["alone"]), figure(entry["model"]), pooled])
    notes = [
        "By the column alone: a simple model fitted on the training set, with an interval for each column by itself: "
        "of many columns that predict nothing, a few lie above chance. Within its levels: the mean over the levels, "
        "weighted by their numbers of samples; age in bands."
    ]
    lacking = {c: e["undefined"] for c, e in entries.items() if e.get("undefined")}
    notes += [f"Undefined in these levels of {c}: {', '.join(ls)}." for c, ls in lacking.items()]
    header = ["Column", f"{metric} by the column alone", "Model, all samples", "Model, within the levels"]
    return [Table(header, rows, "Confounders", notes)]


def covariates(facts: RunFacts) -> list[Any]:
    """Image and covariates together, and each alone, on the same samples."""
    section = facts.metrics.get("covariates") or {}
    if not section:
        return []
    metrics, sources = facts.metrics.get("metrics") or {}, [n for n in ("image", "covariates") if n in section]
    rows = []
    for name in facts.headline:
        cells = [_beside(section[source][name]) if name in section[source] else text(None) for source in sources]
        if any(cell.text != "–" for cell in cells):
            entry = words.entry(metrics.get(name))
            rows.append([text(facts.label(name)), figure(entry), *cells, counted(entry)])
    titles = {"image": "Image alone", "covariates": "Covariates alone"}
    dropout = section["dropout"]
    trained = (
        f"which {100 * dropout:g} % of the training samples were in each step"
        if dropout
        else "which no training sample was: a network trained on images alone may do better"
    )
    notes = [
        f"Covariates: {'; '.join(section['columns'])}. Under each value: image and covariates − that one, paired.",
        f"Image alone: the same network with all covariates unknown, {trained}. Covariates alone: a simple model "
        "(logistic, linear or Cox) fitted on the training set.",
    ]
    header = ["Metric", "Image and covariates", *(titles[source] for source in sources), "n"]
    return [Table(header, rows, "Image and covariates", notes)]


def _beside(entry: Mapping[str, Any]) -> Cell:
    """A metric, with the difference of the model from it."""
    cell, difference = figure(entry), entry.get("difference")
    if not isinstance(difference, Mapping) or cell.kind != "number" or cell.why:
        return cell
    change = figure(difference)
    value = change.text if change.text.startswith(("−", "-")) else f"+{change.text}"
    return Cell(cell.text, f"{value} ({change.sub})" if change.sub else value, cell.kind, change.why)
