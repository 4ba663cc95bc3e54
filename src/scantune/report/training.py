"""How the model was trained: network, weights, training, settings, environment, digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scantune.plots import words
from scantune.report.facts import RunFacts
from scantune.report.parts import Table, flat, image, setting_text, text


def parts(facts: RunFacts) -> list[Any]:
    """Model, members, learning curves."""
    content: list[Any] = []
    model = [(name.replace("_", " "), setting_text(value)) for name, value in facts.model.items()]
    if model:
        content.append(_pairs(model, "Model"))
    members = facts.training.get("members") or ()
    if members:
        header = ["Network", "Epochs", "Best epoch", "Monitored", "Value there", "Precision", "Device", "Ended by"]
        rows = []
        for number, row in enumerate(members, 1):
            keys = ("epochs", "best_epoch", "monitor", "best_value", "precision", "device", "finished")
            cells = [row.get(key) for key in keys]
            cells[3] = words.number(cells[3]) if words.defined(cells[3]) else None
            rows.append([text(number), *(text(cell) for cell in cells)])
        notes = [note for row in members for note in row.get("notes") or ()]
        content.append(Table(header, rows, "Training", notes))
    if facts.curves is not None:
        several = len(members) > 1
        curves = replace(facts.curves, caption=f"Of network 1 of {len(members)}.") if several else facts.curves
        content.append(image(curves))
    return content


def settings(facts: RunFacts) -> list[Any]:
    """Every setting, by block."""
    return [_pairs(flat(block), name) for name, block in facts.settings.items() if isinstance(block, Mapping) and block]


def environment(facts: RunFacts) -> list[Any]:
    """Versions and digests."""
    content: list[Any] = []
    if facts.environment:
        content.append(_pairs(list(facts.environment.items()), "Environment"))
    if facts.digests:
        content.append(_pairs(list(facts.digests.items()), "Digests (first 16 digits of SHA-256)"))
    return content


def _pairs(rows: list[tuple[str, str]], title: str) -> Table:
    return Table([], [[text(name), text(value)] for name, value in rows], title)
