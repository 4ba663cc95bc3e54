"""A cohort: its table, its files, its splits, and what to know of it before any training."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scantune.cohort.faults import CohortError
from scantune.cohort.load import load, read
from scantune.cohort.split import settled, split
from scantune.cohort.split_check import rare
from scantune.cohort.splits_table import in_folds, read_splits, without_folds, write_splits

if TYPE_CHECKING:
    from scantune.cohort.leakage import LeakageError as LeakageError
    from scantune.cohort.leakage import audit as audit

#: Names that are imported on first use: they need NumPy, and reading a table does not.
_LATER = ("LeakageError", "audit")

__all__ = [
    "CohortError",
    "in_folds",
    "load",
    "rare",
    "read",
    "read_splits",
    "settled",
    "split",
    "without_folds",
    "write_splits",
    *_LATER,
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"scantune.cohort has no {name!r}")
    module = importlib.import_module("scantune.cohort.leakage")
    globals().update({later: getattr(module, later) for later in _LATER})
    return globals()[name]
