"""The report of a predictions file, whoever wrote it: results and figures, without what only a run knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune import plots
from scantune.report.environment import environment
from scantune.report.facts import Mistake, RunFacts
from scantune.report.figures import captions, titled
from scantune.report.page import build
from scantune.tasks import errors, figures
from scantune.tasks.predictions import PredictionTable

if TYPE_CHECKING:
    from scantune.tasks.base import TaskSettings

SECTIONS = (
    "results",
    "figures",
    "subgroups",
    "fairness",
    "calibration",
    "thresholds",
    "readers",
    "errors",
    "all",
    "environment",
)


def report(
    table: PredictionTable, task: TaskSettings, metrics: Mapping[str, Any], out: Path, *, name: str, split: str = "test"
) -> Path:
    """Write the report of a predictions file.

    Args:
        table: the predictions.
        task: settings of the task.
        metrics: what :func:`scantune.tasks.scoring.evaluate` made of them.
        out: the file, ending in ``.html``.
        name: of the model or reader.
        split: the rows that the metrics are of.

    Returns:
        ``out``.
    """
    drawn = figures.draw(table, task, metrics, split=split)
    order = [*(stem for stem in captions() if stem in drawn), *(stem for stem in drawn if stem not in captions())]
    pictures = {stem: titled(stem, plots.render(drawn[stem], "svg")) for stem in order}
    samples = errors.sample_errors(table, task, split)
    at_least = errors.SHOWN if errors.of_task(task.name).SIZED else 0
    wrong = errors.worst(samples, at_least=at_least)
    facts = RunFacts(
        name=name,
        dataset=table.name,
        metrics=metrics,
        task=task.model_dump(mode="json"),
        environment=environment(),
        figures=pictures,
        mistakes=[Mistake(s.sample_id, s.kind, s.target, s.answer, s.error, s.group) for s in wrong],
        mistakes_of=errors.in_words(samples, task),
        doubts=errors.doubts_in_words(samples),
    )
    return build(facts, out, only=SECTIONS)
