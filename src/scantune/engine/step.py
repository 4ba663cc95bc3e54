"""One optimizer step over several batches: denominators of the loss are summed over batches before the division."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scantune.batches import network_inputs
from scantune.engine import distributed
from scantune.engine.faults import non_finite, unfit_batch
from scantune.engine.loading import sample_ids
from scantune.engine.randomness import generator, reseed
from scantune.engine.training import Training
from scantune.tasks.protocol import Batch


@dataclass
class StepResult:
    """Result of a step: loss, its terms, the gradient norm, and whether the optimizer was stepped."""

    values: dict[str, float]
    applied: bool


def train_step(training: Training, batches: list[Batch]) -> StepResult:
    """Train on the batches of one step.

    The loss of a step is Σ over terms of weight · Σ total / Σ denominator, the sums running over all batches of the
    step and all processes; a mean of means would give samples of a small batch more weight.

    Args:
        training: changed in place: weights, optimizer, sums.
        batches: on the device.

    Returns:
        Metrics of the step.

    Raises:
        NonFiniteError: the loss or a gradient is not finite, and the settings do not skip such steps.
    """
    mixed = [mixed_batch(training, batch, i) for i, batch in enumerate(batches)]
    denominators = _denominators(training, mixed)
    buffers = _BufferSnapshot(training.raw) if training.settings.on_non_finite == "skip" else None
    weights = training.current_weights()
    totals, outputs = _backward(training, mixed, denominators, list(weights.values()))
    norm = _gradient_norm(training)
    totals = distributed.sum_over_processes(training.fabric, totals)
    parts = torch.where(denominators > 0, totals / denominators, torch.zeros_like(totals))
    factors = torch.tensor(list(weights.values()), dtype=parts.dtype, device=parts.device)
    loss = (parts * factors).sum()
    metrics = torch.cat([torch.stack([loss, norm.to(loss)]), parts]).tolist()  # only device wait
    values = _metrics_by_name(training, metrics)
    if not _apply_step(training, batches, metrics):
        if buffers is not None:
            buffers.restore()
        return StepResult(values, applied=False)
    _accumulate(training, mixed, outputs, totals, denominators)
    return StepResult(values, applied=True)


def mixed_batch(training: Training, batch: Batch, number: int) -> Batch:
    """Mix the samples of a batch with each other where the settings say so.

    Args:
        training: its mixing and position.
        batch: on the device.
        number: of the batch in its step, from 0.
    """
    if training.mixing is None:
        return batch
    draws = generator(training.settings.seed, "mix", training.position.step, number, training.fabric.global_rank)
    inputs, target, target_b, lam = training.mixing(batch["input"], batch["target"], draws)
    return {**batch, "input": inputs, "target": target, "target_b": target_b, "lam": lam}


def _denominators(training: Training, batches: list[Batch]) -> Tensor:
    """Sum of the denominators of each term over batches and processes, [terms]."""
    rows = [
        torch.stack([term.weight(b).to(training.sums.weights) for term in training.terms.values()]) for b in batches
    ]
    return distributed.sum_over_processes(training.fabric, torch.stack(rows).sum(0))


def _backward(
    training: Training, batches: list[Batch], denominators: Tensor, weights: list[float]
) -> tuple[Tensor, list[Tensor]]:
    """Gradients of the step; returns the numerators of this process [terms] and the output of each batch.

    Where a network is supervised at lower resolutions too, numerators are those of the finest one, as in validation.
    """
    shares = torch.where(denominators > 0, 1 / denominators, torch.zeros_like(denominators)).float()
    shares = shares * training.fabric.world_size  # gradients are averaged over processes
    totals = torch.zeros_like(denominators)
    outputs = []
    training.optimizer.zero_grad(set_to_none=True)
    position = (training.settings.seed, "step", training.position.step)
    for i, batch in enumerate(batches):
        reseed(*position, i, training.fabric.global_rank)
        last = i == len(batches) - 1
        with training.fabric.no_backward_sync(training.network, enabled=not last):  # type: ignore[arg-type]
            output, batch = forward(training, batch)
            parts = [term.total(training.network, batch, output) for term in training.terms.values()]
            loss = sum(w * part * shares[k] for k, (w, part) in enumerate(zip(weights, parts)))
            training.fabric.backward(loss)  # type: ignore[arg-type]
        told = parts if "coarser" not in batch else _finest(training, batch, output)
        totals += torch.stack([part.detach().to(totals) for part in told])
        outputs.append(output.detach())
    return totals, outputs


def _finest(training: Training, batch: Batch, output: Tensor) -> list[Tensor]:
    """The numerator of each term at the output's own resolution."""
    plain = {name: value for name, value in batch.items() if name != "coarser"}
    with torch.no_grad():
        return [term.total(training.network, plain, output.detach()) for term in training.terms.values()]


