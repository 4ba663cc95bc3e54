"""Numbers of a table that went through float32."""

from __future__ import annotations

import numpy as np


def as_written(values: np.ndarray) -> np.ndarray:
    """float32 [N] as the float64 of the shortest decimal that it stands for: 0.7, not 0.699999988.

    A target keeps its side of a cut point, a horizon or the end of its range, which are float64.
    """
    distinct, places = np.unique(values, return_inverse=True)
    return np.array([float(str(value)) for value in distinct], np.float64)[places.reshape(values.shape)]
