"""Where the model looked, and whether such maps can be believed."""

from __future__ import annotations

from typing import Any

from scantune.report.facts import RunFacts
from scantune.report.parts import Cell, Table, Words, figure, image, text

NAMES = {
    "label_randomization": "Shuffled labels give another map",
    "mask_auprc": "Finds the annotated finding (area under precision–recall)",
    "mask_auprc_segmentation": "The same area of a segmentation network",
    "mask_pointing": "Points at the annotated finding",
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
        found.append(
            Words(f"Maps by {held['method']} at layer {held.get('layer', '–')}. {held.get('note', '')}".strip())
        )
    checks = held.get("checks") or {}
    failed = [NAMES.get(name, name) for name, entry in checks.items() if entry.get("passed") is False]
    if failed:
        found.append(
            Words(f"Do not rely on these maps: {len(failed)} of the checks failed ({'; '.join(failed)}).", "bad")
        )
    if checks:
        found.append(_verdicts(checks))
    return found + [image(picture, wide=True) for picture in facts.saliency_pictures]


def _verdicts(checks: Any) -> Table:
    rows = []
    for name, entry in checks.items():
        verdict = {True: Cell("passed", kind="good"), False: Cell("FAILED", kind="bad")}.get(
            entry.get("passed"), Cell("no verdict")
        )
        rows.append([text(NAMES.get(name, name)), figure(entry), verdict, text(entry.get("rule"))])
    return Table(["Check", "Figure", "Verdict", "Rule"], rows, "Can these maps be believed?")
