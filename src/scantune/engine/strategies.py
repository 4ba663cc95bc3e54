"""Strategies that select the epochs whose weights are kept, from the metric so far. Usable in any training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scantune.engine.better import is_better
from scantune.engine.settings import CheckpointsConfig


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
class Rule:
    """What a strategy goes by.

    Attributes:
        settings: the ``checkpoints:`` block.
        mode: ``min`` or ``max``, the direction of the metric.
        epochs: of the training (``time``).
    """

    settings: CheckpointsConfig
    mode: str
    epochs: int = 0

    def select(self, entries: Sequence[Entry]) -> list[Entry]:
        """Epochs kept now, among ``entries`` so far in order."""
        selected: list[Entry] = []
        for i, entry in enumerate(entries):
            selected = CHOOSERS[self.settings.strategy](self, selected, entry, entries[:i])
        return selected


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


def _best(rule: Rule, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    return _in_order(_ranked([*selected, entry], rule.mode)[: rule.settings.limit])


def _epoch(rule: Rule, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    return [*selected, entry][-rule.settings.limit :]


def _interval(rule: Rule, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    return [*selected, entry][-rule.settings.limit :] if entry.epoch % rule.settings.interval == 0 else selected


def _all(rule: Rule, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    """The best so far and those at regular intervals; the oldest that is not the best is removed first."""
    best = best_of([*before, entry], rule.mode)
    candidates = [*selected, entry] if entry == best or entry.epoch % rule.settings.interval == 0 else selected
    while len(candidates) > rule.settings.limit:
        oldest = next((e for e in candidates if e != best), candidates[0])
        candidates = [e for e in candidates if e != oldest]
    return candidates


def _adaptive(rule: Rule, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    """A gap of one epoch while the metric changes; it doubles, up to ``interval``, without change."""
    gap, last = 1, None
    for current in [*before, entry]:
        if last is None:
            last, keep = current, True
            continue
        moving = not abs(current.value - last.value) <= rule.settings.threshold * max(abs(last.value), 1e-12)
        gap = 1 if moving else gap
        keep = current.epoch - last.epoch >= gap
        if keep:
            gap = 1 if moving else min(rule.settings.interval, gap * 2)
            last = current
    return [*selected, entry][-rule.settings.limit :] if keep else selected


def _performance(rule: Rule, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    best = best_of([*before, entry], rule.mode)
    if best is None:
        return selected
    bound = rule.settings.threshold * abs(best.value)
    near = [
        e
        for e in [*selected, entry]
        if not is_better(best.value, e.value, "max" if rule.mode == "max" else "min", bound) and e.value == e.value
    ]
    return _in_order(_ranked(near, rule.mode)[: rule.settings.limit])


def _time(rule: Rule, selected: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    marks = rule.settings.milestone_epochs(rule.epochs)
    return [*selected, entry][-rule.settings.limit :] if entry.epoch in marks else selected


CHOOSERS: dict[str, Callable[[Rule, list[Entry], Entry, Sequence[Entry]], list[Entry]]] = {
    "best": _best,
    "epoch": _epoch,
    "interval": _interval,
    "all": _all,
    "adaptive": _adaptive,
    "performance": _performance,
    "time": _time,
}
