"""Terms of a training's loss: what is computed from a batch, the network and its output."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from scantune.losses.combined import Combined
from scantune.losses.loss import Loss

Batch = Mapping[str, Any]


class Term(Protocol):
    """One term of the loss: ``total / weight``, both summed over accumulation steps and ranks before they are divided.

    A weight of 0 says that this batch has nothing for the term; where the sum of weights is 0 the term is left out. One
    that compares samples with each other may have ``rows(batch, output)`` and ``of_all(rows)``, by which validation
    judges all samples at once.
    """

    def weight(self, batch: Batch) -> Tensor:
        """Denominator, a scalar of the batch's targets alone."""
        ...

    def total(self, network: nn.Module, batch: Batch, output: Tensor) -> Tensor:
        """Numerator, a scalar; ``output`` is ``network(batch["input"])``."""
        ...


@dataclass(frozen=True)
class OnTarget:
    """A loss between output and ``batch["target"]``.

    Where the batch was mixed (``target_b``, ``lam``) both parts are lam·L(output, target) + (1 − lam)·L(output,
    target_b).
    """

    loss: Loss

    def weight(self, batch: Batch) -> Tensor:
        """The loss's denominator, mixed as the targets are."""
        return self._mixed(batch, self.loss.weight)

    def total(self, network: nn.Module, batch: Batch, output: Tensor) -> Tensor:
        """The loss's numerator, mixed as the targets are."""
        return self._mixed(batch, lambda target: self.loss.total(output, target))

    @staticmethod
    def _mixed(batch: Batch, part: Callable[[Tensor], Tensor]) -> Tensor:
        if "target_b" not in batch:
            return part(batch["target"])
        lam = float(batch["lam"])
        return lam * part(batch["target"]) + (1 - lam) * part(batch["target_b"])


