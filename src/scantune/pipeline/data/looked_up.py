"""What stages depend on of blocks that DVC cannot look up for them, written into files by the stage ``settings``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scantune.cohort.values import is_empty
from scantune.config.params import Params
from scantune.files import write_json
from scantune.pipeline.project import evaluated_block
from scantune.tables import write_csv

if TYPE_CHECKING:
    from scantune.tasks.base import TaskSettings


def tasks_on(params: Params, name: str, *, of: Literal["dataset", "input"] = "dataset") -> dict[str, TaskSettings]:
    """Key of an experiment to its task, for all that train or are tested on a dataset, or on an input."""
    groups = (("experiments", params.experiments), ("derived", params.derived))
    tasks = {
        f"{group}.{key}": b.task for group, blocks in groups for key, b in blocks.items() if getattr(b, of) == name
    }
    known = {**params.experiments, **params.derived}
    for key, block in params.external.items():
        if getattr(block, of) == name and block.experiment in known:
            tasks[f"external.{key}"] = known[block.experiment].task
    for key, joined in params.external_ensembles.items():
        members = params.ensembles[joined.ensemble].members if joined.ensemble in params.ensembles else []
        if getattr(joined, of) == name and members and members[0] in known:
            tasks[f"external_ensembles.{key}"] = known[members[0]].task
    return tasks


def number_targets(params: Params, name: str) -> dict[str, bool]:
    """Targets of ``datasets.<name>``: True for a number by its column's rule or a task's, False for the classes of one.

    A target that one task takes as classes and another as a number has classes: each partition needs some of them.
    """
    kinds = {target: True for target, column in params.datasets[name].targets.items() if column.number}
    for task in tasks_on(params, name).values():
        rules = task.target_rules()
        for target in task.target_names():
            kinds[target] = kinds.get(target, True) and bool(rules.get(target, {}).get("number"))
    return kinds


def write_kinds(params: Params, folder: Path) -> None:
    """Write ``<dataset>.csv`` with the columns target and kind (number or class) for every dataset.

    A split depends on this file instead of on the tasks of all experiments: it is made anew where a target turns from
    classes into a number, and not where an experiment changes in anything else.
    """
    for name in params.datasets:
        kinds = sorted(number_targets(params, name).items())
        rows = ((target, "number" if number else "class") for target, number in kinds)
        write_csv(folder / f"{name}.csv", ["target", "kind"], rows)


def words_for_empty(params: Params, name: str) -> dict[str, list[str]]:
    """Target of ``datasets.<name>`` to the words (NA, None …) that a task's classes name, and that elsewhere say that a
    cell is empty."""
    dataset = params.datasets[name]
    words: dict[str, set[str]] = {}
    for task in () if dataset.class_folders else tasks_on(params, name).values():
        for target, rule in task.target_rules().items():
            named = rule.get("values")
            texts = map(str, named) if isinstance(named, (list, tuple)) else ()
            words.setdefault(target, set()).update(text for text in texts if is_empty(text))
    return {target: sorted(found) for target, found in words.items() if found and target in dataset.targets}


def write_words(params: Params, folder: Path) -> None:
    """Write ``<dataset>.csv`` with the columns target and word of :func:`words_for_empty` for every dataset.

    The preparation and the split depend on this file: which cells of the table are empty, which rows are left out,
    hangs by it and by nothing else of the experiments.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in params.datasets:
        words = sorted(words_for_empty(params, name).items())
        write_csv(folder / f"{name}.csv", ["target", "word"], ((target, word) for target, of in words for word in of))


def write_evaluations(params: Params, folder: Path) -> None:
    """Write ``<name>.json`` with the task and the evaluation of every experiment, derived experiment and ensemble.

    An external validation depends on this file: in which group its experiment stands, DVC cannot tell.
    """
    for name in (*params.experiments, *params.derived, *params.ensembles):
        block = evaluated_block(params, name)
        settings = {"task": block.task, "evaluate": block.evaluate}
        write_json(folder / f"{name}.json", {key: value.model_dump(mode="json") for key, value in settings.items()})
