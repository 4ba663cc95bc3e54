"""One optimizer step: several batches, one loss, whose denominators are summed before anything is divided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scantune.engine import distributed
from scantune.engine.faults import non_finite
from scantune.engine.loading import sample_ids
from scantune.engine.randomness import generator, reseed
from scantune.engine.training import Training
from scantune.tasks.protocol import Batch


@dataclass
class StepFigures:
    """What a step gave: its loss, the parts of it, the gradient's norm, and whether it was taken."""

    values: dict[str, float]
    taken: bool


def train_step(training: Training, batches: list[Batch]) -> StepFigures:
    """Learn from the batches of one step.

    The loss of a step is Σ over terms of weight · Σ total / Σ denominator, the sums running over all batches of the
    step and all processes; a mean of means would weigh the samples of a small batch more.

    Args:
        training: changed in place: weights, optimizer, sums.
        batches: on the device.

    Returns:
        The step's figures.

    Raises:
        NonFiniteError: the loss or a gradient is not finite and such steps are not to be skipped.
    """
    mixed = [_mixed(training, batch, i) for i, batch in enumerate(batches)]
    denominators = _denominators(training, mixed)
    kept = _Buffers(training.raw) if training.settings.on_non_finite == "skip" else None
    weights = training.weights_now()
    totals, answers = _backward(training, mixed, denominators, list(weights.values()))
    norm = _gradient_norm(training)
    totals = distributed.total(training.fabric, totals)
    parts = torch.where(denominators > 0, totals / denominators, torch.zeros_like(totals))
    factors = torch.tensor(list(weights.values()), dtype=parts.dtype, device=parts.device)
    loss = (parts * factors).sum()
    figures = torch.cat([torch.stack([loss, norm.to(loss)]), parts]).tolist()  # the step's only wait for the device
    values = _named(training, figures)
    if not _take(training, batches, figures):
        if kept is not None:
            kept.put_back()
        return StepFigures(values, taken=False)
    _sum_up(training, mixed, answers, totals, denominators, loss)
    return StepFigures(values, taken=True)


def _mixed(training: Training, batch: Batch, number: int) -> Batch:
    if training.mixing is None:
        return batch
    draws = generator(training.settings.seed, "mix", training.position.step, number, training.fabric.global_rank)
    inputs, target, target_b, lam = training.mixing(batch["input"], batch["target"], draws)
    return {**batch, "input": inputs, "target": target, "target_b": target_b, "lam": lam}


def _denominators(training: Training, batches: list[Batch]) -> Tensor:
    """Σ of each term's denominator over the step's batches and all processes, [terms]."""
    rows = [
        torch.stack([term.weight(b).to(training.sums.weights) for term in training.terms.values()]) for b in batches
    ]
    return distributed.total(training.fabric, torch.stack(rows).sum(0))


def _backward(
    training: Training, batches: list[Batch], denominators: Tensor, weights: list[float]
) -> tuple[Tensor, list[Tensor]]:
    """Gradients of the whole step; this process's numerators [terms], and each batch's output."""
    shares = torch.where(denominators > 0, 1 / denominators, torch.zeros_like(denominators)).float()
    shares = shares * training.fabric.world_size  # the gradients of the processes are averaged
    totals = torch.zeros_like(denominators)
    answers = []
    training.optimizer.zero_grad(set_to_none=True)
    place = (training.settings.seed, "step", training.position.step)
    for i, batch in enumerate(batches):
        reseed(*place, i, training.fabric.global_rank)
        last = i == len(batches) - 1
        with training.fabric.no_backward_sync(training.network, enabled=not last):  # type: ignore[arg-type]
            output = training.network(batch["input"])
            parts = [term.total(training.network, batch, output) for term in training.terms.values()]
            loss = sum(w * part * shares[k] for k, (w, part) in enumerate(zip(weights, parts)))
            training.fabric.backward(loss)  # type: ignore[arg-type]
        totals += torch.stack([part.detach().to(totals) for part in parts])
        answers.append(output.detach())
    return totals, answers


