"""What a model keeps of its training cohort, so that new images can be held against it (``scantune drift``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from scantune.pipeline.data.sides import Side
from scantune.statistics import drift

#: Column of a table of answers → that of ``manifest.csv``: values of the prepared image.
IMAGE = {f"image_{name}": name for name in ("mean", "sd", "min", "max")}


def described(side: Side) -> dict[str, Any]:
    """Distribution of the prepared images' statistics and of each grouping column, see
    :func:`scantune.statistics.drift.described`; a column that tells samples apart by text is left out.
    """
    known = {
        name: drift.described(cells, few=0 if name in IMAGE else drift.FEW) for name, cells in _columns(side).items()
    }
    return {name: reference for name, reference in known.items() if reference}


def shifts(cohort: Mapping[str, Any], side: Side) -> dict[str, Any]:
    """The section ``cohort`` of ``metrics.json``: other samples beside the training cohort that a model keeps.

    Returns:
        Column to the values of :class:`scantune.statistics.drift.Shift`, with ``p_holm`` and ``shifted``.
    """
    columns = _columns(side)
    found = {name: drift.shift(reference, columns[name]) for name, reference in cohort.items() if name in columns}
    verdicts = drift.judged(found)
    return {name: asdict(one) | dict(zip(("p_holm", "shifted"), verdicts[name])) for name, one in found.items()}


def _columns(side: Side) -> dict[str, list[str]]:
    images = {name: [one.row.get(key, "") for one in side] for name, key in IMAGE.items()}
    return images | {name: [one.groups[name] for one in side] for name in (side[0].groups if len(side) else ())}
