"""What is asked of a network: which number of its output a map is to explain.

A target takes one sample's output, without the batch axis, and gives a scalar that keeps its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scantune.records import ScantuneError

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


@dataclass(frozen=True)
class Asked:
    """A target and what it asks about.

    Attributes:
        target: for :func:`scantune.explain.maps.maps`.
        index: () for a score, (class,) for classes, (zone, grade) for zones, (channel,) where dense; for words.
    """

    target: Target
    index: tuple[int, ...] = ()


def _score(output: Tensor) -> list[Asked]:
    return [Asked(unit(0))]


def _class(output: Tensor) -> list[Asked]:
    logits = output.reshape(-1)
    if len(logits) == 1:  # one logit of two classes: what speaks for the negative one lowers it
        positive = bool(logits[0] > 0)
        return [Asked(unit(0, 1.0 if positive else -1.0), (int(positive),))]
    best = int(logits.argmax())
    return [Asked(unit(best), (best,))]


def _zones(output: Tensor) -> list[Asked]:
    grades = output.argmax(dim=1).tolist()
    return [Asked(zone(z, grade), (z, grade)) for z, grade in enumerate(grades)]


def _channels(output: Tensor) -> list[Asked]:
    first = 0 if output.shape[0] == 1 else 1  # channel 0 of several is the background
    return [Asked(dense(channel), (channel,)) for channel in range(first, output.shape[0])]


_PREDICTED = {"regression": _score, "classification": _class, "zones": _zones, "segmentation": _channels}


def predicted(task: str, output: Tensor) -> list[Asked]:
    """What to ask about the answer that a network gave: the score, the class it chose, each zone, each structure.

    Args:
        task: name of the task.
        output: of one sample, without the batch axis.

    Raises:
        ScantuneError: a task that is not known here.
    """
    if task not in _PREDICTED:
        raise ScantuneError(
            f"task: nothing is known of what to explain for {task!r}; known are {', '.join(_PREDICTED)}"
        )
    return _PREDICTED[task](output)
