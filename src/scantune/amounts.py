"""Counts in messages: one sample, two samples."""

from __future__ import annotations


def number_of(n: int, one: str, several: str = "") -> str:
    """A count and what is counted: "1 sample", "2 samples".

    Args:
        n: how many.
        one: the words for one.
        several: those for any other number; without them ``one`` and an s.
    """
    return f"{n} {one if n == 1 else several or f'{one}s'}"