@dataclass(frozen=True)
class OnTargetOfAll:
    """:class:`OnTarget` of a loss that compares samples with each other: within a batch while training, and on
    validation all of them at once.

    ``rows`` are float64 [B, 1 + K + T]: K, then the K numbers of each output, then the T of its target.
    """

    loss: Loss

    def weight(self, batch: Batch) -> Tensor:
        """As of :class:`OnTarget`."""
        return OnTarget(self.loss).weight(batch)

    def total(self, network: nn.Module, batch: Batch, output: Tensor) -> Tensor:
        """As of :class:`OnTarget`."""
        return OnTarget(self.loss).total(network, batch, output)

    def rows(self, batch: Batch, output: Tensor) -> Tensor:
        """What :meth:`of_all` takes of a batch."""
        flat = output.reshape(len(output), -1).double()
        target = batch["target"].reshape(len(output), -1).double()
        return torch.cat([torch.full_like(flat[:, :1], flat.shape[1]), flat, target], dim=1)

    def of_all(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Numerator and denominator of a whole side, from the rows of all its samples."""
        end = 1 + int(rows[0, 0])
        output, target = rows[:, 1:end], rows[:, end:]
        return self.loss.total(output, target), self.loss.weight(target)


def on_target(combined: Combined) -> dict[str, Term]:
    """The components of a combined loss as terms, by name."""
    return {
        name: (OnTargetOfAll if getattr(loss, "compares", False) else OnTarget)(loss)
        for name, loss in combined.components.items()
    }


@dataclass(frozen=True)
class ScannerConsistency:
    """Variance of the per-scanner mean predictions: the spread within a scanner is left alone, it is the subjects'.

    The variance is that of the means themselves (divided by their number), per output, mean over outputs. Samples of an
    unknown scanner (``batch["group"]`` −1) and fewer than two scanners have no part. In training scanners are compared
    within one forward pass: small batches see few of them. Validation compares them over all samples.

    Attributes:
        activation: makes predictions of the output: :func:`probabilities` of logits, numbers in standard units of
            several targets; None for a regression of one.
    """

    activation: Callable[[Tensor], Tensor] | None = None

    def weight(self, batch: Batch) -> Tensor:
        """Number of samples of a known scanner; 0 where there is but one scanner."""
        known = batch["group"] >= 0
        several = batch["group"][known].unique().numel() >= 2
        return known.sum().float() * several

    def total(self, network: nn.Module, batch: Batch, output: Tensor) -> Tensor:
        """Variance of the scanners' means, times the weight."""
        if self.weight(batch) == 0:
            return output.sum() * 0.0
        return _between(self._said(output), batch["group"]) * self.weight(batch)

    def rows(self, batch: Batch, output: Tensor) -> Tensor:
        """What :meth:`of_all` takes of a batch: the scanner and the predictions, float64 [B, 1 + K]."""
        return torch.cat([batch["group"][:, None].double(), self._said(output).double()], dim=1)

    def of_all(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Numerator and denominator of a whole side, from the rows of all its samples."""
        group = rows[:, 0]
        weight = self.weight({"group": group})
        return (_between(rows[:, 1:], group) * weight if weight > 0 else weight), weight

    def _said(self, output: Tensor) -> Tensor:
        made = output if self.activation is None else self.activation(output)
        return made.reshape(len(output), -1).float()


def _between(said: Tensor, group: Tensor) -> Tensor:
    """Variance of the groups' mean predictions [B, K]; groups below 0 are left out."""
    means = torch.stack([said[group == code].mean(dim=0) for code in group.unique() if code >= 0])
    return means.var(dim=0, correction=0).mean()  # [scanners, K] -> scalar


def probabilities(output: Tensor) -> Tensor:
    """What logits say: [B, K] and [B, Z, K] as they are; [B, K, …space] as each class's share of the picture, [B, K].

    A single logit is that of class 1.
    """
    axis = 1 if output.ndim >= 4 else -1
    said = output.float().sigmoid() if output.shape[axis] == 1 else output.float().softmax(axis)
    return said.flatten(2).mean(2) if output.ndim >= 4 else said


def in_units(output: Tensor, scale: Sequence[float] | None) -> Tensor:
    """Numbers [B, T] divided by the T of ``scale``; as they are where None."""
    return output if scale is None else output / output.new_tensor(list(scale))


def score(output: Tensor) -> Tensor:
    """One number a sample, higher is better: the output itself, or the log odds of the last class. [B, …] -> [B]."""
    flat = output.reshape(len(output), -1)
    return flat[:, 0] if flat.shape[1] == 1 else flat[:, -1] - flat[:, :-1].logsumexp(dim=1)


@dataclass(frozen=True)
class PairTerm:
    """The spoiled partner of a sample must score lower: max(0, margin − (score − score of partner)).

    Reads ``batch["partner"]`` [B, C, …] and ``batch["has_partner"]`` bool [B]; the partners go through the network in a
    second pass.

    Attributes:
        margin: by how much lower, in the unit of the score.
        score: output [B, …] → [B]; see :func:`score`.
    """

    margin: float = 1.0
    score: Callable[[Tensor], Tensor] = score

    def weight(self, batch: Batch) -> Tensor:
        """Number of samples with a partner."""
        if "has_partner" not in batch:
            return torch.zeros((), device=batch["input"].device)
        return batch["has_partner"].sum().float()

    def total(self, network: nn.Module, batch: Batch, output: Tensor) -> Tensor:
        """Sum of the hinges of all pairs."""
        if self.weight(batch) == 0:
            return output.sum() * 0.0
        has = batch["has_partner"]
        partner = network(batch["partner"][has])
        return functional.relu(self.margin - (self.score(output[has]) - self.score(partner))).sum()


@dataclass(frozen=True)
class Distillation:
    """Nearness to a teacher's output (Hinton et al. 2015, arXiv:1503.02531).

    Classes: T²·KL(softmax(teacher/T) ‖ softmax(student/T)); a single logit is taken as that of two classes. Values
    (regression): squared difference, of several targets in units of ``scale``. Weigh it by ``alpha`` and the loss on
    targets by 1 − ``alpha``.

    Attributes:
        teacher: a trained network; kept in eval mode, without gradient, never saved with the student.
        temperature: T.
        values: the outputs are numbers, not logits.
        scale: T numbers that values of several targets are divided by; None for one target.
    """

    teacher: nn.Module
    temperature: float = 3.0
    values: bool = False
    scale: Sequence[float] | None = None

    def __post_init__(self) -> None:
        self.teacher.eval().requires_grad_(False)

    def weight(self, batch: Batch) -> Tensor:
        """Number of samples."""
        return torch.tensor(float(len(batch["input"])), device=batch["input"].device)

    def total(self, network: nn.Module, batch: Batch, output: Tensor) -> Tensor:
        """Mean over a sample's outputs, summed over samples."""
        with torch.no_grad():
            taught = self.teacher(batch["input"])
        if self.values:
            return in_units(output - taught, self.scale).float().square().mean() * len(output)
        student, wanted = self._log_softmax(output), self._log_softmax(taught)
        divergence = (wanted.exp() * (wanted - student)).sum(-1).mean()  # [B, …, K] -> scalar
        return self.temperature**2 * divergence * len(output)

    def _log_softmax(self, output: Tensor) -> Tensor:
        logits = output.float() / self.temperature
        if logits.ndim >= 4:
            logits = logits.movedim(1, -1)  # [B, K, …space] -> [B, …space, K]
        if logits.shape[-1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], dim=-1)
        return logits.log_softmax(dim=-1)


def is_empty(weight: Tensor) -> bool:
    """Whether a summed denominator says that there was nothing for its term."""
    return not math.isfinite(float(weight)) or float(weight) <= 0
