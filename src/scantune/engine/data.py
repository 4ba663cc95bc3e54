"""Samples for the loop: cached tensors, each augmented by draws of its own, whatever the number of workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from scantune.engine.randomness import generator

#: ``augment(input, mask, generator) -> (input, mask, events)``; ``events.flipped`` says that left and right changed
#: places.
Augment = Callable[[Tensor, Tensor | None, Generator], Any]


class Samples(Protocol):
    """What the loop trains on: any map-style data set.

    A sample is ``{"input": [C, …], "target": […], "index": int, "group": int}``, tensors, arrays or numbers; ``group``
    may be left out.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Partners:
    """Spoiled copies of good samples.

    Attributes:
        spoil: ``spoil(input, generator)`` gives the worse copy.
        good: bool [N], which samples get one.
    """

    spoil: Callable[[Tensor, Generator], Tensor]
    good: np.ndarray


def as_input(array: Tensor) -> Tensor:
    """A cached tensor as the network takes it: float32, and 0 … 1 where it was stored as bytes."""
    if array.dtype == torch.uint8:
        return array.to(torch.float32).div_(255.0)
    return array.to(torch.float32)


def read_cached(path: Path) -> dict[str, Tensor]:
    """The tensors of one cached file (``input``, and ``mask`` where there is one), memory-mapped."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


class CachedSamples:
    """Samples of the cache.

    Args:
        paths: one safetensors file a sample, with ``input`` and, for dense tasks, ``mask``.
        targets: [N, …] as the task encoded them; None takes the file's mask (a leading axis of one is dropped).
        groups: int [N], the scanner's code; −1 unknown.
        ids: sample ids, for messages; the files' stems where None.
        masks: one file a sample, from which its mask is taken; None takes the sample's own.
        augment: random changes; None for none.
        flip: the target of a mirrored sample (:meth:`Task.flip`); needed where ``augment`` may flip.
        partners: spoiled copies; None for none.
        seed: of the run.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        targets: np.ndarray | None,
        groups: np.ndarray | None = None,
        *,
        ids: Sequence[str] | None = None,
        masks: Sequence[Path] | None = None,
        augment: Augment | None = None,
        flip: Callable[[np.ndarray], np.ndarray] | None = None,
        partners: Partners | None = None,
        seed: int = 0,
    ) -> None:
        self.paths = [Path(p) for p in paths]
        self.targets = targets
        self.groups = groups
        self.ids = list(ids) if ids is not None else [p.stem for p in self.paths]
        self.masks = masks
        self.augment = augment
        self.flip = flip
        self.partners = partners
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.paths)

    def set_epoch(self, epoch: int) -> None:
        """Which epoch's draws come next."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict[str, Any]:
        held = read_cached(self.paths[index])
        inputs, mask = as_input(held["input"]), self._mask(index, held) if self.targets is None else None
        target = None if self.targets is None else np.asarray(self.targets[index])
        draws = generator(self.seed, "sample", self.epoch, int(index))
        if self.augment is not None:
            inputs, mask, events = self.augment(inputs, mask, draws)
            if events.flipped and target is not None and self.flip is not None:
                target = self.flip(target)
        sample: dict[str, Any] = {
            "input": inputs.contiguous(),
            "target": _mask_target(mask) if target is None else torch.as_tensor(np.array(target)),
            "index": int(index),
            "group": int(self.groups[index]) if self.groups is not None else -1,
        }
        if self.partners is not None:
            good = bool(self.partners.good[index])
            sample["has_partner"] = good
            sample["partner"] = self.partners.spoil(inputs, draws).contiguous() if good else inputs
        return sample

    def _mask(self, index: int, held: Mapping[str, Tensor]) -> Tensor | None:
        return (held if self.masks is None else read_cached(self.masks[index])).get("mask")


def _mask_target(mask: Tensor | None) -> Tensor:
    """[1, …space] uint8 → int64 […space]; a scalar 0 where there is nothing to learn from (prediction alone)."""
    if mask is None:
        return torch.zeros((), dtype=torch.int64)
    dropped = mask[0] if mask.shape[0] == 1 else mask
    return dropped.to(torch.int64)
