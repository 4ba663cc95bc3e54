"""Demo cohorts in real file formats: the handwritten digits as they are, everything else synthetic and saying so.

>>> from scantune import demos
>>> demos.make("loes", "data/demo/loes", n=240, seed=0)   # doctest: +SKIP

A package of its own, which scantune finds by the entry point ``scantune.cohorts``: models that are logged or served do
not carry it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scantune_phantoms.cohort import Cohort


@dataclass(frozen=True)
class Phantom:
    """A demo cohort of this package.

    Attributes:
        description: what it is, in one line.
        synthetic: no patient stands behind it.
        module: where its ``write`` function is; imported when it is asked for.
    """

    description: str
    synthetic: bool
    module: str

    @property
    def write(self) -> Callable[..., Cohort]:
        """The cohort's ``write`` function, whose keywords are its options."""
        write: Callable[..., Cohort] = importlib.import_module(f"{__name__}.{self.module}").write
        return write


#: What the entry point names.
COHORTS = {
    "angio": Phantom("coronary angiograms with vessel masks (synthetic; XA, ARCADE's layout, 3D)", True, "angio"),
    "cells": Phantom("white blood cells in class folders (synthetic; PNG, JPEG, MedMNIST's layout)", True, "cells"),
    "digits": Phantom("1,797 handwritten digits (real; from scikit-learn) as PNG", False, "digits"),
    "loes": Phantom("brain MRI with Loes scores and lesion masks (synthetic; NIfTI, DICOM series)", True, "loes"),
    "csi": Phantom("chest radiographs with a congestion grade in each of six zones (synthetic)", True, "csi"),
    "echo": Phantom("apical four-chamber cine loops of graded quality (synthetic; DICOM, AVI)", True, "echo"),
}