def _gradient_norm(training: Training) -> Tensor:
    """Norm of all gradients before clipping, which is done here too; gradients are unscaled first where scaled."""
    settings = training.settings
    training.fabric.strategy.precision.unscale_gradients(training.plain_optimizer)
    parameters = [p for p in training.raw.parameters() if p.grad is not None]
    grads = [p.grad for p in parameters if p.grad is not None]
    if settings.gradient_norms and training.position.in_epoch == training.steps_per_epoch - 1:
        training.last_norms = _norm_by_name(training.raw)
    norm = nn.utils.get_total_norm(grads) if grads else torch.zeros((), device=training.device)
    if settings.clip_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, settings.clip_norm, norm)
    if settings.clip_value is not None:
        nn.utils.clip_grad_value_(parameters, settings.clip_value)
    return norm


def _norm_by_name(network: nn.Module) -> dict[str, float]:
    held = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    norms = torch.stack([grad.norm() for grad in held.values()]).tolist() if held else []
    return dict(zip(held, norms))


def _named(training: Training, figures: list[float]) -> dict[str, float]:
    names = ["loss", "gradient_norm", *(f"{name}_loss" for name in training.terms)]
    rates = {g["name"]: g["lr"] for g in training.plain_optimizer.param_groups}
    return dict(zip(names, figures)) | named_rates(rates)


def named_rates(rates: dict[str, float]) -> dict[str, float]:
    """``learning_rate`` where there is one, else ``learning_rate/<group>`` each."""
    if len(set(rates.values())) <= 1:
        return {"learning_rate": next(iter(rates.values()))}
    return {f"learning_rate/{name}": rate for name, rate in rates.items()}


def _take(training: Training, batches: list[Batch], figures: list[float]) -> bool:
    """Step the optimizer unless something is not finite; whether it was stepped."""
    loss = figures[0]
    finite = all(abs(v) < float("inf") for v in figures)
    scaled = getattr(training.fabric.strategy.precision, "scaler", None) is not None
    if finite or (scaled and abs(loss) < float("inf")):  # a scaler leaves an overflowing step out, and lowers its scale
        training.optimizer.step()
        return finite
    training.optimizer.zero_grad(set_to_none=True)
    if training.settings.on_non_finite == "skip":
        training.position.skipped += 1
        return False
    what = "gradient" if abs(loss) < float("inf") else "loss"
    own = [int(i) for batch in batches for i in batch["index"]]
    indices = [i for held in distributed.gathered(training.fabric, own) for i in held]
    files = training.checkpoints.files()
    ids = sample_ids(training.train_loader.samples, indices)
    raise non_finite(what, training.position.step + 1, ids, files[-1] if files else None)


def _sum_up(
    training: Training, batches: list[Batch], answers: list[Tensor], totals: Tensor, weights: Tensor, loss: Tensor
) -> None:
    sums = training.sums
    if training.fabric.is_global_zero:  # these are sums over all processes already
        sums.totals += totals
        sums.weights += weights
        sums.loss += loss
    sums.steps += 1
    if training.mixing is not None:
        return  # the answers to mixed samples say little of the model
    for batch, answer in zip(batches, answers):
        with torch.no_grad():
            sums.keep(training.task.reduce(answer, batch), training.task.kept_target(batch), batch["index"])


class _Buffers:
    """The buffers of a network as they were, for a step that is left out: batch norm has seen its samples by then."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.held = [buffer.clone() for buffer in network.buffers()]

    def put_back(self) -> None:
        for buffer, before in zip(self.network.buffers(), self.held):
            buffer.copy_(before)


def planned_batches(batches: Iterator[Any], counts: list[int]) -> Iterator[list[Any]]:
    """A flat run of batches, grouped into steps of ``counts``."""
    for count in counts:
        yield [next(batches) for _ in range(count)]
