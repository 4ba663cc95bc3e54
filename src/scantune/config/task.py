"""The tasks' settings, collected by name from ``tasks/<name>/settings.py``."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from scantune.config.base import by_name
from scantune.tasks import catalogue

#: Names of the tasks there are.
TASKS: tuple[str, ...] = catalogue.names()

#: Task name to the class of its settings.
SCHEMAS: dict[str, Any] = {name: catalogue.part(name, "settings").Settings for name in TASKS}

if TYPE_CHECKING:
    from scantune.tasks.classification.settings import Classification
    from scantune.tasks.regression.settings import Regression
    from scantune.tasks.segmentation.settings import Segmentation
    from scantune.tasks.zones.settings import Zones

    TaskConfig = Regression | Classification | Zones | Segmentation
else:
    TaskConfig = Annotated[reduce(or_, SCHEMAS.values()), Field(discriminator="name"), BeforeValidator(by_name)]
