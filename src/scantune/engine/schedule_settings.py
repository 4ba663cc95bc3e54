"""The ``scheduler`` key of the ``train`` block: how the learning rate changes during training; read without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from scantune.config.base import Block, by_name

Positive = Annotated[int, Field(ge=1)]
Factor = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]


class PlateauSchedule(Block):
    """Reduce the rate when the monitored metric no longer improves."""

    name: Literal["plateau"] = "plateau"
    """This one."""
    factor: Factor = 0.5
    """What the rate is multiplied by."""
    patience: Annotated[int, Field(ge=0)] | None = None
    """Epochs without improvement before a reduction; half of early stopping's where null, 0 of 2: an epoch follows."""
    threshold: Annotated[float, Field(ge=0)] = 1e-4
    """Relative improvement that counts."""
    cooldown: Annotated[int, Field(ge=0)] = 0
    """Epochs after a reduction in which none are counted."""
    min_lr: Annotated[float, Field(ge=0)] = 0.0
    """Never below this rate."""


class OneCycleSchedule(Block):
    """Up and down once over the whole training, by step."""

    name: Literal["onecycle"] = "onecycle"
    """This one."""
    max_lr: Rate | None = None
    """Highest rate; ``learning_rate`` where null."""
    pct_start: Factor = 0.3
    """Share of the steps on the way up."""
    div_factor: Annotated[float, Field(ge=1)] = 25.0
    """The first rate is the highest over this."""
    final_div_factor: Annotated[float, Field(ge=1)] = 1e4
    """The last rate is the first over this."""
    cycle_momentum: bool = True
    """Momentum (or Adam's first beta) between .85 and .95, against the rate."""


class CosineSchedule(Block):
    """Down along half a cosine, by epoch."""

    name: Literal["cosine"] = "cosine"
    """This one."""
    T_max: Positive | None = None
    """Epochs to the lowest rate; all there are where null."""
    eta_min: Annotated[float, Field(ge=0)] = 1e-6
    """Lowest rate."""


class StepSchedule(Block):
    """Cut at even intervals of epochs."""

    name: Literal["step"] = "step"
    """This one."""
    step_size: Positive = 10
    """Epochs between cuts."""
    gamma: Factor = 0.1
    """What the rate is multiplied by."""


class CosineRestartsSchedule(Block):
    """Cosine with warm restarts, by epoch."""

    name: Literal["cosine_restarts"] = "cosine_restarts"
    """This one."""
    T_0: Positive = 5
    """Epochs of the first period."""
    T_mult: Positive = 2
    """Factor between the lengths of successive periods."""
    eta_min: Annotated[float, Field(ge=0)] = 0.0
    """Lowest rate."""


class PolySchedule(Block):
    """Down to 0 over all epochs along a power of the remaining share, as nnU-Net has it with sgd and .01."""

    name: Literal["poly"] = "poly"
    """This one."""
    power: Rate = 0.9
    """1 is a straight line; lower ones stay high for longer."""


SchedulerConfig = Annotated[
    PlateauSchedule | OneCycleSchedule | CosineSchedule | StepSchedule | CosineRestartsSchedule | PolySchedule,
    Field(discriminator="name"),
    BeforeValidator(by_name),
]
