"""A cohort: its table, its files, its splits, and what to know of it before any training."""

from scantune.cohort.faults import CohortError, Fault
from scantune.cohort.load import Cohort, load, read
from scantune.cohort.split import Assignment, read_splits, split, write_splits

__all__ = [
    "Assignment",
    "Cohort",
    "CohortError",
    "Fault",
    "load",
    "read",
    "read_splits",
    "split",
    "write_splits",
]
