"""Averages of a network's weights over a training: an exponential moving average (EMA), or stochastic weight averaging.

The optimizer continues with the trained weights. Validation, checkpoints and the result have the averaged ones: what is
monitored is what is served.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

from scantune.engine.settings import TrainingSettings


class WeightAverage:
    """Average of weights and, for an EMA, of floating-point buffers.

    Of an EMA the decay at update ``n`` is ``min(decay, (1 + n) / (10 + n))``, so that initial weights do not dominate
    short trainings (as in TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``). SWA is the equal mean of the
    weights at the ends of epochs (Izmailov et al., UAI 2018); statistics of batch norm are computed from the training
    samples, by :func:`batch_norm_statistics`.

    Attributes:
        decay: of an EMA, updated after each step; None for SWA.
        start: completed epochs after which SWA begins.
        rate: of SWA, learning rate as a share of each group's initial rate; None leaves the schedule.
        count: number of updates.
        epoch: last epoch in the average of SWA, counted from 1, so that a repeated end of an epoch is no second update.
        weights: the average, by the names of the network's state; empty before the first update.
    """

    def __init__(self, *, decay: float | None = None, start: int = 0, rate: float | None = None) -> None:
        self.decay, self.start, self.rate = decay, start, rate
        self.count, self.epoch = 0, 0
        self.weights: dict[str, Tensor] = {}
        self._trained: dict[str, Tensor] | None = None

    @classmethod
    def of(cls, settings: TrainingSettings) -> WeightAverage | None:
        """The average according to the settings of a training; None without one."""
        if settings.ema is not None:
            return cls(decay=settings.ema)
        swa, epochs = settings.swa, settings.epochs
        if swa is None:
            return None
        rate = None if swa.learning_rate is None else swa.learning_rate / settings.learning_rate
        return cls(start=min(epochs - 1, math.floor(swa.start * epochs)), rate=rate)

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that determine the average."""
        return {"decay": self.decay, "start": self.start, "rate": self.rate}

    def after_step(self, network: nn.Module) -> None:
        """Add the weights after a step of the optimizer to an EMA."""
        if self.decay is not None:
            self._update(network)

    def after_epoch(self, network: nn.Module, epoch: int) -> bool:
        """Add the weights at the end of ``epoch`` (from 1) to SWA; whether batch norm needs other statistics."""
        if self.decay is not None or epoch <= self.start:
            return False
        if epoch > self.epoch:
            self._update(network)
            self.epoch = epoch
        return True

    def _update(self, network: nn.Module) -> None:
        state = network.state_dict()
        if not self.weights:
            self.weights = {name: tensor.detach().clone() for name, tensor in state.items()}
        else:
            parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}
            averaged = [
                name
                for name, tensor in state.items()
                if tensor.is_floating_point() and (self.decay is not None or name in parameters)
            ]
            average, current = [self.weights[n] for n in averaged], [state[n].detach() for n in averaged]
            with torch.no_grad():
                self._average(average, current)
                for name in state.keys() - set(averaged):
                    self.weights[name].copy_(state[name])
        self.count += 1

    def _average(self, average: list[Tensor], current: list[Tensor]) -> None:
        if self.decay is None:
            get_swa_multi_avg_fn()(average, current, self.count)
        else:
            decay = min(self.decay, (1 + self.count) / (10 + self.count))
            get_ema_multi_avg_fn(decay)(average, current, self.count)

    def set_rate(self, optimizer: Optimizer, epoch: int) -> None:
        """Set the constant learning rate of SWA, after ``epoch`` completed epochs."""
        if self.rate is None or epoch < self.start:
            return
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self.rate

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """The averaged weights in ``network`` within the context; its trained weights and buffers after it."""
        if not self.weights:
            yield
            return
        self._trained = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        network.load_state_dict(self.weights)
        try:
            yield
            for name, buffer in network.state_dict().items():  # batch norm, where SWA computed it
                self.weights[name].copy_(buffer)
        finally:
            network.load_state_dict(self._trained)
            self._trained = None

    def trained(self, network: nn.Module) -> Mapping[str, Tensor]:
        """The trained weights, within :meth:`applied` too."""
        return network.state_dict() if self._trained is None else self._trained

    def state(self) -> dict[str, Any]:
        """State for :meth:`load`."""
        return {"settings": self.identity, "count": self.count, "epoch": self.epoch, "weights": self.weights}

    def load(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Restore :meth:`state`."""
        self.count, self.epoch = int(state["count"]), int(state["epoch"])
        self.weights = {name: tensor.to(device).clone() for name, tensor in state["weights"].items()}


def norms_in_training(network: nn.Module) -> list[_BatchNorm]:
    """Batch norms of a network that are in training mode and keep running statistics."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    return [norm for norm in norms if norm.training and norm.track_running_stats]


@contextmanager
def batch_norm_statistics(network: nn.Module, norms: list[_BatchNorm]) -> Iterator[None]:
    """Within the context, forward passes through ``network`` give ``norms`` the mean statistics of their batches.

    As :func:`torch.optim.swa_utils.update_bn`, except that all other layers are in evaluation mode: dropout would widen
    the statistics, and those of frozen layers do not change.

    Args:
        network: in evaluation mode at the end.
        norms: from :func:`norms_in_training`.
    """
    network.eval()
    momenta = {norm: norm.momentum for norm in norms}
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's cumulative mean
        norm.train()
    try:
        with torch.no_grad():
            yield
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        network.eval()
