"""Learning-rate finder: the loss while the learning rate rises exponentially (Smith, WACV 2017)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from scantune.engine import distributed, half, hardware
from scantune.engine.data import Samples
from scantune.engine.fitting import assemble, unit_weights
from scantune.engine.loading import to_device
from scantune.engine.loop import planned, train_mode
from scantune.engine.parts import Freezing, Mixing, Settings, Term, TermWeights
from scantune.engine.randomness import preserved
from scantune.engine.step import planned_batches, train_step
from scantune.engine.training import Training
from scantune.records import ScantuneError
from scantune.tasks.protocol import Batch, Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

#: Weight of the earlier losses in the smoothed loss, and the ratio to its minimum at which the sweep ends (fastai's).
SMOOTHING, DIVERGED = 0.98, 4.0


@dataclass(frozen=True)
class RateSweep:
    """Losses of a sweep.

    Attributes:
        rates: learning rate of each step, rising.
        losses: training loss of each step, before its update.
        smoothed: exponential moving average of the losses, corrected for its start.
        suggestion: the rate in the middle of the fall of the smoothed loss; None where it does not fall.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    suggestion: float | None


def sweep_rates(
    network: nn.Module,
    task: Task,
    train_data: Samples,
    *,
    terms: Mapping[str, Term],
    settings: Settings | None = None,
    term_weights: TermWeights | None = None,
    parameter_groups: list[dict[str, Any]] | None = None,
    freezing: Freezing | None = None,
    mixing: Mixing | None = None,
    lowest: float = 1e-7,
    highest: float = 10.0,
    steps: int = 100,
    fabric: Fabric | None = None,
) -> RateSweep:
    """Train a network for some steps at a rising learning rate.

    The sweep ends early where the smoothed loss is four times its minimum or not finite. Of several parameter groups
    each rises in proportion to its own rate. Other arguments are those of :func:`~scantune.engine.fitting.fit`.

    Args:
        network: its weights change, so it is not to be used afterwards.
        lowest: first learning rate, of the head.
        highest: last learning rate.
        steps: number of optimizer steps.

    Raises:
        ScantuneError: the rates do not rise, or there are fewer than 10 steps.
    """
    if not 0 < lowest < highest or steps < 10:
        raise ScantuneError(
            f"learning-rate finder: lowest {lowest:g}, highest {highest:g}, steps {steps}: the rates must rise from "
            "above 0, in at least 10 steps"
        )
    constant = {"scheduler": None, "warmup_epochs": 0, "on_non_finite": "skip", "ema": None, "swa": None}
    resolved = (settings or Settings()).model_copy(update=constant)
    with ExitStack() as stack:
        stack.enter_context(preserved())
        stack.enter_context(hardware.backends(resolved))
        stack.enter_context(hardware.prepared_network(network, resolved))
        active_fabric = fabric or distributed.launch(devices=1)
        stack.enter_context(distributed.suited_precision(active_fabric, network))
        stack.enter_context(half.safe_convolutions(network, distributed.is_bf16_on_cpu(active_fabric)))
        training = assemble(
            network=network,
            task=task,
            data=(train_data, train_data),
            terms=dict(terms),
            settings=resolved,
            term_weights=term_weights or unit_weights(terms),
            parameter_groups=parameter_groups,
            freezing=freezing,
            mixing=mixing,
            state_dir=None,
            fabric=active_fabric,
        )
        distributed.broadcast_parameters(active_fabric, network)
        rates = [float(rate) for rate in np.geomspace(lowest, highest, steps)]
        losses = _losses(training, rates, resolved.learning_rate)
    smoothed = smooth(losses)
    return RateSweep(rates[: len(losses)], losses, smoothed, suggested_rate(rates[: len(losses)], smoothed))


def _losses(training: Training, rates: Sequence[float], base: float) -> list[float]:
    """The loss of each step, up to the one that diverges."""
    train_mode(training)
    losses: list[float] = []
    for rate, batches in zip(rates, _steps(training)):
        for group in training.plain_optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * rate / base
        result = train_step(training, batches)
        training.position.step += 1
        if not result.applied:
            break
        losses.append(result.values["loss"])
        smoothed = smooth(losses)
        if smoothed[-1] > DIVERGED * min(smoothed):
            break
    return losses


def _steps(training: Training) -> Iterator[list[Batch]]:
    """Batches of one step after another, epoch after epoch, on the device."""
    for epoch in count():
        steps = planned(training, epoch)
        loaded = training.train_loader.batches(epoch, [batch for step in steps for batch in step])
        for batches in planned_batches(loaded, [len(step) for step in steps]):
            yield [to_device(batch, training.device, training.settings.channels_last) for batch in batches]


def smooth(losses: Sequence[float]) -> list[float]:
    """Exponential moving average with weight 0.98 of the earlier values, divided by the sum of the weights."""
    average, smoothed = 0.0, []
    for n, loss in enumerate(losses, 1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smoothed.append(average / (1 - SMOOTHING**n))
    return smoothed


def suggested_rate(rates: Sequence[float], smoothed: Sequence[float]) -> float | None:
    """The rate in the middle of the longest falling subsequence of the smoothed loss, as fastai's ``valley``.

    The steepest slope, another usual rule, was tried on losses of small batches and followed their noise.

    Returns:
        None where the subsequence has fewer than a tenth of the steps: the loss does not fall.
    """
    lengths = [1] * len(smoothed)
    for i, loss in enumerate(smoothed):
        lengths[i] = 1 + max((lengths[j] for j in range(i) if loss < smoothed[j]), default=0)
    longest = max(lengths, default=0)
    if longest < max(3, len(smoothed) // 10):
        return None
    third = (longest - 1) / 3
    return float(rates[lengths.index(longest) - (longest - 1) + int(third) + int(third / 2)])
