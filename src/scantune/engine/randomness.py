"""Seeds derived from the seed of the run and a position (epoch, step, sample), never drawn at random."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator


def derive(*parts: int | str) -> int:
    """A seed in [0, 2**63) from ``parts``: equal parts give the same seed on every machine."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*parts: int | str) -> Generator:
    """A CPU generator seeded by :func:`derive`."""
    return torch.Generator().manual_seed(derive(*parts))


def reseed(*parts: int | str) -> None:
    """Set PyTorch's global state, of all devices, from ``parts``.

    Dropout and stochastic depth take no generator, so the engine sets the global state before every batch. A resumed
    training then draws what the uninterrupted one would have.
    """
    seed = derive(*parts)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # torch.manual_seed would queue each call in a process that never uses a GPU
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


@contextmanager
def preserved() -> Iterator[None]:
    """Preserve the global random state of PyTorch on all devices."""
    with torch.random.fork_rng(enabled=True):
        yield
