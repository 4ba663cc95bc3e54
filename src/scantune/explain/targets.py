"""What is asked of a network: which number of its output a map is to explain.

A target takes one sample's output, without the batch axis, and gives a scalar that keeps its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Target = Callable[[Tensor], Tensor]


def unit(index: int = 0, sign: float = 1.0) -> Target:
    """One number of the output [K]: a class's logit or a regression's score.

    Args:
        index: which one.
        sign: −1 asks what lowers it (the negative class of a single logit; a low score).
    """
    return lambda output: sign * output.reshape(-1)[index]


def zone(zone: int, grade: int) -> Target:
    """The logit of one grade in one zone, of an output [Z, K]."""
    return lambda output: output[zone, grade]


def zone_severity(zone: int, grades: Sequence[float]) -> Target:
    """The expected grade of one zone, of an output [Z, K]: what makes it worse.

    Args:
        zone: which one.
        grades: value of each gradable class; classes beyond them (ungradable) take no part.
    """

    def expected(output: Tensor) -> Tensor:
        values = torch.as_tensor(list(grades), dtype=output.dtype, device=output.device)
        return (output[zone, : len(values)].softmax(0) * values).sum()

    return expected


def dense(channel: int = 0, region: Tensor | None = None) -> Target:
    """The mean logit of a class over a region, of an output [K, …space].

    Args:
        channel: class; with K = 1 the only one, told by its sign.
        region: bool [… space]; None is where the network itself puts the class (all places if nowhere).
    """

    def mean(output: Tensor) -> Tensor:
        where = region
        if where is None:
            where = output[0] > 0 if output.shape[0] == 1 else output.argmax(0) == channel
        logits = output[channel]
        return logits[where.to(logits.device)].mean() if bool(where.any()) else logits.mean()

    return mean
