"""Schedules of the learning rate: curves as functions of the step, and the plateau schedule, which has a state.

The curves agree with PyTorch's schedulers of the same name (``OneCycleLR``, ``CosineAnnealingLR``, ``StepLR``,
``CosineAnnealingWarmRestarts``, ``PolynomialLR``, ``ReduceLROnPlateau``). They are reimplemented because those keep the
initial rates of the groups and cannot be set to a given step, which exact resuming requires.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch.optim import Optimizer

from scantune.engine.better import is_better
from scantune.engine.schedule_settings import PlateauSchedule
from scantune.engine.settings import TrainingSettings
from scantune.tasks.directions import direction


@dataclass(frozen=True)
class Clock:
    """Position in the schedule: completed steps and epochs, and the total of each."""

    step: int
    steps: int
    epoch: int
    epochs: float


#: ``curve(base, clock, **options)``: the rate of a group whose initial rate is ``base``.
Curve = Callable[..., float]


def constant(base: float, clock: Clock) -> float:
    """The base rate."""
    return base


def cosine(base: float, clock: Clock, *, eta_min: float, T_max: int | None = None) -> float:
    """Half a cosine from ``base`` to ``eta_min`` over ``T_max`` epochs (None: all epochs), then constant."""
    lowest = min(eta_min, base)
    progress = min(1.0, clock.epoch / max(1, T_max or math.ceil(clock.epochs)))
    return lowest + (base - lowest) * (1 + math.cos(math.pi * progress)) / 2


def step(base: float, clock: Clock, *, step_size: int, gamma: float) -> float:
    """``base`` times ``gamma`` for every ``step_size`` completed epochs."""
    return base * gamma ** (clock.epoch // step_size)


def cosine_restarts(base: float, clock: Clock, *, T_0: int, T_mult: int, eta_min: float) -> float:
    """Half a cosine over ``T_0`` epochs, restarted; each period is ``T_mult`` times the one before."""
    done, period = clock.epoch, T_0
    while done >= period:
        done, period = done - period, period * T_mult
    lowest = min(eta_min, base)
    return lowest + (base - lowest) * (1 + math.cos(math.pi * done / period)) / 2


def poly(base: float, clock: Clock, *, power: float) -> float:
    """``base`` · (1 − epoch / epochs)^``power``, as nnU-Net has it."""
    return base * max(0.0, 1 - clock.epoch / clock.epochs) ** power


def onecycle(
    base: float,
    clock: Clock,
    *,
    pct_start: float,
    div_factor: float,
    final_div_factor: float,
    cycle_momentum: bool,
    max_share: float = 1.0,
) -> float:
    """Rise from ``base``/``div_factor``, then fall to 1/``final_div_factor`` of that, by step (Smith & Topin 2017)."""
    highest = base * max_share
    first = highest / div_factor
    up, progress = _cycle(clock, pct_start)
    return _between(first, highest, progress) if up else _between(highest, first / final_div_factor, progress)


def _onecycle_momentum(clock: Clock, *, pct_start: float, cycle_momentum: bool, **_: float) -> float | None:
    if not cycle_momentum:
        return None
    up, progress = _cycle(clock, pct_start)
    return _between(0.95, 0.85, progress) if up else _between(0.85, 0.95, progress)


def _cycle(clock: Clock, pct_start: float) -> tuple[bool, float]:
    """Whether the rate rises, and the completed share of the phase."""
    top, end = pct_start * clock.steps - 1, clock.steps - 1
    if clock.step <= top:
        return True, clock.step / top if top > 0 else 1.0
    return False, min(1.0, (clock.step - top) / (end - top)) if end > top else 1.0


def _between(start: float, end: float, progress: float) -> float:
    return end + (start - end) / 2.0 * (1 + math.cos(math.pi * progress))


@dataclass
class Plateau:
    """Reduces the rate when a metric no longer improves, as ``ReduceLROnPlateau`` with a relative threshold.

    Attributes:
        settings: the block of the scheduler.
        patience: epochs without improvement before a reduction; that of the block where it has one.
        mode: ``min`` or ``max``, direction of the metric.
    """

    settings: PlateauSchedule = field(default_factory=PlateauSchedule)
    patience: int = 5
    mode: str = "min"
    best: float = math.nan
    wait: int = 0
    cooling: int = 0
    cuts: int = 0

    def __post_init__(self) -> None:
        if self.settings.patience is not None:
            self.patience = self.settings.patience

    def update(self, value: float) -> bool:
        """Add an epoch's value; True where the rate is reduced. NaN is no improvement."""
        margin = self.settings.threshold * abs(self.best) if math.isfinite(self.best) else 0.0
        if is_better(value, self.best, self.mode, margin):
            self.best, self.wait = value, 0
        else:
            self.wait += 1
        if self.cooling > 0:
            self.cooling, self.wait = self.cooling - 1, 0
        if self.wait <= self.patience:
            return False
        self.cooling, self.wait, self.cuts = self.settings.cooldown, 0, self.cuts + 1
        return True

    def rate(self, base: float) -> float:
        """``base`` after the reductions so far."""
        return max(min(self.settings.min_lr, base), base * self.settings.factor**self.cuts)

    def state(self) -> dict[str, float]:
        """State for :meth:`load`."""
        return {"best": self.best, "wait": self.wait, "cooling": self.cooling, "cuts": self.cuts}

    def load(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state`."""
        self.best, self.wait = float(state["best"]), int(state["wait"])
        self.cooling, self.cuts = int(state["cooling"]), int(state["cuts"])


CURVES: dict[str, Curve] = {
    "constant": constant,
    "cosine": cosine,
    "step": step,
    "cosine_restarts": cosine_restarts,
    "onecycle": onecycle,
    "poly": poly,
}
MOMENTA: dict[str, Callable[..., float | None]] = {"onecycle": _onecycle_momentum}


class Schedule:
    """The learning rate of every step by the settings of a training: ``scheduler``, after a linear warm-up.

    Args:
        settings: ``epochs``, ``learning_rate``, ``scheduler``, ``warmup_epochs`` and ``warmup_lr`` (the group's rate
            where that is lower); where the plateau's patience is null, half of early stopping's.
        mode: direction of the metric of a plateau, ``min`` or ``max``; None: that of the settings' ``monitor``.

    Attributes:
        name: of the scheduler; ``constant`` without one.
        options: of its curve.
        plateau: the state of a plateau scheduler, or None.

    Raises:
        ScantuneError: a plateau whose metric's direction is not known.
    """

    def __init__(self, settings: TrainingSettings, mode: str | None = None) -> None:
        block = settings.scheduler
        self.settings = settings
        self.name = "constant" if block is None else block.name
        self.options = {} if block is None else block.model_dump(exclude={"name"}, exclude_none=True)
        self.plateau: Plateau | None = None
        if isinstance(block, PlateauSchedule):
            way = mode or direction(settings.monitor, settings.mode)
            self.plateau = Plateau(block, settings.early_stopping.plateau_patience, way)
            self.options["patience"] = self.plateau.patience
        if "max_lr" in self.options:  # a ratio, so that slower groups stay proportional
            self.options["max_share"] = self.options.pop("max_lr") / settings.learning_rate

    def rate(self, base: float, done: int, steps_per_epoch: int) -> float:
        """The rate of the step after ``done`` steps, for a group with initial rate ``base``."""
        warmup_steps = round(self.settings.warmup_epochs * steps_per_epoch)
        if done < warmup_steps:
            first = min(self.settings.warmup_lr, base)
            return first + (base - first) * done / warmup_steps
        if self.plateau is not None:
            return self.plateau.rate(base)
        return CURVES[self.name](base, self._clock(done - warmup_steps, steps_per_epoch), **self.options)

    def momentum(self, done: int, steps_per_epoch: int) -> float | None:
        """The momentum of that step; None leaves it to the optimizer."""
        warmup_steps = round(self.settings.warmup_epochs * steps_per_epoch)
        if done < warmup_steps or self.name not in MOMENTA:
            return None
        return MOMENTA[self.name](self._clock(done - warmup_steps, steps_per_epoch), **self.options)

    def _clock(self, done: int, steps_per_epoch: int) -> Clock:
        warmup, epochs = self.settings.warmup_epochs, self.settings.epochs
        steps = steps_per_epoch * epochs - round(warmup * steps_per_epoch)
        return Clock(done, steps, done // steps_per_epoch, epochs - warmup)

    def apply(self, optimizer: Optimizer, done: int, steps_per_epoch: int) -> None:
        """Set the rates (and momenta) of all groups for the step after ``done`` steps."""
        momentum = self.momentum(done, steps_per_epoch)
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = self.rate(group["initial_lr"], done, steps_per_epoch)
            if momentum is not None:
                _set_momentum(group, momentum)

    def epoch_end(self, value: float) -> bool:
        """Add the epoch's value of the metric to the plateau; True where it reduces the rate."""
        return self.plateau is not None and self.plateau.update(value)

    def state(self) -> dict[str, float]:
        """State for :meth:`load`; empty for curves."""
        return self.plateau.state() if self.plateau is not None else {}

    def load(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state`."""
        if self.plateau is not None and state:
            self.plateau.load(state)


def _set_momentum(group: dict[str, Any], momentum: float) -> None:
    if "betas" in group:
        group["betas"] = (momentum, group["betas"][1])
    elif "momentum" in group:
        group["momentum"] = momentum
