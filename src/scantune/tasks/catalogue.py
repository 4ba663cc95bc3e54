"""The tasks there are, and where each keeps what the stages ask of it.

A task is a package of modules with agreed names. Those here are folders beside this file; a plugin adds its own by
:func:`register`. Nothing outside a task's package compares its name.

=========== ============================================================== =====================
module      what it has                                                    imports
=========== ============================================================== =====================
settings    ``Settings``: the ``task:`` block, and what the cross-checks   config.base
            of ``params.yaml`` ask of it
task        ``build``: settings to the :class:`~.protocol.Task`            torch, when called
metrics     ``parse``, ``plan``, ``headline_names``                        statistics
analyses    ``further``, ``baseline_columns`` (optional)                   statistics
figures     ``draw``, ``CAPTIONS``                                         plots
errors      ``judge``: how wrong the model was about one sample            plots.words
words       ``TASK``, ``OUTPUT``, ``answer``: sentences of the reports     plots.words
=========== ============================================================== =====================
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from scantune.records import ScantuneError

_HERE = Path(__file__).parent
_PACKAGES: dict[str, str] = {path.parent.name: f"{__package__}.{path.parent.name}" for path in _HERE.glob("*/task.py")}


def names() -> tuple[str, ...]:
    """Names of the tasks, in the alphabet's order."""
    return tuple(sorted(_PACKAGES))


def register(name: str, package: str) -> None:
    """Make the task of a plugin known.

    Args:
        name: as in ``task: {name: <name>}``; the ``name`` of its ``Settings`` too.
        package: the package with its modules, ``plugins.survival``.

    Raises:
        ScantuneError: another task has that name.
    """
    if _PACKAGES.setdefault(name, package) != package:
        raise ScantuneError(f"task {name!r}: the name is taken by {_PACKAGES[name]}")


def part(task: str, module: str) -> ModuleType:
    """A module of a task.

    Raises:
        ScantuneError: there is no such task.
    """
    if task not in _PACKAGES:
        raise ScantuneError(f"task {task!r}: no such task; there are {', '.join(names())}")
    return importlib.import_module(f"{_PACKAGES[task]}.{module}")


def optional_part(task: str, module: str) -> ModuleType | None:
    """A module of a task, or None where the task has none of that name."""
    if task in _PACKAGES and importlib.util.find_spec(f"{_PACKAGES[task]}.{module}") is None:
        return None
    return part(task, module)
