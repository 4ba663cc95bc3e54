"""Saliency maps, and the results of their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantune.amounts import number_of
from scantune.plots import words
from scantune.report.facts import RunFacts
from scantune.report.parts import Cell, Table, Words, figure, image, text

NAMES = {
    "label_randomization": "Map differs from that of a network trained on shuffled labels",
    "mask_auprc": "Localisation of the annotated finding (AUPRC)",
    "mask_auprc_segmentation": "Localisation compared with a segmentation network (AUPRC)",
    "mask_pointing": "Maximum within the annotated finding (pointing game)",
    "mask_pointing_segmentation": "Pointing game compared with a segmentation network",
    "repeatability": "Map agrees between networks trained with different seeds or folds",
    "shift_reproducibility": "Map follows a small shift of the image",
    "weight_randomization": "Map depends on the learned weights (rank correlation)",
    "weight_randomization_ssim": "Map depends on the learned weights (structural similarity)",
}


def parts(facts: RunFacts) -> list[Any]:
    """Verdicts first, then the maps."""
    section = facts.metrics.get("saliency") or {}
    content: list[Any] = []
    if section.get("reason"):
        content.append(Words(f"No saliency maps: {section['reason']}."))
    if section.get("method"):
        content.append(Words(_method(section)))
    checks = section.get("checks") or {}
    failed = [NAMES.get(name, name) for name, entry in checks.items() if entry.get("passed") is False]
    if failed:
        content.append(
            Words(f"Do not rely on these maps: {number_of(len(failed), 'check')} failed ({'; '.join(failed)}).", "bad")
        )
    if checks:
        content.append(_verdicts(checks))
    return content + [image(picture) for picture in facts.saliency_pictures]


def _method(section: Mapping[str, Any]) -> str:
    """Method, layer and resolution of the maps."""
    words = [f"Maps by {section['method']} at layer {section.get('layer', '–')}."]
    if section.get("grid"):
        cells = " × ".join(str(n) for n in section["grid"])
        words.append(f"This layer has {cells} cells; finer detail is interpolated.")
    undefined = section.get("undefined") or {}
    if undefined:
        reasons = "; ".join(sorted({str(reason) for reason in undefined.values()}))
        words.append(f"{number_of(len(undefined), 'map is', 'maps are')} undefined ({reasons}).")
    return " ".join([*words, str(section.get("note") or "")]).strip()


def _verdicts(checks: Any) -> Table:
    rows = []
    for name, entry in checks.items():
        verdict = {True: Cell("passed", kind="good"), False: Cell("failed", kind="bad")}.get(
            entry.get("passed"),
            Cell("no verdict" if str(entry.get("rule", "")).startswith("passes") else "for comparison"),
        )
        rows.append([text(NAMES.get(name, name)), figure(entry), _beside(entry), verdict, text(entry.get("rule"))])
    return Table(["Check", "Value", "Comparison", "Verdict", "Rule"], rows, "Checks of the saliency maps")


_BESIDE = {"chance": "chance", "shuffled": "other samples' maps", "map": "the map"}


def _beside(entry: Mapping[str, Any]) -> Cell:
    """What the figure is read against, and how far it lies from it."""
    comparisons = [
        f"{label} {words.number(entry[name], 2)}" for name, label in _BESIDE.items() if entry.get(name) is not None
    ]
    away = entry.get("difference") or {}
    if away.get("value") is None:
        return Cell("; ".join(comparisons) or "–")
    than = "map − network:" if "map" in entry else "above chance by"
    return Cell("; ".join(comparisons), sub=f"{than} {words.interval(away, 2)}")
