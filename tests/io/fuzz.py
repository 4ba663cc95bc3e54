"""Mutants of real files: bytes changed, cut out, put in; the end cut off."""

from __future__ import annotations

import random


def mutant(whole: bytes, rng: random.Random) -> bytes:
    """A damaged copy: one of five kinds of damage, anywhere in the file."""
    kind, size = rng.randrange(5), len(whole)
    at = rng.randrange(size)
    if kind == 0:
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 20)):
            damaged[rng.randrange(size)] = rng.randrange(256)
        return bytes(damaged)
    if kind == 1:
        return whole[: max(1, at)]
    if kind == 2:
        return whole[:at] + whole[at + rng.randrange(1, 64) :]
    if kind == 3:
        return whole[:at] + rng.randbytes(rng.randrange(1, 64)) + whole[at:]
    damaged = bytearray(whole)
    for _ in range(rng.randrange(1, 8)):
        damaged[rng.randrange(size)] ^= 1 << rng.randrange(8)
    return bytes(damaged)
