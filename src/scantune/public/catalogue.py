"""Public data sets: name → what is known about it. A layout is a module with ``prepare`` and ``ENTRIES``."""

from __future__ import annotations

from difflib import get_close_matches

from scantune.public import arcade, decathlon, drive, medmnist, nih_chest, pocus, white_cells
from scantune.public.entry import PublicData
from scantune.records import ScantuneError

PUBLIC: dict[str, PublicData] = {
    entry.name: entry
    for module in (arcade, decathlon, drive, medmnist, nih_chest, pocus, white_cells)
    for entry in module.ENTRIES
}


def find(name: str) -> PublicData:
    """A data set by name.

    Raises:
        ScantuneError: there is none of this name; with the nearest ones.
    """
    if name not in PUBLIC:
        near = ", ".join(get_close_matches(name, PUBLIC, 3)) or "none alike"
        raise ScantuneError(f"no public data set {name!r} is known ({near}); `scantune get` lists them")
    return PUBLIC[name]
