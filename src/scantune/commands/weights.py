"""``scantune weights``: which published weights there are, which are here, and how to get the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scantune.records import ScantuneError


def weights(
    names: Annotated[list[str] | None, typer.Argument(help="backbones or patterns such as 'convnext*'")] = None,
    folder: Annotated[Path, typer.Option(help="your own folder of weights, as model.weights_folder")] = Path("weights"),
    here: Annotated[bool, typer.Option("--here", help="only those that are on this disk")] = False,
) -> None:
    """List published weights by backbone: what is here, licence, input, and how to get what is not.

    Without names: the backbones of scantune's own table. Patterns look through all of timm's names too.
    """
    from scantune.models.weights import listing

    found = [*listing.rows(names or (), folder), *(listing.tools() if not names else ())]
    if not found:
        raise ScantuneError(f"no backbone is named {' or '.join(names or ())}; patterns such as 'resnet*' work too")
    shown = [row for row in found if row.place or not here]
    table = [("backbone", "kind", "weights", "here", "licence", "input", "how to get them")]
    table += [
        (
            row.backbone,
            row.modality,
            row.weights or "none known",
            row.place or ("no" if row.weights else ""),
            row.licence if len(row.licence) <= 28 else f"{row.licence[:27]}…",
            row.input,
            row.get,
        )
        for row in shown
    ]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]) - 1)]
    for line in table:
        typer.echo("  ".join([*(f"{cell:<{width}}" for cell, width in zip(line, widths)), line[-1]]).rstrip())
    if not names:
        typer.echo(
            "More names of timm have ImageNet weights: scantune weights 'resnet*'. A file of your own: its path."
        )
