"""A regression in words: for reports, model cards and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from scantune.plots.words import number

if TYPE_CHECKING:
    from scantune.tasks.regression.settings import Measure, Regression
    from scantune.tasks.regression.task import RegressionTask

TASK = "a number per image"
"""What the model predicts."""

OUTPUT = "a number with its conformal interval"
"""Output of the model."""


def answer(task: RegressionTask, values: Mapping[str, Any]) -> tuple[str, str]:
    """Prediction, and interval or "", of one sample's columns of ``predictions.csv``; of several targets all in one."""
    texts = {}
    for name, measure in task.measures.items():
        suffix = task.settings.suffix(name)
        bounds = [values[f"{end}{suffix}"] for end in ("lower", "upper") if f"{end}{suffix}" in values]
        interval = " to ".join(number(float(bound)) for bound in bounds) if len(bounds) == 2 else ""
        texts[name] = measured(values[f"prediction{suffix}"], measure), interval
    if not task.labels:
        return texts[task.settings.target]
    return each({name: f"{text} ({interval})" if interval else text for name, (text, interval) in texts.items()}), ""


_IN_UNITS = ("mae", "rmse", "bland_altman_", "conformal_width", "repeatability")
"""How names of metrics begin that are in the unit of the target."""


def units(settings: Regression, names: Iterable[str]) -> dict[str, str]:
    """Metric to the unit of its target, of those that have one; a slope has none."""
    found, measures = {}, settings.measures()
    for name in names:
        stem, _, target = name.partition("/")
        unit = "" if settings.targets and not target else measures[target or settings.target].unit
        if unit and stem.startswith(_IN_UNITS) and not stem.endswith("_slope"):
            found[name] = unit
    return found


def measured(value: Any, measure: Measure) -> str:
    """A value with its unit."""
    return f"{number(value)} {measure.unit}".rstrip()


def each(of_targets: Mapping[str, str]) -> str:
    """The texts of several targets joined: ``age 63, lesion volume 4.2``."""
    return ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in of_targets.items())


def headline_notes(metrics: Mapping[str, Any]) -> list[str]:
    """What the table of headline metrics needs to be understood, by ``metrics.json``."""
    return [*_significant(metrics.get("significant_error") or {}), *_means(metrics)]


def _significant(section: Mapping[str, Any]) -> list[str]:
    """Which errors are called clinically significant."""
    limits = section.get("targets") or ({"": section} if section else {})
    texts = {name: f"more than {one['above']:g} {one['unit']}".rstrip() for name, one in limits.items()}
    return [f"Clinically significant errors: {each(texts).strip()} from the reference."] if texts else []


def _means(metrics: Mapping[str, Any]) -> list[str]:
    if not any("/" in name for name in metrics.get("headline") or ()):
        return []
    return [
        "Metrics without a target's name are means over the targets. n: samples in which the target is known; of the "
        "means, those with at least one."
    ]
