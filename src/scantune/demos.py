"""Demo cohorts by name: those of scantune_phantoms and of every installed package with the entry point below.

An entry point of the group ``scantune.cohorts`` names a dict: name of a cohort to a :class:`DemoCohort`.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Protocol

from scantune.cohort.provenance import Provenance, write_provenance
from scantune.plugins import installed as entry_points
from scantune.records import ScantuneError

GROUP = "scantune.cohorts"
#: What this project's own entry point names. It is looked for by name too, since ``mlflow run`` puts the source tree
#: on the path without installing it.
BUNDLED = "scantune_phantoms:COHORTS"


class DemoCohort(Protocol):
    """Entry of an entry point's dict."""

    @property
    def description(self) -> str:
        """What the cohort is, in one line."""

    @property
    def synthetic(self) -> bool:
        """The cohort is synthetic."""

    @property
    def write(self) -> Callable[..., Any]:
        """``write(folder, *, seed, workers, **options)``; its keywords are the options of the block ``demo.<name>``."""


def cohorts() -> dict[str, DemoCohort]:
    """Name to demo cohort."""
    points = {point.value: point for point in entry_points(GROUP)}
    if importlib.util.find_spec(BUNDLED.partition(":")[0]) is not None:
        points.setdefault(BUNDLED, EntryPoint("scantune_phantoms", BUNDLED, GROUP))
    by_name: dict[str, DemoCohort] = {}
    for point in points.values():
        table: Mapping[str, DemoCohort] = point.load()
        for name, cohort in table.items():
            if name in by_name:
                raise ScantuneError(f"two packages provide a demo cohort {name!r}; one of them is {point.value}")
            by_name[name] = cohort
    return by_name


def make(name: str, folder: str | Path, *, seed: int = 0, workers: int = 2, **options: Any) -> Any:
    """Write the demo cohort ``name`` into ``folder`` (created if needed; files of the same name are replaced).

    The same name, seed and options give the same bytes, whatever the number of workers. ``scantune_cohort.json``
    beside the files describes them.

    Args:
        name: one of `cohorts`.
        folder: the cohort's folder. Files in the cohort's table are relative to it.
        seed: of every draw.
        workers: processes that write samples side by side. It has no effect on what is written.
        **options: of the cohort's own ``write`` function, such as ``n`` (subjects) or ``site``.

    Returns:
        What the cohort's ``write`` function returns.

    Raises:
        ScantuneError: for a name or an option that does not exist.
    """
    known = cohorts()
    if name not in known:
        raise ScantuneError(f"there is no demo cohort {name!r}; there are {', '.join(known) or 'none installed'}")
    cohort = known[name]
    allowed = options_of(cohort)
    for key in options:
        if key not in allowed:
            raise ScantuneError(f"the demo cohort {name!r} has no option {key!r}; it has {', '.join(allowed)}")
    folder = Path(folder).absolute()  # workers that are kept from another call may stand in another folder
    folder.mkdir(parents=True, exist_ok=True)
    written = cohort.write(folder, seed=seed, workers=workers, **options)
    write_provenance(folder, Provenance(cohort.description, synthetic=cohort.synthetic, demo=True))
    return written


def options_of(cohort: DemoCohort) -> dict[str, inspect.Parameter]:
    """The cohort's options and their defaults."""
    parameters = inspect.signature(cohort.write).parameters
    return {name: value for name, value in parameters.items() if name not in ("out_dir", "seed", "workers")}
