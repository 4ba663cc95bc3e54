"""``scantune weights``: published weights, those on this machine, and how to obtain the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scantune.records import ScantuneError

_WIDTH = 28  # of a licence in the table; longer ones stand below it


def weights(
    names: Annotated[list[str] | None, typer.Argument(help="backbones or patterns such as 'convnext*'")] = None,
    folder: Annotated[Path | None, typer.Option(help="folder of weights, as model.weights_folder [weights]")] = None,
    here: Annotated[bool, typer.Option("--here", help="only weights on this machine")] = False,
) -> None:
    """List published weights by backbone: whether on this machine, licence, input, and how to obtain them.

    Without names: the backbones of scantune's table. Patterns also search the names of timm.
    """
    from scantune.models.weights import listing

    if folder is not None and not folder.is_dir():
        raise ScantuneError(f"--folder {folder}: no such folder")
    rows = [*listing.rows(names or (), folder or Path("weights")), *(listing.tools() if not names else ())]
    if not rows:
        raise ScantuneError(
            f"no backbone matches {' or '.join(names or ())}; use a name or a pattern such as 'resnet*'"
        )
    listed = [row for row in rows if row.place or not here]
    table = [("backbone", "kind", "weights", "here", "licence", "input", "how to obtain")]
    table += [
        (
            row.backbone,
            row.modality,
            row.weights or "none known",
            row.place or ("no" if row.weights else ""),
            row.licence if len(row.licence) <= _WIDTH else f"{row.licence[: _WIDTH - 1]}…",
            row.input,
            row.get,
        )
        for row in listed
    ]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]) - 1)]
    for line in table:
        typer.echo("  ".join([*(f"{cell:<{width}}" for cell, width in zip(line, widths)), line[-1]]).rstrip())
    for licence in dict.fromkeys(row.licence for row in listed if len(row.licence) > _WIDTH):
        owners = dict.fromkeys(f"{row.backbone} ({row.weights})" for row in listed if row.licence == licence)
        typer.echo(f"licence of {', '.join(owners)}: {licence}")
    if not listed:
        typer.echo(f"none of {len(rows)} is on this machine; without --here they are listed with how to obtain them")
    if not names:
        typer.echo("Other timm backbones with ImageNet weights: scantune weights 'resnet*'. Your own file: its path.")
