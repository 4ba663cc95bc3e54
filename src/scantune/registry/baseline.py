"""Whether a model is better than the best simple baseline: without that no alias is assigned automatically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Rule = Literal["interval", "value", "ignore"]


@dataclass(frozen=True)
class Verdict:
    """A model beside the best simple baseline, in the primary metric.

    Attributes:
        better: whether it is better, by the rule.
        reason: with both values.
        metrics: ``name`` of the primary metric, its entry for ``model``, and for ``baseline`` with the baseline's name.
    """

    better: bool
    reason: str
    metrics: dict[str, Any] = field(default_factory=dict)


def against_baselines(metrics: Mapping[str, Any], primary: str, lower_is_better: bool, rule: Rule) -> Verdict:
    """A model against the baselines of its ``metrics.json``.

    ``interval``: the paired interval of model − baseline must lie on the better side of 0, for every baseline; where
    one has no interval (few subjects, metrics of an earlier evaluation) its value decides. ``value``: the value
    decides. ``ignore``: every model passes.

    Args:
        metrics: ``metrics.json``.
        primary: name of the metric that decides.
        lower_is_better: its direction.
        rule: the rule.
    """
    model = metrics["metrics"].get(primary)
    evidence: dict[str, Any] = {"name": primary, "model": model}
    if model is None or model["value"] is None:
        why = "it was not computed" if model is None else model["reason"]
        return Verdict(rule == "ignore", f"{primary} of the model is undefined ({why})", evidence)
    known = {
        name: baseline_metrics[primary]
        for name, baseline_metrics in metrics.get("baselines", {}).items()
        if _defined(baseline_metrics, primary)
    }
    if not known:
        return Verdict(True, f"{primary} {model['value']:.4g}; no baseline has this metric", evidence)
    sign = -1.0 if lower_is_better else 1.0
    failed = [name for name in known if not _beats(model, known[name], sign, rule)]
    best = max(failed or known, key=lambda name: sign * known[name]["value"])
    evidence["baseline"] = {"baseline": best, **known[best]}
    return Verdict(
        rule == "ignore" or not failed, _reason(primary, model, best, known[best], not failed, rule), evidence
    )


def read_metrics(folder: Path) -> dict[str, Any]:
    """``metrics.json`` of an evaluation."""
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def _defined(figures: Mapping[str, Any], primary: str) -> bool:
    return figures.get(primary, {}).get("value") is not None


def _beats(model: Mapping[str, Any], other: Mapping[str, Any], sign: float, rule: Rule) -> bool:
    bounds = _bounds(other) if rule == "interval" else None
    if bounds is None:
        return sign * (model["value"] - other["value"]) > 0
    return min(sign * bound for bound in bounds) > 0


def _bounds(other: Mapping[str, Any]) -> tuple[float, float] | None:
    difference = other.get("difference") or {}
    if difference.get("lower") is None or difference.get("upper") is None:
        return None
    return difference["lower"], difference["upper"]


def _reason(
    primary: str, model: Mapping[str, Any], name: str, other: Mapping[str, Any], better: bool, rule: Rule
) -> str:
    text = (
        f"{primary} {model['value']:.4g} is {'better' if better else 'not shown to be better'} than the baseline "
        f"{name!r} ({other['value']:.4g}"
    )
    bounds = _bounds(other) if rule == "interval" else None
    return f"{text}; paired difference {bounds[0]:+.4g} to {bounds[1]:+.4g})" if bounds else f"{text}; by value alone)"
