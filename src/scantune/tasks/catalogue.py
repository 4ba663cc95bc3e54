"""The tasks there are, and where each keeps what the stages ask of it.

A task is a package of modules with agreed names. Those here are folders beside this file; a plugin adds its own by
:func:`register`. Nothing outside a task's package compares its name.

=========== ============================================================== =====================
module      what it has                                                    imports
=========== ============================================================== =====================
settings    ``Settings``: the ``task:`` block, what the cross-checks of    config.base
            ``params.yaml`` ask of it, the kinds of losses it takes
task        ``build``: settings to the :class:`~.protocol.Task`            torch, when called
metrics     ``parse``, ``plan``, ``headline_names``, ``ERRORS`` (metrics   statistics, plots.words
            that are better when lower); ``answers`` where custom metrics
            fit it, ``ranges_of`` where it has groups by the target
analyses    ``run``, ``baseline_columns``, ``paired_tests``; the module    statistics
            and the latter two are optional
figures     ``draw``, ``CAPTIONS``                                         plots
errors      :class:`~.errors.Errors`: how wrong the model was about one    plots.words
            sample, and how another model is judged
losses      its own losses, under ``@losses.register`` (optional)          torch
words       ``TASK``, ``OUTPUT``, ``answer``, ``headline_notes``:          plots.words
            sentences of the reports; ``units`` where its metrics have any
saliency    :class:`~.questions.SaliencyOfTask`: what maps explain         torch
=========== ============================================================== =====================
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from scantune.records import ScantuneError

_HERE = Path(__file__).parent
_PACKAGES: dict[str, str] = {path.parent.name: f"{__package__}.{path.parent.name}" for path in _HERE.glob("*/task.py")}
#: Task of a plugin to the one whose modules serve where it has none.
_LIKE: dict[str, str] = {}


def names() -> tuple[str, ...]:
    """Names of the tasks, in the alphabet's order."""
    return tuple(sorted(_PACKAGES))


def register(name: str, package: str, *, like: str | None = None) -> None:
    """Make the task of a plugin known.

    Args:
        name: as in ``task: {name: <name>}``; the ``name`` of its ``Settings`` too.
        package: the package with its modules: ``__name__`` in its ``__init__.py``.
        like: another task, whose modules serve where the package has none of that name.

    Raises:
        ScantuneError: another task has that name, or there is no task ``like``.
    """
    if _PACKAGES.setdefault(name, package) != package:
        raise ScantuneError(f"task {name!r}: the name is taken by {_PACKAGES[name]}")
    if like is not None:
        package_of(like)
        _LIKE[name] = like


def package_of(task: str) -> str:
    """The package of a task.

    Raises:
        ScantuneError: there is no such task.
    """
    if task not in _PACKAGES:
        raise ScantuneError(f"task {task!r}: no such task; there are {', '.join(names())}")
    return _PACKAGES[task]


def part(task: str, module: str) -> ModuleType:
    """A module of a task.

    Raises:
        ScantuneError: there is no such task.
    """
    name = _name(task, module)
    if name is None and task in _LIKE:
        return part(_LIKE[task], module)
    return importlib.import_module(name or f"{package_of(task)}.{module}")


def _name(task: str, module: str) -> str | None:
    """The full name of a task's own module; None where it has none of that name."""
    name = f"{package_of(task)}.{module}"
    return name if name in sys.modules or importlib.util.find_spec(name) is not None else None


def settings_of(block: Mapping[str, Any]) -> Any:
    """A task's settings from its ``task:`` block as it was written, such as that of a model.

    Raises:
        ScantuneError: there is no such task, or it has other settings.
    """
    from pydantic import ValidationError

    from scantune.config.base import first_fault

    try:
        return part(str(block.get("name")), "settings").Settings.model_validate(dict(block))
    except ValidationError as error:
        raise ScantuneError(f"task.{first_fault(error)}") from error


def optional_part(task: str, module: str) -> ModuleType | None:
    """A module of a task, or None where the task has none of that name."""
    if _name(task, module) is not None:
        return part(task, module)
    return optional_part(_LIKE[task], module) if task in _LIKE else None
