"""Statistics in NumPy alone (SciPy where a distance transform is needed): no torch, no pandas, quick to import."""

from scantune.statistics.figure import Figure as Figure
from scantune.statistics.figure import undefined as undefined
from scantune.statistics.resampling import Resampler as Resampler
