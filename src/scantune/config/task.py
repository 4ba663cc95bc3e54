"""The tasks' settings, collected by name from ``tasks/<name>/schema.py``; a folder there is a task."""

from __future__ import annotations

import importlib
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from scantune.config.base import Block, by_name

_FOLDER = Path(__file__).parent.parent / "tasks"

#: Names of the tasks there are.
TASKS: tuple[str, ...] = tuple(sorted(p.parent.name for p in _FOLDER.glob("*/schema.py")))


def _schema(task: str) -> Any:
    """The settings' class of a task: the one whose ``name`` is the folder's."""
    module = importlib.import_module(f"scantune.tasks.{task}.schema")
    for held in vars(module).values():
        if isinstance(held, type) and issubclass(held, Block) and held is not Block:
            field = held.model_fields.get("name")
            if field is not None and field.default == task:
                return held
    raise ImportError(f"tasks/{task}/schema.py has no Block with `name: Literal[{task!r}] = {task!r}`")


#: Task name to the class of its settings.
SCHEMAS: dict[str, Any] = {name: _schema(name) for name in TASKS}

if TYPE_CHECKING:
    TaskConfig = Any
else:
    TaskConfig = Annotated[reduce(or_, SCHEMAS.values()), Field(discriminator="name"), BeforeValidator(by_name)]
