"""Saliency maps of networks, their pictures, and sanity checks of the maps.

:func:`map` and :func:`maps` compute maps, :mod:`scantune.explain.draw` draws them, and :mod:`scantune.explain.sanity`
tests them.
"""

from scantune.explain.maps import METHODS, map, maps
from scantune.explain.saliency import Saliency
from scantune.tasks import questions as targets

__all__ = ["METHODS", "Saliency", "map", "maps", "targets"]
