"""Where a network looked, drawn honestly, and whether such maps can be believed.

Maps by :func:`map` and :func:`maps`; pictures by :mod:`scantune.explain.draw`; tests of the maps themselves by
:mod:`scantune.explain.sanity`.
"""

from scantune.explain.maps import METHODS, map, maps, zones
from scantune.explain.saliency import Saliency
from scantune.tasks import questions as targets

__all__ = ["METHODS", "Saliency", "map", "maps", "targets", "zones"]
