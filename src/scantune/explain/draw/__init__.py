"""Pictures of maps: over the image as a reader would see it, with label, prediction, interval, sides and warnings."""

from scantune.explain.draw.animation import animate
from scantune.explain.draw.checks import cascade, overview
from scantune.explain.draw.figures import draw
from scantune.explain.draw.nifti import write_nifti
from scantune.explain.draw.sheet import pick, sheet
from scantune.explain.draw.shown import Shown

__all__ = ["Shown", "animate", "cascade", "draw", "overview", "pick", "sheet", "write_nifti"]
