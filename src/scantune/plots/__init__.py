"""Figures in one style: functions of plain arrays and of entries of ``metrics.json`` that return a matplotlib figure.

``plots.save(plots.roc(...), folder / "roc")`` writes ``roc.svg`` and ``roc.png``, the same bytes every time. Names are
loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agreement import bland_altman as bland_altman
    from .agreement import histogram as histogram
    from .agreement import predicted_against_actual as predicted_against_actual
    from .confusion import confusion as confusion
    from .discrimination import Scored as Scored
    from .discrimination import precision_recall as precision_recall
    from .discrimination import roc as roc
    from .style import render as render
    from .style import save as save
    from .training import learning_curves as learning_curves

_HOME = {
    "Scored": "discrimination",
    "bland_altman": "agreement",
    "confusion": "confusion",
    "histogram": "agreement",
    "learning_curves": "training",
    "precision_recall": "discrimination",
    "predicted_against_actual": "agreement",
    "render": "style",
    "roc": "discrimination",
    "save": "style",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"scantune.plots has no {name!r}; it has {', '.join(sorted(_HOME))}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
