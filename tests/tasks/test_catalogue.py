"""Each task is a folder: nothing outside of ``tasks/`` knows one of them by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import scantune
from scantune.plots.words import LABELS
from scantune.tasks import catalogue

HOME = Path(scantune.__file__).parent
NAMES = set(catalogue.names())
FILES = [path for path in sorted(HOME.rglob("*.py")) if HOME / "tasks" not in path.parents]


def known_tasks(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and what stands there: a comparison with a task's name, a table by task, a question whether one is dense."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            texts = {text for operand in operands for text in _texts(operand)}
            if texts & NAMES and any(re.search(r"task|name\b", ast.unparse(o)) for o in operands if not _texts(o)):
                yield node.lineno, "a comparison with a task's name"
        elif isinstance(node, ast.MatchValue) and _texts(node.value) & NAMES:
            yield node.lineno, "a comparison with a task's name"
        elif isinstance(node, ast.Dict):
            if len({text for key in node.keys if key is not None for text in _texts(key)} & NAMES) > 1:
                yield node.lineno, "a table by task"
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            texts = _texts(node)
            if texts and texts <= NAMES:
                yield node.lineno, "a list of tasks"
        elif isinstance(node, ast.Attribute) and node.attr == "dense" and ast.unparse(node.value).endswith("task"):
            yield node.lineno, "whether a task is dense"


def _texts(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return {text for part in node.elts for text in _texts(part)}
    return set()


@pytest.mark.parametrize("task", catalogue.names())
def test_metrics_have_one_direction_and_a_label_wherever_they_are_declared(task: str) -> None:
    settings, errors = catalogue.part(task, "settings").Settings(), catalogue.part(task, "metrics").ERRORS
    for name, direction in settings.epoch_metrics().items():
        assert (direction == "min") is (name in errors), name
    assert {*settings.epoch_metrics(), *settings.headline_metrics(), *errors} <= set(LABELS)


def test_nothing_outside_of_tasks_knows_one_by_name() -> None:
    places = [
        f"{path.relative_to(HOME)}:{line}: {what}"
        for path in FILES
        for line, what in known_tasks(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not places, "\n".join(places)


@pytest.mark.parametrize(
    "code",
    [
        "task.name == 'zones'",
        "task.name in ('zones', 'regression')",
        "{'zones': 1, 'regression': 2}",
        "TASKS = ('segmentation',)",
        "match name:\n    case 'survival': pass",
        "plan.task.dense",
    ],
)
def test_what_would_be_noticed(code: str) -> None:
    assert list(known_tasks(ast.parse(code)))
