"""Which data sets are demo cohorts: what is said of patients must not come from them unseen."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any


def demo_of(params: Any, dataset: str) -> tuple[str, bool]:
    """What the cohort is where it lies among the demo cohorts, and whether it is synthetic; "" for other cohorts."""
    from scantune import phantoms

    root = PurePosixPath(params.datasets[dataset].root)
    if root.parts[:2] != ("data", "demo") or len(root.parts) < 3:
        return "", False
    held = params.demo.get(root.parts[2])
    name = held.cohort if held is not None else root.parts[2]
    line = phantoms.available().get(name, name)
    return line, "synthetic" in line
