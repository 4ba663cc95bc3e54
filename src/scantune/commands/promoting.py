"""``scantune promote``: assign the alias by hand, forwards or back."""

from __future__ import annotations

from typing import Annotated

import typer


def promote(
    name: Annotated[str, typer.Argument(help="name of a registered model: its dataset's unless set in params.yaml")],
    version: Annotated[str, typer.Argument(help="the version that receives the alias")],
    alias: Annotated[str, typer.Option(help="the alias")] = "champion",
) -> None:
    """Assign the alias to a registered version by hand, to restore an earlier champion or to overrule a comparison."""
    from scantune.registry.decision import undo_command
    from scantune.registry.promotion import promote as give_alias
    from scantune.tracking import client

    former = give_alias(client(), name, version, alias)
    typer.echo(f"{name} version {version} has the alias {alias!r}" + (f"; version {former} had it" * bool(former)))
    undo = undo_command(name, alias, version, former, True)
    if undo:
        typer.echo(f"To go back to version {former}: {undo}")
