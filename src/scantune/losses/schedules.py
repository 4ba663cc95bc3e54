"""Schedules of the weights of a combined loss: functions of epoch and history only, so that resuming is exact.

A schedule is called as ``schedule(epoch, step, history)``: the epoch from 0, the global step, and one mapping of
metrics per completed epoch (``train_dice_loss``, ``val_dice`` …). It returns name → weight. Weights are
interpolated linearly between ``start`` and ``end``; the default of ``end`` is ``start`` in reverse order (.7 and .3
become .3 and .7).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

from scantune.records import ScantuneError

Weighting = Mapping[str, float]
History = Sequence[Mapping[str, float]]
Schedule = Callable[[int, int, History], dict[str, float]]


@dataclass(frozen=True)
class Constant:
    """The same weights throughout."""

    start: Weighting

    def __call__(self, epoch: int, step: int, history: History) -> dict[str, float]:
        """Name → weight."""
        return dict(self.start)


@dataclass(frozen=True)
class Cosine:
    """From ``start`` to ``end`` along half a cosine; ``end`` is reached in the last of ``epochs``."""

    start: Weighting
    end: Weighting
    epochs: int

    def __call__(self, epoch: int, step: int, history: History) -> dict[str, float]:
        """Name → weight."""
        share = min(epoch / max(self.epochs - 1, 1), 1.0)
        return _between(self.start, self.end, 0.5 - 0.5 * math.cos(math.pi * share))


@dataclass(frozen=True)
class Step:
    """From ``start`` to ``end`` in equal steps, one after each of ``milestones`` (numbers of epochs)."""

    start: Weighting
    end: Weighting
    milestones: tuple[int, ...]

    def __call__(self, epoch: int, step: int, history: History) -> dict[str, float]:
        """Name → weight."""
        return _between(self.start, self.end, sum(epoch >= m for m in self.milestones) / len(self.milestones))


@dataclass(frozen=True)
class Adaptive:
    """More weight for the slower component: ``start`` times (loss / its first epoch's loss)^``strength``.

    The weights are then scaled to the sum of ``start``; before, no weight is below ``floor`` of its start.
    """

    start: Weighting
    strength: float = 1.0
    floor: float = 0.1

    def __call__(self, epoch: int, step: int, history: History) -> dict[str, float]:
        """Name → weight."""
        if not history:
            return dict(self.start)
        lag = {name: self._lag(name, history) for name in self.start}
        raw = {name: weight * max(lag[name] ** self.strength, self.floor) for name, weight in self.start.items()}
        scale = sum(self.start.values()) / sum(raw.values())
        return {name: weight * scale for name, weight in raw.items()}

    def _lag(self, name: str, history: History) -> float:
        key = f"train_{name}_loss"
        values = [float(_logged_metric(row, key)) for row in history]
        values = [value for value in values if math.isfinite(value)]
        return max(values[-1], 0.0) / values[0] if values and values[0] > 0 else 1.0


@dataclass(frozen=True)
class Performance:
    """A step of ``amount`` from ``start`` to ``end`` after ``patience`` epochs without improvement of ``monitor``.

    Of a metric of the validation only epochs with a validation count (``train.validate_every``).
    """

    start: Weighting
    end: Weighting
    monitor: str = "val_dice"
    mode: str = "max"
    patience: int = 3
    min_delta: float = 1e-3
    amount: float = 0.25

    def __call__(self, epoch: int, step: int, history: History) -> dict[str, float]:
        """Name → weight."""
        return _between(self.start, self.end, min(self.plateaus(history) * self.amount, 1.0))

    def plateaus(self, history: History) -> int:
        """Number of periods of ``patience`` epochs without an improvement of more than ``min_delta``."""
        sign = 1.0 if self.mode == "max" else -1.0
        best, epochs, count = -math.inf, 0, 0
        for row in history:
            if self.monitor.startswith("val_") and math.isnan(row.get("val_loss", 0.0)):
                continue  # an epoch without validation
            value = sign * float(_logged_metric(row, self.monitor))
            if value > best + self.min_delta or (best == -math.inf and math.isfinite(value)):
                best, epochs = value, 0
                continue
            epochs += 1
            if epochs == self.patience:
                count, epochs = count + 1, 0
        return count


def build(spec: str | Mapping[str, Any] | None, start: Weighting, *, epochs: int | None = None) -> Schedule:
    """The schedule of ``{name: cosine, end: {...}, ...}``, of a name, or None.

    Args:
        spec: name or mapping: constant, cosine (``epochs``), step (``milestones``), adaptive (``strength``, ``floor``),
            performance (``monitor``, ``mode``, ``patience``, ``min_delta``, ``amount``; also ``performance_based``).
        start: name → weight at the start.
        epochs: of the training; the default end of cosine, and thirds of it are the default milestones of step.

    Raises:
        ScantuneError: an unknown name, option or component, with the valid ones.
    """
    options: dict[str, Any] = {"name": spec} if isinstance(spec, str) else dict(spec or {"name": "constant"})
    name = str(options.pop("name", "constant")).removesuffix("_based")
    if name not in _BUILDERS:
        raise ScantuneError(f"loss weight schedule {name!r} is not known; known are {', '.join(_BUILDERS)}")
    if name != "constant" and len(start) == 1:
        raise ScantuneError(f"loss weight schedule {name!r}: it is of several parts, and {next(iter(start))} is alone")
    if name in _CHANGING:
        options["end"] = _end(options.get("end"), start)
        if options["end"] == dict(start):
            raise ScantuneError(f"loss weight schedule {name!r}: the weights begin and end at {dict(start)}; state end")
    if (
        name == "performance"
        and "monitor" in options
        and "mode" not in options
        and options["monitor"] != Performance.monitor
    ):
        raise ScantuneError(
            f"loss weight schedule 'performance': monitor {options['monitor']!r} requires mode: max where higher is "
            "better, min where lower is better"
        )
    patience, amount = options.get("patience", 1), options.get("amount", 1)
    if not (_is_number(patience) and patience >= 1 and _is_number(amount) and 0 < amount <= 1):
        raise ScantuneError("loss weight schedule 'performance': patience is 1 or more, and amount above 0, at most 1")
    try:
        return _BUILDERS[name](start=dict(start), training_epochs=epochs, **options)
    except TypeError as error:
        raise ScantuneError(f"loss weight schedule {name!r}: {str(error).split(') ')[-1]}") from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _end(end: Weighting | None, start: Weighting) -> dict[str, float]:
    if end is None:
        return dict(zip(start, reversed(list(start.values()))))
    if set(end) != set(start):
        raise ScantuneError(f"loss weight schedule: end names {sorted(end)}; the loss has {sorted(start)}")
    if not all(_is_number(weight) and weight >= 0 for weight in end.values()) or not any(end.values()):
        raise ScantuneError(f"loss weight schedule: end is {dict(end)}; weights are 0 or more, one above 0")
    return {name: float(end[name]) for name in start}


def _cosine(*, start: Weighting, end: Weighting, training_epochs: int | None, epochs: int | None = None) -> Schedule:
    length = epochs or training_epochs
    if not length:
        raise ScantuneError("loss weight schedule 'cosine' requires epochs: the number over which the weights change")
    return Cosine(start, end, length)


def _step(
    *, start: Weighting, end: Weighting, training_epochs: int | None, milestones: Sequence[int] | None = None
) -> Schedule:
    if not milestones and not training_epochs:
        raise ScantuneError("loss weight schedule 'step' requires milestones: the epochs at which the weights change")
    third = (training_epochs or 0) / 3
    return Step(start, end, tuple(sorted(milestones or (round(third), round(2 * third)))))


def _without_epochs(make: Callable[..., Schedule]) -> Callable[..., Schedule]:
    def build_schedule(*, training_epochs: int | None, **options: Any) -> Schedule:
        return make(**options)

    return build_schedule


_BUILDERS: dict[str, Callable[..., Schedule]] = {
    "constant": _without_epochs(Constant),
    "cosine": _cosine,
    "step": _step,
    "adaptive": _without_epochs(Adaptive),
    "performance": _without_epochs(Performance),
}
_CHANGING = ("cosine", "step", "performance")


def described() -> Iterator[tuple[str, dict[str, Any], str]]:
    """Name, options with defaults, and description of each schedule."""
    schedules = {"constant": Constant, "cosine": Cosine, "step": Step, "adaptive": Adaptive, "performance": Performance}
    for name, schedule in schedules.items():
        options = {f.name: None if f.default is MISSING else f.default for f in fields(schedule) if f.name != "start"}
        yield name, options, (schedule.__doc__ or "").split("\n\n")[0]


def _between(start: Weighting, end: Weighting, share: float) -> dict[str, float]:
    return {name: weight + (end[name] - weight) * share for name, weight in start.items()}


def _logged_metric(row: Mapping[str, float], key: str) -> float:
    if key not in row:
        raise ScantuneError(
            f"the schedule of the loss weights uses {key!r}, which is not logged; logged are: {', '.join(sorted(row))}"
        )
    return row[key]