def forward(training: Training, batch: Batch) -> tuple[Tensor, Batch]:
    """The network's output in training, and the batch that the terms of the loss read.

    That has ``coarser`` beside the rest where the network is supervised at lower resolutions too: its outputs there.

    Raises:
        ScantuneError: the network cannot take samples of this shape.
    """
    try:
        output = training.network(*network_inputs(batch))
    except (AssertionError, RuntimeError, ValueError) as error:
        first = training.position.step == 0 and not training.settings.compile
        fault = unfit_batch(error, batch["input"].shape, first)
        if fault is None:
            raise
        raise fault from error
    return (output, batch) if isinstance(output, Tensor) else (output[0], {**batch, "coarser": output[1:]})


def _gradient_norm(training: Training) -> Tensor:
    """Unscale and clip gradients; returns their total norm before clipping."""
    settings = training.settings
    training.fabric.strategy.precision.unscale_gradients(training.plain_optimizer)
    parameters = [p for p in training.raw.parameters() if p.grad is not None]
    grads = [p.grad for p in parameters if p.grad is not None]
    if settings.monitoring.gradient_norms and training.position.in_epoch == training.steps_per_epoch - 1:
        training.last_norms = _norm_by_name(training.raw)
    norm = nn.utils.get_total_norm(grads) if grads else torch.zeros((), device=training.device)
    if settings.clip_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, settings.clip_norm, norm)
    if settings.clip_value is not None:
        nn.utils.clip_grad_value_(parameters, settings.clip_value)
    return norm


def _norm_by_name(network: nn.Module) -> dict[str, float]:
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    norms = torch.stack([grad.norm() for grad in gradients.values()]).tolist() if gradients else []
    return dict(zip(gradients, norms))


def _metrics_by_name(training: Training, metrics: list[float]) -> dict[str, float]:
    names = ["loss", "gradient_norm", *(f"{name}_loss" for name in training.terms)]
    rates = {g["name"]: g["lr"] for g in training.plain_optimizer.param_groups}
    return dict(zip(names, metrics)) | named_rates(rates)


def named_rates(rates: dict[str, float]) -> dict[str, float]:
    """``learning_rate`` where all groups share one, else ``learning_rate/<group>``."""
    if len(set(rates.values())) <= 1:
        return {"learning_rate": next(iter(rates.values()))}
    return {f"learning_rate/{name}": rate for name, rate in rates.items()}


def _apply_step(training: Training, batches: list[Batch], metrics: list[float]) -> bool:
    """Step the optimizer unless a metric is not finite; whether it was stepped."""
    loss = metrics[0]
    finite = all(abs(v) < float("inf") for v in metrics)
    scaler: Any = getattr(training.fabric.strategy.precision, "scaler", None)
    if finite or (scaler is not None and abs(loss) < float("inf")):  # a scaler skips an overflow and lowers its scale
        training.optimizer.step()
        return finite
    training.optimizer.zero_grad(set_to_none=True)
    if scaler is not None:
        scaler.update(scaler.get_scale())  # it unscales gradients once between two updates; the scale stays
    if training.settings.on_non_finite == "skip":
        training.position.skipped += 1
        return False
    quantity = "gradient" if abs(loss) < float("inf") else "loss"
    files = training.checkpoints.files()
    ids = ids_of_step(training, batches)
    raise non_finite(quantity, training.position.step + 1, ids, files[-1] if files else None)


def ids_of_step(training: Training, batches: list[Batch]) -> list[str]:
    """Ids of the samples of a step, of all processes."""
    local_indices = [int(i) for batch in batches for i in batch["index"]]
    gathered = distributed.gather_objects(training.fabric, local_indices)
    return sample_ids(training.train_loader.samples, [i for indices in gathered for i in indices])


def _accumulate(
    training: Training, batches: list[Batch], outputs: list[Tensor], totals: Tensor, weights: Tensor
) -> None:
    sums = training.sums
    if training.fabric.is_global_zero:  # already summed over all processes
        sums.totals += totals
        sums.weights += weights
    if training.mixing is not None:
        return  # outputs for mixed samples are not comparable with targets
    for batch, output in zip(batches, outputs):
        with torch.no_grad():
            sums.append(training.task.reduce(output, batch), training.task.reduced_target(batch), batch["index"])


class _BufferSnapshot:
    """Copy of the buffers of a network, to restore batch norm statistics after a skipped step."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.saved = [buffer.clone() for buffer in network.buffers()]

    def restore(self) -> None:
        for buffer, before in zip(self.network.buffers(), self.saved):
            buffer.copy_(before)


def planned_batches(batches: Iterator[Any], counts: list[int]) -> Iterator[list[Any]]:
    """Group a sequence of batches into steps of ``counts`` batches."""
    for count in counts:
        yield [next(batches) for _ in range(count)]
