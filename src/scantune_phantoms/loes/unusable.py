"""Files broken on purpose, as in real life."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scantune import io

#: Fault to the kind of file that it befalls.
FAULTS = {
    "missing slice": "dicom",
    "truncated file": "nifti",
    "no position": "dicom",
    "all zero": "nifti",
}


def choose(rng: np.random.Generator, kinds: list[str]) -> dict[int, str]:
    """Which scans are broken, and how: each fault about once in 160 scans, at least once from 24 scans on.

    Args:
        rng: draws the scans.
        kinds: of each scan's file, "nifti" or "dicom".
    """
    each = max(1, round(len(kinds) / 160)) if len(kinds) >= 24 else 0
    chosen: dict[int, str] = {}
    for fault, kind in FAULTS.items():
        free = [at for at, of_file in enumerate(kinds) if of_file == kind and at not in chosen]
        for at in rng.permutation(np.array(free, int))[:each]:
            chosen[int(at)] = fault
    return chosen


def spoil(path: Path, fault: str, volume: io.Volume, description: str) -> None:
    """Break a written file, or folder of a series, in place ("no position" is left out in writing)."""
    if fault == "missing slice":
        files = sorted(path.iterdir())
        files[len(files) // 2].unlink()
    elif fault == "truncated file":
        content = path.read_bytes()
        path.write_bytes(content[: int(0.6 * len(content))])
    elif fault == "all zero":
        empty = io.Volume(np.zeros_like(volume.array), volume.affine)
        io.write_nifti(path, empty, dtype="int16", description=description)
