"""Files to arrays with geometry, and back. Alone in importing pydicom and nibabel, and only when a file needs them.

>>> from scantune import io
>>> volume = io.read("scan.nii.gz")                            # doctest: +SKIP
>>> loop = io.open_video("loop.dcm").frames(range(0, 60, 4), grey=True)   # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scantune.io.arrays import Image, Limits, SeriesRule, Video, Volume

if TYPE_CHECKING:
    from scantune.io.geometry import same_geometry as same_geometry
    from scantune.io.loop import Loop as Loop
    from scantune.io.read import open_video as open_video
    from scantune.io.read import read as read

_LATER = {
    "read": "read",
    "open_video": "read",
    "Loop": "loop",
    "same_geometry": "geometry",
}

__all__ = ["Image", "Limits", "SeriesRule", "Video", "Volume", *_LATER]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"scantune.io has no {name!r}")
    value = getattr(importlib.import_module(f"scantune.io.{_LATER[name]}"), name)
    globals()[name] = value
    return value
