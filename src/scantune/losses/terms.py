"""Terms of the training loss, computed from a batch, the network and its output."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from scantune import running_statistics
from scantune.batches import network_inputs
from scantune.losses.combined import Combined
from scantune.losses.loss import Loss

Batch = Mapping[str, Any]


class Term(Protocol):
    """One term of the loss: ``total / weight``, both summed over accumulation steps and ranks before the division.

    The weight is 0 for a batch without a contribution; a term whose sum of weights is 0 is excluded. A term that
    compares samples may have ``rows(batch, output)`` and ``of_all(rows)``, for validation on all samples at once.
    """

    def weight(self, batch: Batch) -> Tensor:
        """Denominator, a scalar that depends on the targets of the batch only."""
        ...

    def total(self, network: nn.Module, batch: Batch, output: Tensor) -> Tensor:
        """Numerator, a scalar; ``output`` is that of the network for :func:`scantune.batches.network_inputs`."""
        ...


@dataclass(frozen=True)
class OnTarget:
    """A loss between output and ``batch["target"]``.

    Where the batch was mixed (``target_b``, ``lam``) both parts are lam·L(output, target) + (1 − lam)·L(output,
    target_b).

    Deep supervision: ``batch["coarser"]`` are outputs at lower resolution; each counts half of the one before and is
    compared with the nearest pixels of the mask, and the weights sum to 1 (Isensee et al. 2021, nnU-Net).
    """

    loss: Loss

    def weight(self, batch: Batch) -> Tensor:
        """Denominator of the loss, mixed as the targets."""
        return self._mixed(batch, self.loss.weight)

    def total(self, network: nn.Module, batch: Batch, output: Tensor) -> Tensor:
        """Numerator of the loss, mixed as the targets."""
        return self._mixed(batch, lambda target: self._total((output, *batch.get("coarser", ())), target))

    def _total(self, outputs: Sequence[Tensor], target: Tensor) -> Tensor:
        shares = [0.5**level for level in range(len(outputs))]
        totals = [self.loss.total(outputs[0], target)]
        totals += [self.loss.total(output, _nearest(target, output.shape[2:])) for output in outputs[1:]]
        return sum(share * total for share, total in zip(shares, totals)) / sum(shares)  # type: ignore[return-value]

    @staticmethod
    def _mixed(batch: Batch, part: Callable[[Tensor], Tensor]) -> Tensor:
        if "target_b" not in batch:
            return part(batch["target"])
        lam = float(batch["lam"])
        return lam * part(batch["target"]) + (1 - lam) * part(batch["target_b"])


@dataclass(frozen=True)
class OnTargetOfAll:
    """:class:`OnTarget` of a loss that compares samples: within a batch in training, and over all samples in
    validation.

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


def _nearest(mask: Tensor, space: Sequence[int]) -> Tensor:
    """A mask [B, …space] at a lower resolution, the nearest pixels."""
    for axis, length in enumerate(space, start=1):
        places = (torch.arange(length, device=mask.device) + 0.5) * (mask.shape[axis] / length)
        mask = mask.index_select(axis, places.long())
    return mask


def on_target(combined: Combined) -> dict[str, Term]:
    """The components of a combined loss as terms, by name."""
    return {
        name: (OnTargetOfAll if getattr(loss, "compares", False) else OnTarget)(loss)
        for name, loss in combined.components.items()
    }


