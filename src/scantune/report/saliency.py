"""Where the model looked, and whether such maps can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantune.plots import words
from scantune.report.facts import RunFacts
from scantune.report.parts import Cell, Table, Words, figure, image, text

NAMES = {
    "label_randomization": "Shuffled labels give another map",
    "mask_auprc": "Finds the annotated finding (area under precision–recall)",
    "mask_auprc_segmentation": "Finds as much of it as a segmentation network (the network's area)",
    "mask_pointing": "Points at the annotated finding",
    "mask_pointing_segmentation": "Points at it as often as a segmentation network (the network's share)",
    "repeatability": "Networks trained alike give the same map",
    "shift_reproducibility": "A small shift moves the map along",
    "weight_randomization": "Random weights give another map",
    "weight_randomization_ssim": "The same by structural similarity",
}


def parts(facts: RunFacts) -> list[Any]:
    """Verdicts first, then the maps."""
    held = facts.metrics.get("saliency") or {}
    found: list[Any] = []
    if held.get("reason"):
        found.append(Words(f"No maps: {held['reason']}."))
    if held.get("method"):
        found.append(Words(_made(held)))
    checks = held.get("checks") or {}
    failed = [NAMES.get(name, name) for name, entry in checks.items() if entry.get("passed") is False]
    if failed:
        found.append(
            Words(f"Do not rely on these maps: {len(failed)} of the checks failed ({'; '.join(failed)}).", "bad")
        )
    if checks:
        found.append(_verdicts(checks))
    return found + [image(picture) for picture in facts.saliency_pictures]


def _made(held: Mapping[str, Any]) -> str:
    """How the maps were made, and how fine they can be."""
    words = [f"Maps by {held['method']} at layer {held.get('layer', '–')}."]
    if held.get("grid"):
        cells = " × ".join(str(n) for n in held["grid"])
        words.append(f"That layer has {cells} cells: what looks finer is interpolation.")
    undefined = held.get("undefined") or {}
    if undefined:
        reasons = "; ".join(sorted({str(reason) for reason in undefined.values()}))
        words.append(f"{len(undefined)} maps are undefined ({reasons}).")
    return " ".join([*words, str(held.get("note") or "")]).strip()


def _verdicts(checks: Any) -> Table:
    rows = []
    for name, entry in checks.items():
        verdict = {True: Cell("passed", kind="good"), False: Cell("FAILED", kind="bad")}.get(
            entry.get("passed"),
            Cell("no verdict" if str(entry.get("rule", "")).startswith("passes") else "for comparison"),
        )
        rows.append([text(NAMES.get(name, name)), figure(entry), _beside(entry), verdict, text(entry.get("rule"))])
    return Table(["Check", "Figure", "Beside it", "Verdict", "Rule"], rows, "Can these maps be believed?")


_BESIDE = {"chance": "chance", "shuffled": "other samples' maps", "map": "the map"}


def _beside(entry: Mapping[str, Any]) -> Cell:
    """What the figure is read against, and how far it lies from it."""
    said = [f"{label} {words.number(entry[name], 2)}" for name, label in _BESIDE.items() if entry.get(name) is not None]
    away = entry.get("difference") or {}
    if away.get("value") is None:
        return Cell("; ".join(said) or "–")
    than = "map − network:" if "map" in entry else "above chance by"
    return Cell("; ".join(said), sub=f"{than} {words.interval(away, 2)}")
