"""Whether the values of a cohort are in one unit: nothing converts Bq/ml to SUV, or counts to either."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any


def differing_units(readings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Samples whose values are in another unit than most of their modality.

    Args:
        readings: sample id to the facts of its reading: ``modality``, and ``unit`` where it is known.

    Returns:
        Sample id to what its unit is and what that of most is, in the order of ``readings``; of units that are as
        frequent the first in the alphabet counts as that of most.
    """
    units: dict[str, dict[str, str]] = defaultdict(dict)
    for sample_id, facts in readings.items():
        if facts.get("unit"):
            units[str(facts.get("modality"))][sample_id] = str(facts["unit"])
    odd: dict[str, str] = {}
    for modality, by_sample in units.items():
        counts = Counter(by_sample.values())
        most = min(counts, key=lambda unit: (-counts[unit], unit))
        words = f"{modality} of {counts[most]} of {len(by_sample)} samples is in {most}"
        odd |= {sample_id: f"{unit}; {words}" for sample_id, unit in by_sample.items() if unit != most}
    return {sample_id: odd[sample_id] for sample_id in readings if sample_id in odd}
