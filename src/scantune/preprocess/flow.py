"""The flow of participants: how many samples and subjects are left after each step, and why the others are not."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from scantune.cohort.load import Cohort
from scantune.records import Record

_NUMBER = re.compile(r"(?:(?<!\w)-)?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_DIFFERENT = 3  # reasons that differ in their numbers alone and are still listed each


def counted(reasons: Iterable[str]) -> dict[str, int]:
    """Reasons, most frequent first; one stands for all where many differ in their numbers alone."""
    counts = Counter(reasons)
    alike: dict[str, list[str]] = defaultdict(list)
    for reason in sorted(counts):
        alike[_NUMBER.sub("#", reason)].append(reason)
    for own in alike.values():
        if len(own) > _DIFFERENT:
            total = sum(counts.pop(reason) for reason in own)
            counts[f"{own[0]} (and others that differ in the numbers alone)"] = total
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def flow_of(cohort: Cohort, prepared: Sequence[Record], excluded: Mapping[str, str]) -> dict[str, Any]:
    """The flow of participants: samples and subjects at each step, and why some are not at the next."""

    def step(name: str, records: Sequence[Record] | None, samples: int, excluded: Mapping[str, int]) -> dict[str, Any]:
        subjects = len({r.subject_id for r in records}) if records is not None else None
        return {"name": name, "samples": samples, "subjects": subjects, "excluded": dict(excluded)}

    return {
        "cohort": None if cohort.provenance is None else asdict(cohort.provenance),
        "subjects_known": cohort.subjects_known,
        "steps": [
            step("in the table", None if cohort.left_out else cohort.records, cohort.rows, cohort.left_out),
            step("selected", cohort.records, len(cohort.records), counted(excluded.values())),
            step("prepared", prepared, len(prepared), {}),
        ],
    }
