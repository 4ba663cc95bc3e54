"""Demo cohorts in real file formats: the handwritten digits as they are, everything else synthetic and saying so.

>>> from scantune import phantoms
>>> phantoms.make("loes", "data/demo/loes", n=240, seed=0)   # doctest: +SKIP

The same name, seed and options give the same bytes, whatever the number of workers.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scantune.phantoms.cohort import Cohort
from scantune.records import ScantuneError

_WRITERS = {
    "angio": ("scantune.phantoms.angio", "coronary angiograms with vessel masks (synthetic; XA, ARCADE's layout, 3D)"),
    "cells": (
        "scantune.phantoms.cells",
        "white blood cells in class folders (synthetic; PNG, JPEG, MedMNIST's layout)",
    ),
    "digits": ("scantune.phantoms.digits", "1,797 handwritten digits (real; from scikit-learn) as PNG"),
    "loes": ("scantune.phantoms.loes", "brain MRI with Loes scores and lesion masks (synthetic; NIfTI, DICOM series)"),
    "csi": ("scantune.phantoms.csi", "chest radiographs with a congestion grade in each of six zones (synthetic)"),
    "echo": ("scantune.phantoms.echo", "apical four-chamber cine loops of graded quality (synthetic; DICOM, AVI)"),
}


def available() -> dict[str, str]:
    """The cohorts that `make` can write: name to a line about each."""
    return {name: line for name, (_, line) in _WRITERS.items()}


def writer_of(name: str) -> Callable[..., Cohort]:
    """The cohort's own ``write`` function, whose keywords are its options."""
    write: Callable[..., Cohort] = importlib.import_module(_WRITERS[name][0]).write
    return write


def make(name: str, out_dir: str | Path, *, seed: int = 0, workers: int = 2, **options: Any) -> Cohort:
    """Write the demo cohort ``name`` below ``out_dir`` (made if need be; files of the same name are replaced).

    Args:
        name: one of `available`.
        out_dir: the cohort's folder. Files in the cohort's table are relative to it.
        seed: of every draw.
        workers: processes that write samples side by side. It has no effect on what is written.
        **options: of the cohort's own ``write`` function, such as ``n`` (subjects) or ``site``.

    Returns:
        What was written.

    Raises:
        ScantuneError: for a name or an option that does not exist.
    """
    if name not in _WRITERS:
        raise ScantuneError(f"there is no demo cohort {name!r}; there are {', '.join(_WRITERS)}")
    write = writer_of(name)
    known = [key for key in inspect.signature(write).parameters if key not in ("out_dir", "seed", "workers")]
    for key in options:
        if key not in known:
            raise ScantuneError(f"the demo cohort {name!r} has no option {key!r}; it has {', '.join(known)}")
    out_dir = Path(out_dir).absolute()  # workers that are kept from another call may stand in another folder
    out_dir.mkdir(parents=True, exist_ok=True)
    return write(out_dir, seed=seed, workers=workers, **options)
