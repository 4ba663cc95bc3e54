"""Pictures of saliency maps over the image, with label, prediction, interval, sides and warnings."""

from scantune.explain.draw.animation import animate
from scantune.explain.draw.checks import cascade, overview
from scantune.explain.draw.figures import draw
from scantune.explain.draw.nifti import write_nifti
from scantune.explain.draw.sheet import pick, sheet
from scantune.explain.draw.view import SampleView

__all__ = ["SampleView", "animate", "cascade", "draw", "overview", "pick", "sheet", "write_nifti"]
