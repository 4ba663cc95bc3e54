"""Sentences that several parts of the report share: what was done, in the run's own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantune.amounts import number_of
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


def disclaimer(facts: RunFacts) -> str:
    """Disclaimer for demo cohorts and synthetic ones."""
    return "the data do not come from patients" if facts.synthetic else "the results do not apply to patients"


def task(facts: RunFacts) -> str:
    """What the model predicts."""
    name, several = facts.task_name, facts.task.get("targets")
    one = facts.task.get("target") or ""
    named = f", targets {', '.join(several)}" if several else f", target {one}" if one not in ("", "target") else ""
    predicts = part(name, "words").TASK if name else "unknown task"
    return f"{name} ({predicts}){named}"


def network(facts: RunFacts) -> str:
    """Backbone, parameters, members."""
    backbone, members = facts.model.get("backbone"), facts.model.get("members")
    if not backbone:
        return ""
    count = facts.model.get("parameters")
    size = f" with {count} parameters" if count else ""
    several = f", mean of {members} networks" if isinstance(members, int) and members > 1 else ""
    beside = covariates(facts)
    return f"{backbone}{size}{several}{f', beside the image: {beside}' if beside else ''}"


def covariates(facts: RunFacts) -> str:
    """The columns that the network takes beside the image; "" without any."""
    return str(facts.model.get("covariates") or "")


def predictors(facts: RunFacts) -> str:
    """How the image and the covariates become what the network takes."""
    image, beside = preprocessing(facts), covariates(facts)
    return f"{image}; beside the image {beside}, empty cells as unknown" if image and beside else image


def weights(facts: RunFacts) -> str:
    """Where the network's starting weights came from."""
    source = facts.model.get("weights")
    return "" if not source else ("random initialisation" if source == "random" else f"published weights {source}")


def partitions(facts: RunFacts) -> str:
    """Samples and subjects of each partition."""
    block = (facts.audit.get("sides") or {}).items()
    return "; ".join(
        f"{name}: {number_of(part.get('samples'), 'sample')} of {number_of(part.get('subjects'), 'subject')}"
        for name, part in block
    )


def flow(facts: RunFacts) -> str:
    """Samples at each step and what was left out."""
    lines = []
    for step in facts.flow.get("steps") or ():
        left = "; ".join(f"{n} × {reason}" for reason, n in (step.get("excluded") or {}).items())
        lines.append(f"{step['name']} {step.get('samples')}" + (f" (excluded: {left})" if left else ""))
    return ", ".join(lines)


def metric_values(facts: RunFacts, names: list[str] | None = None) -> str:
    """Headline figures with intervals."""
    entries = {name: facts.figure(name) for name in (names or facts.headline)}
    return "; ".join(f"{facts.label(name)} {words.interval(entry)}" for name, entry in entries.items() if entry)


def split(facts: RunFacts) -> str:
    """How the data were assigned to partitions."""
    block = facts.audit.get("settings") or facts.setting("dataset", "split")
    if not isinstance(block, Mapping):
        return ""
    fill = "".join(
        f", {share:.0%} of the training subjects for {side}" for side, share in (block.get("fill") or {}).items()
    )
    on = ", ".join(block.get("on") or ())
    folds = f", {block['folds']} folds" if block.get("folds") else ""
    return (
        f"{block.get('method')} by subject"
        + (f", balanced for {on}" if on else "")
        + folds
        + fill
        + f", seed {block.get('seed')}"
    )


def inclusion(facts: RunFacts) -> str:
    """Inclusion criteria: the filters of the table."""
    where = facts.setting("dataset", "where")
    return "" if not where else "rows where " + ", ".join(f"{key} is {value}" for key, value in where.items())


def preprocessing(facts: RunFacts) -> str:
    """How a file becomes a tensor."""
    block: Any = facts.settings.get("input") or {}
    parts = []
    for key in ("modality", "spacing", "shape", "intensity", "frames"):
        value = block.get(key)
        if value is not None:
            parts.append(f"{key} {value.get('name') if isinstance(value, Mapping) else value}")
    return ", ".join(parts)


def training(facts: RunFacts) -> str:
    """Epochs, batch, optimizer, learning rate."""
    block: Any = facts.settings.get("train") or {}
    parts = [
        f"{key.replace('_', ' ')} {block[key]}"
        for key in ("epochs", "batch_size", "learning_rate", "seed")
        if key in block
    ]
    for key in ("optimizer", "scheduler"):
        value = block.get(key)
        if isinstance(value, Mapping) and value.get("name"):
            parts.append(f"{key} {value['name']}")
    loss = facts.model.get("loss")
    parts += [f"loss {loss}"] if loss else []
    return ", ".join([*parts, *augmentation(block)])


def augmentation(train: Mapping[str, Any]) -> list[str]:
    """The augmentation of training samples."""
    if "augment" not in train:
        return []
    written = {name: value for name, value in (train["augment"] or {}).items() if value not in (None, False, 0)}
    named = ["the usual set"] * bool(written.pop("default", False)) + [name.replace("_", " ") for name in written]
    return [f"augmentation: {', '.join(named)}" if named else "no augmentation"]


def metric_names(facts: RunFacts) -> str:
    """Names of the headline figures."""
    return ", ".join(words.label(name) for name in facts.headline)


def diagnostic(facts: RunFacts) -> str:
    """Metrics of diagnostic accuracy with intervals, where there are any; else the headline metrics."""
    named = [n for n in ("auroc", "recall", "specificity", "precision", "accuracy") if facts.figure(n)]
    return metric_values(facts, named) if facts.figure("auroc") else metric_values(facts)


def software(facts: RunFacts) -> str:
    """Libraries and versions."""
    return ", ".join(f"{name} {version}" for name, version in facts.environment.items())


def subgroups(facts: RunFacts) -> str:
    """The grouping columns with their numbers of levels."""
    block = facts.metrics.get("subgroups") or {}
    return ", ".join(f"{column} ({len(levels)} levels)" for column, levels in block.items())


def saliency(facts: RunFacts) -> str:
    """Method and verdicts of the maps."""
    block = facts.metrics.get("saliency") or {}
    if not block.get("method"):
        return ""
    verdict = {True: "passed", False: "failed", None: "no verdict"}
    verdicts = [f"{n.replace('_', ' ')} {verdict[e.get('passed')]}" for n, e in (block.get("checks") or {}).items()
                if str(e.get("rule", "")).startswith("passes")]  # fmt: skip
    return f"{block['method']} maps at {block.get('layer')}" + (
        f"; {', '.join(verdicts)}" if verdicts else "; not checked"
    )


def intervals(facts: RunFacts) -> str:
    """How uncertainty was computed."""
    block = facts.metrics.get("settings") or {}
    if not block:
        return ""
    draws, seed = block.get("draws"), block.get("seed")
    return f"{facts.confidence} confidence intervals; bootstrap by subject where resampled ({draws} draws, seed {seed})"
