"""Figures in one style: functions of plain arrays and of entries of ``metrics.json`` that return a matplotlib figure.

``plots.save(plots.roc(...), folder / "roc")`` writes ``roc.svg`` and ``roc.png``, the same bytes every time. Names are
loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scantune.plots.agreement import histogram as histogram
    from scantune.plots.agreement import predicted_against_actual as predicted_against_actual
    from scantune.plots.by_class import precision_recall_by_class as precision_recall_by_class
    from scantune.plots.by_class import roc_by_class as roc_by_class
    from scantune.plots.calibration import decision_curve as decision_curve
    from scantune.plots.calibration import reliability as reliability
    from scantune.plots.differences import bland_altman as bland_altman
    from scantune.plots.differences import volume_agreement as volume_agreement
    from scantune.plots.discrimination import Scored as Scored
    from scantune.plots.discrimination import precision_recall as precision_recall
    from scantune.plots.discrimination import roc as roc
    from scantune.plots.film import zone_confusions as zone_confusions
    from scantune.plots.film import zone_reliability as zone_reliability
    from scantune.plots.film import zones as zones
    from scantune.plots.flow import participants as participants
    from scantune.plots.masks import overlap as overlap
    from scantune.plots.matrices import confusion as confusion
    from scantune.plots.pictures import Picture as Picture
    from scantune.plots.pictures import contact_sheet as contact_sheet
    from scantune.plots.pictures import error_sheet as error_sheet
    from scantune.plots.rates import rate_sweep as rate_sweep
    from scantune.plots.style import render as render
    from scantune.plots.style import save as save
    from scantune.plots.subgroups import across_datasets as across_datasets
    from scantune.plots.subgroups import coverage as coverage
    from scantune.plots.subgroups import forest as forest
    from scantune.plots.training import learning_curves as learning_curves

#: Name to module. A module must not have the name of a function, which it would hide once imported.
_HOME = {
    "Picture": "pictures",
    "Scored": "discrimination",
    "across_datasets": "subgroups",
    "bland_altman": "differences",
    "confusion": "matrices",
    "contact_sheet": "pictures",
    "coverage": "subgroups",
    "decision_curve": "calibration",
    "error_sheet": "pictures",
    "forest": "subgroups",
    "histogram": "agreement",
    "learning_curves": "training",
    "overlap": "masks",
    "participants": "flow",
    "precision_recall": "discrimination",
    "precision_recall_by_class": "by_class",
    "predicted_against_actual": "agreement",
    "rate_sweep": "rates",
    "reliability": "calibration",
    "render": "style",
    "roc": "discrimination",
    "roc_by_class": "by_class",
    "save": "style",
    "volume_agreement": "differences",
    "zone_confusions": "film",
    "zone_reliability": "film",
    "zones": "film",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"scantune.plots has no {name!r}; it has {', '.join(sorted(_HOME))}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
