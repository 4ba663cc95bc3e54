"""What a check must not end well with: nothing prepared, targets that fell away, masks that do not fit."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from scantune.amounts import number_of
from scantune.cohort.load import Cohort
from scantune.records import Record

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def faults_of(
    cohort: Cohort,
    prepared: Sequence[Record],
    excluded: Mapping[str, str],
    of_mask: Collection[str],
    needed_targets: Mapping[str, Sequence[str]],
) -> list[str]:
    """What stops a training, a line each; no path and no cell's text is in it.

    Args:
        cohort: the table, read.
        prepared: the records that were prepared.
        excluded: sample id to why it was not.
        of_mask: the samples excluded because of their mask.
        needed_targets: target to the experiments that cannot learn from an empty cell.
    """
    faults = []
    if not prepared:
        faults.append(f"none of {len(cohort.records)} samples can be prepared")
    if of_mask:
        reasons = ", ".join(
            f"{len(ids)} × {without_remedy(reason)}"
            for reason, ids in grouped({i: excluded[i] for i in of_mask}).items()
        )
        faults.append(
            f"{number_of(len(of_mask), 'sample has', 'samples have')} a mask that does not fit or cannot be "
            f"read: {reasons}"
        )
    for target, keys in needed_targets.items():
        empty = sum(not record.targets.get(target, "") for record in cohort.records)
        if empty:
            faults.append(
                f"{empty} of {len(cohort.records)} rows have no {target}, which {', '.join(keys)} requires: "
                f"fill the cells, or set 'missing: exclude' at the target {target!r} to leave such rows out"
            )
    return faults


def without_remedy(reason: str) -> str:
    """The fault alone, without the remedy that follows its semicolon; the page states both elsewhere."""
    return reason.split("; ", 1)[0]


def grouped(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Reason to its sample ids, the most frequent first; reasons that differ in numbers alone are one, by the first."""
    first: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for sample_id, reason in reasons.items():
        shape = _NUMBER.sub("#", reason)
        groups.setdefault(first.setdefault(shape, reason), []).append(sample_id)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))
