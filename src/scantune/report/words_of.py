"""Sentences that several parts of the report share: what was done, in the run's own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantune.plots import words
from scantune.report.facts import RunFacts
from scantune.tasks.catalogue import part


def cohort(facts: RunFacts) -> str:
    """What the data are, in the words of the cohort's own folder; "" where it says nothing."""
    kind = kind_of_cohort(facts)
    return ": ".join(part for part in (kind, facts.cohort) if part)


def kind_of_cohort(facts: RunFacts) -> str:
    """``demo cohort`` or ``synthetic cohort``; "" for data of patients."""
    return "demo cohort" if facts.demo else "synthetic cohort" if facts.synthetic else ""


def behind(facts: RunFacts) -> str:
    """Disclaimer for demo cohorts and synthetic ones."""
    return "no patient stands behind any figure" if facts.synthetic else "no figure says anything about patients"


def task(facts: RunFacts) -> str:
    """What the model predicts."""
    name, target = facts.task_name, facts.task.get("target")
    predicts = part(name, "words").TASK if name else "unknown task"
    return f"{name}: {predicts}" + (f" ({target})" if target else "")


def network(facts: RunFacts) -> str:
    """Backbone, parameters, members."""
    backbone, members = facts.model.get("backbone"), facts.model.get("members")
    if not backbone:
        return ""
    count = facts.model.get("parameters")
    size = f" of {count} parameters" if count else ""
    several = f", {members} members averaged" if isinstance(members, int) and members > 1 else ""
    return f"{backbone}{size}{several}"


def weights(facts: RunFacts) -> str:
    """Where the network's starting weights came from."""
    source = facts.model.get("weights")
    return "" if not source else ("random weights" if source == "random" else f"published weights {source}")


def sides(facts: RunFacts) -> str:
    """Samples and subjects of each side."""
    held = (facts.audit.get("sides") or {}).items()
    return "; ".join(f"{name} {part.get('samples')} samples of {part.get('subjects')} subjects" for name, part in held)


def flow(facts: RunFacts) -> str:
    """Samples at each step and what was left out."""
    lines = []
    for step in facts.flow.get("steps") or ():
        left = "; ".join(f"{n} × {reason}" for reason, n in (step.get("excluded") or {}).items())
        lines.append(f"{step['name']} {step.get('samples')}" + (f" (left out: {left})" if left else ""))
    return ", ".join(lines)


def figures(facts: RunFacts, names: list[str] | None = None) -> str:
    """Headline figures with intervals."""
    held = {name: facts.figure(name) for name in (names or facts.headline)}
    return "; ".join(f"{words.label(name)} {words.interval(entry)}" for name, entry in held.items() if entry)


def split(facts: RunFacts) -> str:
    """How the sides were made."""
    held = facts.setting("dataset", "split")
    if not isinstance(held, Mapping):
        return ""
    on = ", ".join(held.get("on") or ())
    folds = f", {held['folds']} folds" if held.get("folds") else ""
    return (
        f"{held.get('method')} by subject" + (f", alike in {on}" if on else "") + folds + f", seed {held.get('seed')}"
    )


def left_out(facts: RunFacts) -> str:
    """Filters of the table."""
    where = facts.setting("dataset", "where")
    return "" if not where else "rows where " + ", ".join(f"{key} is {value}" for key, value in where.items())


def preprocessing(facts: RunFacts) -> str:
    """How a file becomes a tensor."""
    held: Any = facts.settings.get("input") or {}
    parts = []
    for key in ("modality", "spacing", "shape", "intensity", "frames"):
        value = held.get(key)
        if value is not None:
            parts.append(f"{key} {value.get('name') if isinstance(value, Mapping) else value}")
    return ", ".join(parts)


def training(facts: RunFacts) -> str:
    """Epochs, batch, optimizer, learning rate."""
    held: Any = facts.settings.get("train") or {}
    parts = [
        f"{key.replace('_', ' ')} {held[key]}"
        for key in ("epochs", "batch_size", "learning_rate", "seed")
        if key in held
    ]
    for key in ("optimizer", "scheduler"):
        value = held.get(key)
        if isinstance(value, Mapping) and value.get("name"):
            parts.append(f"{key} {value['name']}")
    loss = facts.model.get("loss")
    parts += [f"loss {loss}"] if loss else []
    return ", ".join([*parts, *augmentation(held)])


def augmentation(train: Mapping[str, Any]) -> list[str]:
    """What training samples were changed by."""
    if "augment" not in train:
        return []
    named = [
        name.replace("_", " ") for name, value in (train["augment"] or {}).items() if value not in (None, False, 0)
    ]
    return [f"augmented by {', '.join(named)}" if named else "not augmented"]


def measures(facts: RunFacts) -> str:
    """Names of the headline figures."""
    return ", ".join(words.label(name) for name in facts.headline)


def diagnostic(facts: RunFacts) -> str:
    """Metrics of diagnostic accuracy with intervals, where there are any; else the headline metrics."""
    named = [n for n in ("auroc", "recall", "specificity", "precision", "accuracy") if facts.figure(n)]
    return figures(facts, named) if facts.figure("auroc") else figures(facts)


def software(facts: RunFacts) -> str:
    """Libraries and versions."""
    return ", ".join(f"{name} {version}" for name, version in facts.environment.items())


def subgroups(facts: RunFacts) -> str:
    """The columns by which figures are given."""
    held = facts.metrics.get("subgroups") or {}
    return ", ".join(f"{column} ({len(levels)} levels)" for column, levels in held.items())


def saliency(facts: RunFacts) -> str:
    """Method and verdicts of the maps."""
    held = facts.metrics.get("saliency") or {}
    if not held.get("method"):
        return ""
    said = {True: "passed", False: "failed", None: "no verdict"}
    verdicts = [f"{n.replace('_', ' ')} {said[e.get('passed')]}" for n, e in (held.get("checks") or {}).items()
                if str(e.get("rule", "")).startswith("passes")]  # fmt: skip
    return f"{held['method']} maps at {held.get('layer')}" + (
        f"; {', '.join(verdicts)}" if verdicts else "; not checked"
    )


def intervals(facts: RunFacts) -> str:
    """How uncertainty was computed."""
    held = facts.metrics.get("settings") or {}
    if not held:
        return ""
    draws, seed = held.get("draws"), held.get("seed")
    return f"{facts.confidence} intervals; resampled by subject where resampled ({draws} draws, seed {seed})"
