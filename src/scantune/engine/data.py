"""Samples for the training loop: cached tensors, augmented independently of the number of workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from scantune.engine.randomness import generator
from scantune.records import ScantuneError

#: ``augment(input, mask, generator) -> (input, mask, events)``; ``events.flipped`` is True where left and
#: right were exchanged.
Augment = Callable[[Tensor, Tensor | None, Generator], Any]


class Samples(Protocol):
    """Any map-style data set that the loop can train on.

    A sample is ``{"input": [C, …], "target": […], "index": int, "group": int}``, tensors, arrays or numbers; ``group``
    may be left out, and ``covariates`` [Q] may be added.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Partners:
    """Degraded copies of good-quality samples.

    Attributes:
        spoil: ``spoil(input, generator)`` returns the degraded copy.
        good: bool [N], samples that have a degraded copy.
    """

    spoil: Callable[[Tensor, Generator], Tensor]
    good: np.ndarray


def as_input(array: Tensor) -> Tensor:
    """A cached tensor as network input: float32, scaled to 0 … 1 where it was stored as bytes."""
    if array.dtype == torch.uint8:
        return array.to(torch.float32).div_(255.0)
    return array.to(torch.float32)


def read_cached(path: Path, inside: bool = False) -> dict[str, Tensor]:
    """Tensors of one cached file that networks take (``input``, and ``mask`` if present), memory-mapped.

    Args:
        path: of the file.
        inside: the mask in which what lies outside the region of the metrics does not count, where there is a region.

    Raises:
        ScantuneError: it cannot be read; with its name, and what prepares it again.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            there = set(file.keys())
            stored = {"input": "input", "mask": "measured_mask" if inside and "measured_mask" in there else "mask"}
            return {name: file.get_tensor(key) for name, key in stored.items() if key in there}
    except (OSError, SafetensorError) as error:
        _refuse_unopened(path)
        raise ScantuneError(
            f"the prepared file {path} is damaged, or its disk ({type(error).__name__}: {error}). On a sound disk it "
            f"is prepared again by: dvc repro -f preprocess@{path.parent.parent.name}"
        ) from error


def _refuse_unopened(path: Path) -> None:
    """Safetensors says of every file that the system does not open (rights, too many open files) that it is not there.

    Raises:
        ScantuneError: the file is there and cannot be opened; preparing it again would not help.
    """
    try:
        with path.open("rb"):
            pass
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ScantuneError(f"the prepared file {path} cannot be opened ({error.strerror})") from error


class CachedSamples:
    """Samples in the cache.

    Args:
        paths: one safetensors file per sample, with ``input`` and, for segmentation, ``mask``.
        targets: [N, …] as encoded by the task; None uses the file's mask (a leading axis of length 1 is dropped).
        groups: int [N], code of the scanner; −1 where unknown.
        ids: sample ids, for messages; the files' stems where None.
        masks: one file per sample that has its mask; None uses the mask in the sample's own file.
        inside: pixels outside of the region that metrics are limited to do not count, where there is one.
        augment: random augmentation; None for none.
        flip: target of a mirrored sample (:meth:`Task.flip`); required where ``augment`` may flip.
        partners: degraded copies; None for none.
        covariates: float32 [N, Q], see :class:`scantune.models.covariates.Covariates`; None for none.
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
        inside: bool = False,
        augment: Augment | None = None,
        flip: Callable[[np.ndarray], np.ndarray] | None = None,
        partners: Partners | None = None,
        covariates: np.ndarray | None = None,
        seed: int = 0,
    ) -> None:
        self.paths = [Path(p) for p in paths]
        self.targets = targets
        self.groups = groups
        self.ids = list(ids) if ids is not None else [p.stem for p in self.paths]
        self.masks = masks
        self.inside = inside
        self.augment = augment
        self.flip = flip
        self.partners = partners
        self.covariates = covariates
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.paths)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the following random draws."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict[str, Any]:
        tensors = read_cached(self.paths[index], self.inside)
        inputs, mask = as_input(tensors["input"]), self._mask(index, tensors) if self.targets is None else None
        target = None if self.targets is None else np.asarray(self.targets[index])
        draws = generator(self.seed, "sample", self.epoch, int(index))
        if self.augment is not None:
            inputs, mask, events = self.augment(inputs, mask, draws)
            if events.flipped and target is not None and self.flip is not None:
                target = self.flip(target)
        sample: dict[str, Any] = {
            "input": inputs.contiguous(),
            "target": mask_target(mask) if target is None else torch.as_tensor(np.array(target)),
            "index": int(index),
            "group": int(self.groups[index]) if self.groups is not None else -1,
        }
        if self.covariates is not None:
            sample["covariates"] = torch.as_tensor(self.covariates[index])
        if self.partners is not None:
            good = bool(self.partners.good[index])
            sample["has_partner"] = good
            sample["partner"] = self.partners.spoil(inputs, draws).contiguous() if good else inputs
        return sample

    def _mask(self, index: int, tensors: Mapping[str, Tensor]) -> Tensor | None:
        return (tensors if self.masks is None else read_cached(self.masks[index], self.inside)).get("mask")


def mask_target(mask: Tensor | None) -> Tensor:
    """A cached mask as target: [1, …space] uint8 → int64 […space]; a scalar 0 without a mask (prediction only)."""
    if mask is None:
        return torch.zeros((), dtype=torch.int64)
    labels = mask[0] if mask.shape[0] == 1 else mask
    return labels.to(torch.int64)
