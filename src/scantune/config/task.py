"""The tasks' settings, collected by name: those of ``tasks/<name>/settings.py`` and those of plugins."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from scantune.config.base import by_name
from scantune.tasks import catalogue
from scantune.tasks.base import TaskSettings


def schemas() -> dict[str, type[TaskSettings]]:
    """Task name to the class of its settings, of the tasks that there are now."""
    return {name: catalogue.part(name, "settings").Settings for name in catalogue.names()}


def union() -> Any:
    """The settings of any of them, as an annotation."""
    return reduce(or_, schemas().values())


#: Task name to the class of its settings; of the tasks of this package.
SCHEMAS: dict[str, type[TaskSettings]] = schemas()

if TYPE_CHECKING:
    TaskConfig = TaskSettings  # what may be asked of any task; mypy needs no list of them
else:
    TaskConfig = Annotated[union(), Field(discriminator="name"), BeforeValidator(by_name)]
