"""Patches of cached samples: boxes of one size, drawn anew in each epoch, so that samples may differ in size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from scantune.engine.data import Augment, as_input, mask_target, read_cached
from scantune.engine.randomness import generator
from scantune.mask_codes import IGNORED, MOST_OVERLAPPING, code_of, plane

#: Most places per class of a mask from which patches are drawn, evenly spread over it.
PLACES = 4096


@dataclass(frozen=True)
class Patches:
    """How patches are drawn.

    Attributes:
        size: of a patch, [H, W] or [D, H, W].
        per_sample: patches drawn from each sample in an epoch.
        foreground: share of the patches whose centre is in the foreground of the mask. Its class is drawn first, each
            class of the sample alike, then a place in it.
        around: size of the box that is read for a patch, at least ``size``, so that a rotation has what it needs.
        overlapping: labels overlap, so that the mask has a bit for each; a class is a label, not a sum of them.
    """

    size: tuple[int, ...]
    per_sample: int = 8
    foreground: float = 1 / 3
    around: tuple[int, ...] | None = None
    overlapping: bool = False


class PatchSamples:
    """Patches of the samples in the cache and of their masks: ``per_sample`` successive indices are of one sample.

    Each patch is a function of the seed, the epoch and its index, so that a training resumes exactly.

    Args:
        paths: one safetensors file per sample, with ``input`` [C, …space] and ``mask`` [1, …space].
        patches: how they are drawn.
        groups: int [N], code of the scanner; −1 where unknown.
        ids: sample ids, for messages; the files' stems where None.
        masks: one file per sample that has its mask; None uses the mask in the sample's own file.
        augment: random augmentation of what is read around a patch, to the size of a patch; None for none.
        seed: of the run.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        patches: Patches,
        groups: np.ndarray | None = None,
        *,
        ids: Sequence[str] | None = None,
        masks: Sequence[Path] | None = None,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        self.paths = [Path(path) for path in paths]
        self.patches = patches
        self.groups = groups
        self.masks = masks
        self.augment = augment
        self.seed = seed
        self.epoch = 0
        self.ids = [name for name in ids or [path.stem for path in self.paths] for _ in range(patches.per_sample)]
        self._places: dict[int, list[np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.paths) * self.patches.per_sample

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the following random draws."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = int(index) // self.patches.per_sample
        tensors = read_cached(self.paths[row])
        image, mask = tensors["input"], self._mask(row, tensors)
        draws = generator(self.seed, "patch", self.epoch, int(index))
        center = self._center(row, mask, draws)
        size = self.patches.size if self.augment is None else self.patches.around or self.patches.size
        inputs: Tensor = as_input(box(image, center, size))
        labels: Tensor | None = box(mask, center, size, fill=0)
        if self.augment is not None:
            inputs, labels, _ = self.augment(inputs, labels, draws)
        return {
            "input": inputs.contiguous(),
            "target": mask_target(labels),
            "index": int(index),
            "group": int(self.groups[row]) if self.groups is not None else -1,
        }

    def _mask(self, row: int, tensors: dict[str, Tensor]) -> Tensor:
        return (tensors if self.masks is None else read_cached(self.masks[row]))["mask"]

    def _center(self, row: int, mask: Tensor, draws: Generator) -> list[int]:
        """The middle of a patch along each axis; none of it lies outside where the image is large enough."""
        inside, chosen, which = (float(number) for number in torch.rand(3, generator=draws, dtype=torch.float64))
        anywhere = torch.rand(mask.ndim - 1, generator=draws, dtype=torch.float64).tolist()
        limits = [_limits(length, edge) for length, edge in zip(mask.shape[1:], self.patches.size, strict=True)]
        if inside < self.patches.foreground:
            places = self._foreground(row, mask)
            if places:
                of_class = places[int(chosen * len(places))]
                place = of_class[int(which * len(of_class))]
                return [min(max(int(at), low), high) for at, (low, high) in zip(place, limits, strict=True)]
        return [low + int(share * (high - low + 1)) for share, (low, high) in zip(anywhere, limits, strict=True)]

    def _foreground(self, row: int, mask: Tensor) -> list[np.ndarray]:
        """Places of each class of the sample, int32 [n, axes]; at most :data:`PLACES` of each."""
        if row not in self._places:
            labels, overlapping = mask[0].numpy(), self.patches.overlapping
            self._places[row] = [
                _spread(plane(labels, label, overlapping)) for label in _labels_in(labels, overlapping)
            ]
        return self._places[row]


def _labels_in(mask: np.ndarray, overlapping: bool) -> list[int]:
    codes = [int(code) for code in np.unique(mask) if code not in (0, IGNORED)]
    if not overlapping:
        return codes
    return [k for k in range(1, MOST_OVERLAPPING + 1) if any(code & code_of(k, True) for code in codes)]


def _spread(marked: np.ndarray) -> np.ndarray:
    flat = np.flatnonzero(marked)
    some = flat[np.linspace(0, len(flat) - 1, min(len(flat), PLACES)).astype(np.int64)]
    return np.stack(np.unravel_index(some, marked.shape), axis=1).astype(np.int32)


def _limits(length: int, edge: int) -> tuple[int, int]:
    """Lowest and highest middle of a patch along an axis; the middle of the axis where the patch is longer."""
    if length <= edge:
        return length // 2, length // 2
    return edge // 2, length - edge + edge // 2


def box(image: Tensor, center: Sequence[int], size: Sequence[int], fill: float | None = None) -> Tensor:
    """A box of an image around a place.

    Args:
        image: [C, …space].
        center: of the box along the axes of space; for an even length the place right of the middle.
        size: of the box along the same axes.
        fill: what lies outside of the image; None takes the darkest value of each channel inside the box.

    Returns:
        [C, …size], of the dtype of ``image``; a view where all of it lies inside.
    """
    inside: list[slice] = []
    padding: list[int] = []
    for at, edge, length in zip(center, size, image.shape[1:], strict=True):
        start = at - edge // 2
        low, high = max(start, 0), min(start + edge, length)
        inside.append(slice(low, high))
        padding = [low - start, start + edge - high, *padding]  # the last axis first
    part = image[(slice(None), *inside)]
    return padded(part, padding, fill)


def padded(image: Tensor, padding: Sequence[int], fill: float | None = None) -> Tensor:
    """``image`` [C, …space] with ``padding`` as of :func:`torch.nn.functional.pad`; ``fill`` as of :func:`box`."""
    if not any(padding):
        return image
    if fill is not None:
        return torch.nn.functional.pad(image, list(padding), value=fill)
    darkest = image.amin(dim=tuple(range(1, image.ndim)), keepdim=True)
    shape = list(image.shape)
    for axis in range(len(padding) // 2):
        shape[-1 - axis] += padding[2 * axis] + padding[2 * axis + 1]
    result = darkest.expand(shape).clone()
    place = tuple(slice(before, before + n) for before, n in zip(reversed(padding[::2]), image.shape[1:], strict=True))
    result[(slice(None), *place)] = image
    return result
