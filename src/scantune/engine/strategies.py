"""Strategies that select the epochs whose weights are kept, from the metric so far. Usable in any training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scantune.engine.better import is_better
from scantune.records import ScantuneError


@dataclass(frozen=True)
class Entry:
    """An epoch and its value of the monitored metric.

    Attributes:
        epoch: counted from 1.
        step: optimizer steps up to its end.
        value: of the monitored metric; NaN where undefined.
    """

    epoch: int
    step: int
    value: float


@dataclass(frozen=True)
class Strategy:
    """A strategy by name with its options.

    Attributes:
        name: ``best``, ``epoch``, ``interval``, ``all``, ``adaptive``, ``performance`` or ``time``.
        max_checkpoints: largest number of epochs kept; None uses the preset of the strategy.
        interval: epochs between two checkpoints (``interval``, ``all``); largest gap (``adaptive``).
        threshold: relative distance from the best within which an epoch is kept (``performance``); relative change of
            the metric that counts as progress (``adaptive``).
        milestones: shares of the training (``time``).
        mode: ``min``, ``max`` or ``auto``: by the name of the metric of ``Checkpoints``.
        epochs: of the training (``time``).
    """

    name: str = "best"
    max_checkpoints: int | None = None
    interval: int = 5
    threshold: float = 0.05
    milestones: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    mode: str = "auto"
    epochs: int = 0

    def __post_init__(self) -> None:
        if self.name not in CHOOSERS:
            raise ScantuneError(f"checkpoints.strategy: {self.name!r} is not one of {', '.join(CHOOSERS)}")

    @property
    def limit(self) -> int:
        """Largest number of epochs kept."""
        return self.max_checkpoints or PRESETS[self.name]

    def select(self, entries: Sequence[Entry]) -> list[Entry]:
        """Epochs kept now, among ``entries`` so far in order."""
        selected: list[Entry] = []
        for i, entry in enumerate(entries):
            selected = CHOOSERS[self.name](self, selected, entry, entries[:i])
        return selected


PRESETS = {"best": 3, "epoch": 5, "interval": 5, "all": 5, "adaptive": 5, "performance": 3, "time": 5}


def _ranked(entries: Sequence[Entry], mode: str) -> list[Entry]:
    """Best first, earlier before later where equal, NaN last."""
    sign = -1 if mode == "max" else 1
    return sorted(entries, key=lambda e: (math.isnan(e.value), sign * e.value if e.value == e.value else 0, e.epoch))


def _in_order(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda e: e.epoch)


def best_of(entries: Sequence[Entry], mode: str) -> Entry | None:
    """The best entry; None where every value is NaN."""
    ranked = [e for e in _ranked(entries, mode) if not math.isnan(e.value)]
    return ranked[0] if ranked else None


def _best(rule: Strategy, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    return _in_order(_ranked([*selected, entry], rule.mode)[: rule.limit])


def _epoch(rule: Strategy, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    return [*selected, entry][-rule.limit :]


def _interval(rule: Strategy, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    return [*selected, entry][-rule.limit :] if entry.epoch % rule.interval == 0 else selected


def _all(rule: Strategy, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    """The best so far and those at regular intervals; the oldest that is not the best is removed first."""
    best = best_of([*before, entry], rule.mode)
    candidates = [*selected, entry] if entry == best or entry.epoch % rule.interval == 0 else selected
    while len(candidates) > rule.limit:
        oldest = next((e for e in candidates if e != best), candidates[0])
        candidates = [e for e in candidates if e != oldest]
    return candidates


def _adaptive(rule: Strategy, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    """A gap of one epoch while the metric changes; it doubles, up to ``interval``, without change."""
    gap, last = 1, None
    for current in [*before, entry]:
        if last is None:
            last, keep = current, True
            continue
        moving = not abs(current.value - last.value) <= rule.threshold * max(abs(last.value), 1e-12)
        gap = 1 if moving else gap
        keep = current.epoch - last.epoch >= gap
        if keep:
            gap = 1 if moving else min(rule.interval, gap * 2)
            last = current
    return [*selected, entry][-rule.limit :] if keep else selected


def _performance(rule: Strategy, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    best = best_of([*before, entry], rule.mode)
    if best is None:
        return selected
    bound = rule.threshold * abs(best.value)
    near = [
        e
        for e in [*selected, entry]
        if not is_better(best.value, e.value, "max" if rule.mode == "max" else "min", bound) and e.value == e.value
    ]
    return _in_order(_ranked(near, rule.mode)[: rule.limit])


def _time(rule: Strategy, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    marks = {max(1, math.ceil(share * rule.epochs)) for share in rule.milestones}
    return [*selected, entry][-rule.limit :] if entry.epoch in marks else selected


CHOOSERS: dict[str, Callable[[Strategy, list[Entry], Entry, Sequence[Entry]], list[Entry]]] = {
    "best": _best,
    "epoch": _epoch,
    "interval": _interval,
    "all": _all,
    "adaptive": _adaptive,
    "performance": _performance,
    "time": _time,
}
