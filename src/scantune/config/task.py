"""The tasks' settings, collected by name: those of ``tasks/<name>/settings.py`` and those of plugins."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from scantune.config.base import by_name
from scantune.tasks import catalogue


def schemas() -> dict[str, Any]:
    """Task name to the class of its settings, of the tasks that there are now."""
    return {name: catalogue.part(name, "settings").Settings for name in catalogue.names()}


def union() -> Any:
    """The settings of any of them, as an annotation."""
    return reduce(or_, schemas().values())


#: Task name to the class of its settings; of the tasks of this package.
SCHEMAS: dict[str, Any] = schemas()

if TYPE_CHECKING:
    from scantune.tasks.classification.settings import Classification
    from scantune.tasks.regression.settings import Regression
    from scantune.tasks.segmentation.settings import Segmentation
    from scantune.tasks.zones.settings import Zones

    TaskConfig = Regression | Classification | Zones | Segmentation
else:
    TaskConfig = Annotated[union(), Field(discriminator="name"), BeforeValidator(by_name)]
