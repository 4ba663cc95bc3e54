"""What a model keeps of its training cohort, so that new images can be held against it (``scantune drift``)."""

from __future__ import annotations

from typing import Any

from scantune.pipeline.data.sides import Side
from scantune.statistics import drift

#: Column of a table of answers → that of ``manifest.csv``: values of the prepared image.
IMAGE = {f"image_{name}": name for name in ("mean", "sd", "min", "max")}


def described(side: Side) -> dict[str, Any]:
    """Distribution of the prepared images' statistics and of each grouping column, see
    :func:`scantune.statistics.drift.described`; a column that tells samples apart by text is left out.
    """
    columns = {name: [one.row.get(key, "") for one in side] for name, key in IMAGE.items()}
    groups = side[0].groups if len(side) else {}
    columns |= {name: [one.groups[name] for one in side] for name in groups}
    known = {name: drift.described(cells) for name, cells in columns.items()}
    return {name: reference for name, reference in known.items() if reference}