@dataclass(frozen=True)
class ScannerConsistency:
    """Variance of the mean predictions by scanner; variation between subjects of a scanner is not penalised.

    The variance of the means (divided by their number) is computed per output and averaged over outputs. Samples of an
    unknown scanner (``batch["group"]`` −1) are excluded, and batches with fewer than two scanners have weight 0. In
    training, scanners are compared within one forward pass; validation compares them over all samples.

    Attributes:
        activation: turns the output into predictions: :func:`probabilities` for logits, numbers in standard units for
            several targets; None for a regression of one.
    """

    activation: Callable[[Tensor], Tensor] | None = None

    def weight(self, batch: Batch) -> Tensor:
        """Number of samples with a known scanner; 0 for a single scanner."""
        known = batch["group"] >= 0
        several = batch["group"][known].unique().numel() >= 2
        return known.sum().float() * several

    def total(self, network: nn.Module, batch: Batch, output: Tensor) -> Tensor:
        """Variance of the scanners' means, times the weight."""
        if self.weight(batch) == 0:
            return output.sum() * 0.0
        return _between(self._predictions(output), batch["group"]) * self.weight(batch)

    def rows(self, batch: Batch, output: Tensor) -> Tensor:
        """What :meth:`of_all` takes of a batch: the scanner and the predictions, float64 [B, 1 + K]."""
        return torch.cat([batch["group"][:, None].double(), self._predictions(output).double()], dim=1)

    def of_all(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Numerator and denominator of a whole side, from the rows of all its samples."""
        group = rows[:, 0]
        weight = self.weight({"group": group})
        return (_between(rows[:, 1:], group) * weight if weight > 0 else weight), weight

    def _predictions(self, output: Tensor) -> Tensor:
        predictions = output if self.activation is None else self.activation(output)
        return predictions.reshape(len(output), -1).float()


def _between(predictions: Tensor, group: Tensor) -> Tensor:
    """Variance of the mean predictions [B, K] by group; groups below 0 are excluded."""
    means = torch.stack([predictions[group == code].mean(dim=0) for code in group.unique() if code >= 0])
    return means.var(dim=0, correction=0).mean()  # [scanners, K] -> scalar


def probabilities(output: Tensor) -> Tensor:
    """Probabilities of logits [B, K] and [B, Z, K]; of [B, K, …space] the spatial mean of each class, [B, K].

    A single logit is that of class 1.
    """
    axis = 1 if output.ndim >= 4 else -1
    probability = output.float().sigmoid() if output.shape[axis] == 1 else output.float().softmax(axis)
    return probability.flatten(2).mean(2) if output.ndim >= 4 else probability


def in_units(output: Tensor, scale: Sequence[float] | None) -> Tensor:
    """Numbers [B, T] divided by the T of ``scale``; as they are where None."""
    return output if scale is None else output / output.new_tensor(list(scale))


def score(output: Tensor) -> Tensor:
    """One number a sample, higher is better: the output itself, or the log odds of the last class. [B, …] -> [B]."""
    flat = output.reshape(len(output), -1)
    return flat[:, 0] if flat.shape[1] == 1 else flat[:, -1] - flat[:, :-1].logsumexp(dim=1)


@dataclass(frozen=True)
class PairTerm:
    """The degraded copy of a sample must have a lower score: max(0, margin − (score − score of the copy)).

    Reads ``batch["partner"]`` [B, C, …] and ``batch["has_partner"]`` bool [B]; the copies need a second forward
    pass, which the running statistics of batch norms leave out: no image that is predicted is degraded so.

    Attributes:
        margin: required difference, in the unit of the score.
        score: output [B, …] → [B]; see :func:`score`.
    """

    margin: float = 1.0
    score: Callable[[Tensor], Tensor] = score

    def weight(self, batch: Batch) -> Tensor:
        """Number of samples with a degraded copy."""
        if "has_partner" not in batch:
            return torch.zeros((), device=batch["input"].device)
        return batch["has_partner"].sum().float()

    def total(self, network: nn.Module, batch: Batch, output: Tensor) -> Tensor:
        """Sum of the hinges of all pairs."""
        if self.weight(batch) == 0:
            return output.sum() * 0.0
        has = batch["has_partner"]
        with running_statistics.kept(network):
            partner = network(batch["partner"][has], *(values[has] for values in network_inputs(batch)[1:]))
        return functional.relu(self.margin - (self.score(output[has]) - self.score(partner))).sum()


@dataclass(frozen=True)
class Distillation:
    """Distance to the output of a teacher (Hinton et al. 2015, arXiv:1503.02531).

    Classes: T²·KL(softmax(teacher/T) ‖ softmax(student/T)); a single logit is treated as two classes.
    Regression: squared difference, of several targets in units of ``scale``. Use the weight ``alpha``, and
    1 − ``alpha`` for the loss on targets.

    Attributes:
        teacher: a trained network, in eval mode and without gradient; not saved with the student.
        temperature: T.
        values: the outputs are values, not logits.
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
        """Sum over samples of the mean over outputs."""
        with torch.no_grad():
            teacher_output = self.teacher(*network_inputs(batch))
        if self.values:
            return in_units(output - teacher_output, self.scale).float().square().mean() * len(output)
        student, teacher = self._log_softmax(output), self._log_softmax(teacher_output)
        divergence = (teacher.exp() * (teacher - student)).sum(-1).mean()  # [B, …, K] -> scalar
        return self.temperature**2 * divergence * len(output)

    def _log_softmax(self, output: Tensor) -> Tensor:
        logits = output.float() / self.temperature
        if logits.ndim >= 4:
            logits = logits.movedim(1, -1)  # [B, K, …space] -> [B, …space, K]
        if logits.shape[-1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], dim=-1)
        return logits.log_softmax(dim=-1)


def is_empty(weight: Tensor) -> bool:
    """Whether a summed denominator is 0 or not finite."""
    return not math.isfinite(float(weight)) or float(weight) <= 0
