"""Requirements of experiments on a dataset's targets: a wrong label is reported before anything is prepared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scantune.class_names import label
from scantune.cohort.faults import CohortError, Fault
from scantune.cohort.load import Cohort, read
from scantune.config.dataset import TargetColumn
from scantune.config.params import Params
from scantune.config.watching import refuse_unseen
from scantune.pipeline.data import views
from scantune.pipeline.data.looked_up import tasks_on
from scantune.tasks.baselining import determining


def read_for_tasks(params: Params, name: str, base: Path) -> Cohort:
    """Records of ``datasets.<name>``, every target checked against every experiment on it.

    Raises:
        CohortError: as :func:`scantune.cohort.read`; also values that are not valid for a task, each with row and
            column.
        ScantuneError: files outside the folders that DVC watches.
    """
    dataset = params.datasets[name]
    cohort = _read(params, name, base)
    watched = [block.path for block in params.watched.values() if block.dataset == name]
    refuse_unseen(name, dataset, watched, (path for record in cohort.records for path in record.paths))
    return cohort


def _read(params: Params, name: str, base: Path) -> Cohort:
    dataset = params.datasets[name]
    if dataset.class_folders:
        return read(dataset, base)
    columns, needed_by = _columns(params, name)
    changed = columns != dict(dataset.targets)
    cohort = read(dataset, base, targets=columns, needed_by=", ".join(needed_by) if changed else "")
    _check_cells(params, name, cohort)
    return cohort


def _columns(params: Params, name: str) -> tuple[dict[str, TargetColumn], list[str]]:
    """The targets' columns with the rules of the tasks that need them, and those tasks' experiments."""
    columns, needed_by = dict(params.datasets[name].targets), list[str]()
    for key, task in tasks_on(params, name).items():
        rules = {target: rule for target, rule in task.target_rules().items() if target in columns}
        for target, rule in rules.items():
            columns[target] = stricter(columns[target], rule)
        needed_by += [key] if rules else []
    return columns, needed_by


def view_notes(params: Params, name: str, cohort: Cohort) -> list[str]:
    """Class targets of ``datasets.<name>`` that differ between the samples of a subject, with ids."""
    return views.notes(tasks_on(params, name), cohort.records)


def _check_cells(params: Params, name: str, cohort: Cohort) -> None:
    """Check every cell of the targets as the tasks read it.

    Raises:
        CohortError: with row and column of each value that is not valid for a task.
    """
    dataset, faults = params.datasets[name], list[Fault]()
    tasks = tasks_on(params, name)
    for task in tasks.values():
        for target in task.target_names():
            column = dataset.targets[target].column if target in dataset.targets else None
            wrong = ((record, task.target_fault(target, record.targets.get(target, ""))) for record in cohort.records)
            faults += [Fault(what, record.row, column) for record, what in wrong if what is not None]
    for key, task in tasks.items():
        faults += views.aggregation_faults(key, task, cohort.records)
    faults += _covariate_faults(params, name, cohort)
    if faults:
        raise CohortError(f"table {dataset.table} (its targets as {', '.join(tasks)} need them)", faults)


def _covariate_faults(params: Params, name: str, cohort: Cohort) -> Iterator[Fault]:
    """Covariates of experiments on the dataset that are, or determine, a target."""
    groups = (("experiments", params.experiments), ("derived", params.derived))
    blocks = {f"{group}.{key}": b for group, entries in groups for key, b in entries.items() if b.dataset == name}
    for key, block in blocks.items():
        columns = {} if block.model.covariates is None else block.model.covariates.columns
        cells = {column: [record.groups.get(column, "") for record in cohort.records] for column in columns}
        targets = {
            target: [record.targets.get(target, "") for record in cohort.records]
            for target in block.task.target_names()
        }
        for column, why in determining(cells, targets).items():
            source = params.datasets[name].groups[column]
            yield Fault(f"{key}.model.covariates: {column!r} {why}, so it is no covariate; remove it", None, source)


def mask_classes(params: Params, name: str) -> dict[str, tuple[str, ...]]:
    """Key of each experiment that learns from, or is tested on, the masks of ``inputs.<name>``, to its classes."""
    tasks = tasks_on(params, name, of="input")
    return {key: classes for key, task in tasks.items() if (classes := task.mask_classes)}


def needed_targets(params: Params, name: str) -> dict[str, list[str]]:
    """Target of ``datasets.<name>`` to the experiments that cannot learn from an empty cell in it."""
    experiments: dict[str, list[str]] = {}
    for key, task in tasks_on(params, name).items():
        if not task.takes_empty_targets:
            for target in task.target_names():
                experiments.setdefault(target, []).append(key)
    return experiments


def separators(params: Params, name: str) -> dict[str, str]:
    """Target of ``datasets.<name>`` whose cells list several words to what stands between them."""
    return {target: mark for task in tasks_on(params, name).values() for target, mark in task.separators().items()}


def stricter(column: TargetColumn, rule: dict[str, Any]) -> TargetColumn:
    """The intersection of a column's rule and a task's rule."""
    low = [value for value in (column.min, rule.get("min")) if value is not None]
    high = [value for value in (column.max, rule.get("max")) if value is not None]
    values, allowed = column.values, rule.get("values")
    if allowed is not None:
        names = {label(str(value)) for value in allowed}
        values = allowed if values is None else [value for value in values if label(str(value)) in names]
    return column.model_copy(
        update={
            "number": column.number or bool(rule.get("number")),
            "min": max(low, default=None),
            "max": min(high, default=None),
            "values": values,
        }
    )
