"""Progress of work on many items: a bar in a terminal, elsewhere a line a minute."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

T = TypeVar("T")

#: Seconds between two lines where there is no terminal.
LINE_SECONDS = 60.0


def with_progress(
    items: Iterable[T],
    total: int,
    what: str,
    told: Callable[[T], str] = lambda item: "",
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[T]:
    """The items, counted on stderr; work that ends within a minute prints no line.

    Args:
        items: what is worked on, or its results; closed at the end if it is a generator.
        total: number of items.
        what: the name of the work.
        told: called with each item; what is shown beside the count, such as how many were left out so far.
        clock: seconds, monotonic.
    """
    try:
        yield from (
            _with_bar(items, total, what, told) if sys.stderr.isatty() else _with_lines(items, total, what, told, clock)
        )
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def _with_bar(items: Iterable[T], total: int, what: str, told: Callable[[T], str]) -> Generator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        for item in items:
            text = told(item)
            progress.update(task, advance=1, description=f"{what}: {text}" if text else what)
            yield item


def _with_lines(
    items: Iterable[T], total: int, what: str, told: Callable[[T], str], clock: Callable[[], float]
) -> Generator[T]:
    since, before = clock(), 0
    for count, item in enumerate(items, start=1):
        text, now = told(item), clock()
        if now - since >= LINE_SECONDS:
            left = duration((total - count) * (now - since) / (count - before))
            print(
                f"{what}: {count:,} of {total:,}{f' · {text}' if text else ''} · {left} left",
                file=sys.stderr,
                flush=True,
            )
            since, before = now, count
        yield item


def duration(seconds: float) -> str:
    """Seconds as text for people: ``40 s``, ``12 min``, ``3 h 05 min``; ``?`` for NaN."""
    if math.isnan(seconds):
        return "?"
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
