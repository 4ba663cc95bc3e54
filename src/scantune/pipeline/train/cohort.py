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
    images = {name: [one.row.get(key, "") for one in side] for name, key in IMAGE.items()}
    groups = {name: [one.groups[name] for one in side] for name in (side[0].groups if len(side) else ())}
    known = {name: drift.described(cells, few=0) for name, cells in images.items()}
    known |= {name: drift.described(cells) for name, cells in groups.items()}
    return {name: reference for name, reference in known.items() if reference}
