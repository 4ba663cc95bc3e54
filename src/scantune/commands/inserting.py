"""Blocks written into the project's params.yaml, which else is unchanged: what ``init`` and ``get`` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from scantune.amounts import number_of
from scantune.records import ScantuneError

PARAMS = Path("params.yaml")


def insert(lines: Mapping[str, list[str]], notes: Sequence[str], blocks: Mapping[str, Mapping[str, Any]]) -> None:
    """Insert blocks into params.yaml, checked as a whole before it is written.

    Args:
        lines: group → lines of its blocks.
        notes: written as comments above the first block.
        blocks: group → name → block.

    Raises:
        ScantuneError: there is no params.yaml, or it has blocks of these names.
    """
    from scantune.config.load import parse
    from scantune.config.reading import read_text
    from scantune.files import write_text
    from scantune.proposal import text

    if not PARAMS.is_file():
        raise ScantuneError("no params.yaml in this folder: run this in the folder of a project")
    before = PARAMS.read_text(encoding="utf-8")
    both = named_already(before, blocks)
    if both:
        raise ScantuneError(f"params.yaml has {', '.join(both)} already: choose another --name, or remove them")
    after = text.inserted(before, dict(lines), notes)
    parse(read_text(after), "params.yaml with the blocks")
    write_text(PARAMS, after)
    typer.echo(f"params.yaml: {number_of(sum(map(len, blocks.values())), 'block')} inserted")


def named_already(params: str, blocks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Blocks whose names the text of params.yaml has already, as ``group.name``."""
    from scantune.config.reading import read_text

    present = read_text(params)
    return [
        f"{group}.{name}" for group, entries in blocks.items() for name in entries if name in (present.get(group) or {})
    ]
