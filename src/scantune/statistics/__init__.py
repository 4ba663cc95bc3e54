"""Statistics in NumPy alone (SciPy where a distance transform is needed): no torch, no pandas, quick to import."""

from scantune.statistics.estimate import Estimate as Estimate
from scantune.statistics.estimate import undefined as undefined
from scantune.statistics.resampling import Resampler as Resampler
