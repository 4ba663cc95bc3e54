"""The model card: intended use (for the author to state), training data, performance and limitations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scantune.amounts import number_of
from scantune.plots import words
from scantune.plots.direction import legible
from scantune.report import sentences
from scantune.report.facts import SYNTHETIC, RunFacts
from scantune.report.items import AUTHOR
from scantune.report.results import baseline_name, primary
from scantune.report.saliency import NAMES
from scantune.tasks.catalogue import part
from scantune.tasks.custom import metrics_of
from scantune.tasks.directions import lower_is_better, undecided

FEW = 100
"""Test subjects below which intervals are wide whatever the model (Collins et al., Stat Med 2016;35:214)."""


@dataclass(frozen=True)
class Chapter:
    """A chapter of the card: lines of name and text."""

    title: str
    lines: tuple[tuple[str, str], ...]


def chapters(facts: RunFacts) -> list[Chapter]:
    """The card's chapters; what only the author can state is marked."""
    metrics = [(facts.label(name), words.interval(facts.figure(name))) for name in facts.headline]
    return [
        Chapter("Model", _known(("Name", facts.name), ("Task", sentences.task(facts)),
                                ("Network", sentences.network(facts)),
                                ("Starting weights", sentences.weights(facts)),
                                ("Licence of the weights", str(facts.model.get("licence") or "")))),
        Chapter("Intended use", (("Use", AUTHOR), ("Users", AUTHOR), ("Out-of-scope use", AUTHOR))),
        Chapter("Data", _known(("Data set", facts.dataset), ("Cohort", _cohort(facts)),
                               ("Partitions", sentences.partitions(facts)), ("Split", sentences.split(facts)),
                               ("Preprocessing", sentences.preprocessing(facts)))),
        Chapter(f"Performance on the test set ({facts.confidence} confidence intervals)", tuple(metrics)),
        Chapter("Limitations", tuple(("", line) for line in limits(facts))),
    ]  # fmt: skip


def _known(*lines: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for name, text in lines if text)


def _cohort(facts: RunFacts) -> str:
    return sentences.cohort(facts) or AUTHOR


def limits(facts: RunFacts) -> list[str]:
    """What a user must know, from the run's own facts."""
    lines = []
    if sentences.kind_of_cohort(facts):
        lines.append(f"Trained and tested on a {sentences.kind_of_cohort(facts)}: {sentences.disclaimer(facts)}.")
    elif facts.model.get("trained_on") == SYNTHETIC:
        lines.append(f"Trained on {SYNTHETIC}: its training data do not come from patients.")
    if not facts.flow.get("subjects_known", True):
        lines.append(
            "No subject identifiers: samples of one person may be in two partitions and the intervals too narrow."
        )
    subjects = facts.metrics.get("n_subjects")
    if subjects is not None and subjects < FEW:
        lines.append(
            f"Only {number_of(subjects, 'test subject')}: rely on the confidence intervals rather than on the "
            f"point estimates."
        )
    lines += _beside_baselines(facts) + _fitted(facts)
    if not facts.metrics.get("external"):
        lines.append("Not tested on external data.")
    small = [
        f"{words.level(column, column)} {words.level(column, level)}"
        for column, levels in (facts.metrics.get("subgroups") or {}).items()
        for level, entries in sorted(levels.items(), key=lambda pair: words.level_order(pair[0]))
        if any(isinstance(entry, dict) and entry.get("small") for entry in entries.values())
    ]
    if small:
        lines.append(f"Few test subjects in these subgroups: {', '.join(small)}.")
    if not facts.metrics.get("subgroups"):
        reasons = facts.metrics.get("subgroups_left_out") or {}
        named = [f"{words.level(column, column)}: {why}" for column, why in reasons.items()]
        why = f"no column has suitable levels ({'; '.join(named)})" if named else "the table has no such columns"
        lines.append(f"No subgroup analysis by sex, age, site or scanner: {why}.")
    checks = (facts.metrics.get("saliency") or {}).get("checks") or {}
    failed = [NAMES.get(name, name) for name, entry in checks.items() if entry.get("passed") is False]
    if failed:
        lines.append(f"The saliency maps failed these checks: {'; '.join(failed)}.")
    return [*lines, "This is a research model, not a medical device."]


def _fitted(facts: RunFacts) -> list[str]:
    """What calibration, intervals, sets and the postprocessing of masks were fitted on, and what that may cost."""
    on = facts.model.get("calibrated_on")
    if facts.metrics.get("postprocessing"):
        return list(part(facts.task_name, "words").postprocessing(facts.metrics))
    if not on:
        return []
    if on == "validation":
        return [
            "Calibration and conformal intervals or sets were fitted on the validation subjects, on whom the "
            "checkpoint was selected too: coverage may be a few percentage points below nominal, more so with few "
            "subjects (train.calibration_fraction reserves some for calibration)."
        ]
    return [f"Calibration and conformal intervals or sets were fitted on {on}."]


def _beside_baselines(facts: RunFacts) -> list[str]:
    """The baselines than which the model is not shown to be better, by the paired interval of the primary metric."""
    baselines = facts.metrics.get("baselines") or {}
    if not baselines:
        return []
    name = primary(facts)
    if undecided(name):
        return []
    sign = -1 if lower_is_better(metrics_of(facts.task_name).ERRORS if facts.task_name else (), name) else 1
    alike = []
    for baseline, entries in baselines.items():
        theirs = words.entry(entries.get(name))
        if not words.defined(theirs.get("value")):  # such as the correlation with a constant
            continue
        difference = theirs.get("difference")
        bounds: list[Any] = [(difference or {}).get(bound) for bound in ("lower", "upper")]
        if not (all(map(words.defined, bounds)) and min(sign * bound for bound in bounds) > 0):
            why = f"model minus baseline {words.interval(difference)}" if difference else "no paired difference"
            alike.append(f"{baseline_name(baseline)} ({why})")
    return [f"{words.label(name)} is not shown to be better than that of a baseline: {'; '.join(alike)}."] * bool(alike)


def model_card(facts: RunFacts, out: Path) -> Path:
    """Write the card as Markdown.

    Args:
        facts: of the run.
        out: the file.

    Returns:
        ``out``.
    """
    from scantune.files import write_text

    lines = [f"# Model card: {escaped(facts.name)}", ""]
    if facts.description:
        lines += [escaped(facts.description), ""]
    for chapter in chapters(facts):
        lines += [f"## {chapter.title}", ""]
        lines += [f"- **{escaped(n)}**: {escaped(text)}" if n else f"- {escaped(text)}" for n, text in chapter.lines]
        lines.append("")
    write_text(out, "\n".join(lines))
    return out


def escaped(text: str) -> str:
    """Text escaped for Markdown and embedded HTML, on one line."""
    plain = " ".join(legible(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]#|!])", r"\\\1", plain)
