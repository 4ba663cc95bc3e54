"""What is said below the sheet of errors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from scantune.explain import Saliency
from scantune.pipeline.evaluate.error_sheet import _about_maps
from scantune.pipeline.maps.saliency import MapResults


def test_pictures_without_a_map_are_counted_with_the_reason() -> None:
    view: Any = SimpleNamespace()
    made = Saliency(np.ones((4, 4), np.float32), "layer", "gradcam", None, (4, 4))
    none = Saliency(None, "layer", "gradcam", "all zero", (4, 4))
    explained = MapResults({}, {"a": (view, made), "b": (view, none), "c": (view, none)})
    notes = _about_maps(explained, ["a", "b", "c", "d"])
    assert notes[-1] == "Grey, 3 of 4: no map (all zero; not made)."
    assert len(_about_maps(explained, ["a"])) == 1
