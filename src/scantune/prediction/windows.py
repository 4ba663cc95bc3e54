"""Sliding windows: the output of a network for samples that are larger than what it was trained on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scantune.engine.patches import padded


@dataclass(frozen=True)
class Windows:
    """Windows of one size, spread evenly over a sample so that neighbours overlap.

    Where windows overlap, their outputs are averaged with Gaussian weights, whose standard deviation is an eighth of
    the window (Isensee et al. 2021, nnU-Net, doi:10.1038/s41592-020-01008-z). Beside the sample and its output there
    is memory for one batch of windows. A sample that is smaller than a window is padded with its darkest value.

    Attributes:
        size: of a window, [H, W] or [D, H, W].
        overlap: share of a window that the next one overlaps at least, 0 to below 1.
        batch: windows that go through the network at once; None: as many as have about 2¹⁸ pixels, at least one.
        device: of the network; None for that of the sample.
        precision: of the network, ``32`` or ``bf16``. Sums and averages over windows are float32.
    """

    size: tuple[int, ...]
    overlap: float = 0.5
    batch: int | None = None
    device: torch.device | None = None
    precision: str = "32"

    def __call__(self, network: nn.Module, inputs: Tensor) -> Tensor:
        """The output [B, K, …space] for samples [B, C, …space], on the device of ``inputs``, float32."""
        outputs = [self._whole(network, sample) for sample in inputs]
        return outputs[0][None] if len(outputs) == 1 else torch.stack(outputs)

    def _whole(self, network: nn.Module, sample: Tensor) -> Tensor:
        space = sample.shape[1:]
        missing = [max(0, edge - length) for edge, length in zip(self.size, space, strict=True)]
        before = [n // 2 for n in missing]
        sides = [n for at, both in zip(reversed(before), reversed(missing)) for n in (at, both - at)]
        sample = padded(sample, sides)
        starts = [_starts(n, edge, self.overlap) for n, edge in zip(sample.shape[1:], self.size)]
        weights = [_gaussian(edge, sample.device) for edge in self.size]
        total = self._sum(network, sample, starts, weights)
        # places are those of a grid and the weight is a product over axes, so the sum of weights is one too
        first, *others = (_coverage(*axis) for axis in zip(starts, weights, total.shape[1:], strict=True))
        plane = others[0] if len(others) == 1 else others[0][:, None] * others[1]
        for number, covered in enumerate(first):  # one pass, and memory for one plane
            total[:, number].div_(plane * covered)
        inside = [slice(at, at + length) for at, length in zip(before, space)]
        return total[(slice(None), *inside)]

    def _sum(
        self, network: nn.Module, sample: Tensor, starts: Sequence[Sequence[int]], weights: Sequence[Tensor]
    ) -> Tensor:
        """The weighted sum over windows, [K, …space]."""
        home = sample.device
        weight = torch.ones((), device=self.device or home)
        for axis, values in enumerate(weights):
            weight = weight * _along(values.to(weight.device), axis, len(weights))
        total: Tensor | None = None
        count = self.batch or max(1, 2**18 // math.prod(self.size))
        for places in _batches(itertools.product(*starts), count):
            boxes = [tuple(slice(at, at + edge) for at, edge in zip(place, self.size)) for place in places]
            batch = torch.stack([sample[(slice(None), *box)] for box in boxes]).to(self.device or home)
            with torch.autocast(batch.device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext():
                outputs = network(batch).float()
            if total is None:
                total = torch.zeros((outputs.shape[1], *sample.shape[1:]), device=home)
            if outputs.device == home:
                for box, output in zip(boxes, outputs):
                    total[(slice(None), *box)].addcmul_(output, weight)
                continue
            for box, output in zip(boxes, (outputs * weight).to(home)):
                total[(slice(None), *box)] += output
        assert total is not None
        return total


def _starts(length: int, edge: int, overlap: float) -> list[int]:
    """First places of the windows along an axis, evenly spread from 0 to ``length`` − ``edge``."""
    step = max(1.0, edge * (1 - overlap))
    count = math.ceil((length - edge) / step) + 1
    return [round(number * (length - edge) / max(1, count - 1)) for number in range(count)]


def _gaussian(edge: int, device: torch.device) -> Tensor:
    """Weights along an axis, highest in the middle, float32 [edge]."""
    places = torch.arange(edge, dtype=torch.float32, device=device) - (edge - 1) / 2
    return torch.exp(-0.5 * (places / (edge / 8)) ** 2)


def _coverage(starts: Sequence[int], weight: Tensor, length: int) -> Tensor:
    covered = torch.zeros(length, device=weight.device)
    for start in starts:
        covered[start : start + len(weight)] += weight
    return covered


def _along(values: Tensor, axis: int, dims: int) -> Tensor:
    return values.reshape([-1 if place == axis else 1 for place in range(dims)])


def _batches(places: Iterator[tuple[int, ...]], count: int) -> Iterator[list[tuple[int, ...]]]:
    while batch := list(itertools.islice(places, count)):
        yield batch
