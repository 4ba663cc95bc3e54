"""A progress bar on the terminal; nothing where output is not a terminal."""

from __future__ import annotations

from collections.abc import Generator

from scantune.preprocess.sample import Outcome


def with_progress(outcomes: Generator[Outcome], total: int) -> Generator[Outcome]:
    """The outcomes, counted on a progress bar: prepared, excluded, already in the store."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield from outcomes
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("preprocess", total=total)
        left_out = prepared = 0
        for outcome in outcomes:
            left_out += bool(outcome.reason)
            prepared += outcome.is_new
            progress.update(task, advance=1, description=f"preprocess: {prepared} prepared, {left_out} excluded")
            yield outcome
