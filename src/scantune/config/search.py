"""The ``search`` block of an experiment: which settings are tried, within what bounds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from scantune.config.base import Block, Seed


class Span(Block):
    """What one setting may be: numbers from ``low`` to ``high``, or ``choices``. ``[a, b]`` is short for choices."""

    low: float | None = None
    """Smallest value."""
    high: float | None = None
    """Largest value."""
    log: bool = False
    """Spread evenly over orders of magnitude."""
    step: float | None = Field(default=None, gt=0)
    """Only multiples of this above ``low``."""
    int: bool = False
    """Whole numbers only."""
    choices: list[Any] | None = Field(default=None, min_length=1)
    """The only values."""

    @model_validator(mode="after")
    def _one_kind(self) -> Span:
        bounds = self.low is not None and self.high is not None
        if bounds == (self.choices is not None):
            raise ValueError("give low and high, or choices")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if self.log and (self.low or 0) <= 0:
            raise ValueError("log needs low above 0")
        return self

    def plain(self) -> dict[str, Any]:
        """As the engine takes it."""
        values = self.model_dump(exclude_none=True, exclude_defaults=True)
        if self.int:
            values |= {name: round(values[name]) for name in ("low", "high", "step") if name in values}
        return values


def _listed(value: object) -> object:
    return {"choices": value} if isinstance(value, list) else value


Space = dict[str, Annotated[Span, BeforeValidator(_listed)]]


class SearchConfig(Block):
    """Hyper-parameter search: ``scantune search <experiment>``."""

    n_trials: int = Field(default=100, ge=1)
    """Trials to reach, those of all processes that share the study counted."""
    space: Annotated[Space, Field(min_length=1)] = {
        "train.learning_rate": Span(low=1e-4, high=1e-2, log=True),
        "train.batch_size": Span(choices=[8, 16, 32, 64, 128]),
        "train.weight_decay": Span(low=1e-6, high=1e-2, log=True),
        "train.optimizer": Span(choices=["adam", "adamw", "sgd"]),
    }
    """Settings below the experiment by their dotted name: ``train.learning_rate: {low: 1e-4, high: 1e-2, log: true}``,
    ``model.backbone: [resnet18, densenet121]``."""
    prune: bool = True
    """Stop a trial that is worse than the median of the earlier ones at the same epoch."""
    warmup_trials: int = Field(default=5, ge=0)
    """Trials before any is stopped early."""
    seed: Seed = 42
    """Of the suggestions."""
