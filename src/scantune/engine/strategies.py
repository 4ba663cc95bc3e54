"""Which epochs' weights are kept: seven strategies, each a function of the figures so far. Usable in any loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scantune.engine.better import is_better
from scantune.records import ScantuneError


@dataclass(frozen=True)
class Entry:
    """An epoch and its figure.

    Attributes:
        epoch: counted from 1.
        step: optimizer steps done by its end.
        value: the monitored figure; NaN where undefined.
    """

    epoch: int
    step: int
    value: float


@dataclass(frozen=True)
class Strategy:
    """A strategy by name with its numbers.

    Attributes:
        name: ``best``, ``epoch``, ``interval``, ``all``, ``adaptive``, ``performance`` or ``time``.
        max_checkpoints: how many are kept; None takes the strategy's preset.
        interval: epochs between two (``interval``, ``all``); the widest gap (``adaptive``).
        threshold: share of the best within which an epoch counts (``performance``); relative change that counts as
            moving (``adaptive``).
        milestones: shares of the run (``time``).
        mode: ``min``, ``max`` or ``auto``: by the name of the figure that ``Checkpoints`` ranks by; ``min`` without.
        epochs: epochs of the whole run (``time``).
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
        """How many are kept."""
        return self.max_checkpoints or PRESETS[self.name]

    def kept(self, seen: Sequence[Entry]) -> list[Entry]:
        """Those of the epochs seen so far (in order) that are kept now."""
        kept: list[Entry] = []
        for i, entry in enumerate(seen):
            kept = CHOOSERS[self.name](self, kept, entry, seen[:i])
        return kept


PRESETS = {"best": 3, "epoch": 5, "interval": 5, "all": 5, "adaptive": 5, "performance": 3, "time": 5}


def _ranked(entries: Sequence[Entry], mode: str) -> list[Entry]:
    """Best first; earlier before later where equal, NaN last."""
    sign = -1 if mode == "max" else 1
    return sorted(entries, key=lambda e: (math.isnan(e.value), sign * e.value if e.value == e.value else 0, e.epoch))


def _in_order(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda e: e.epoch)


def best_of(entries: Sequence[Entry], mode: str) -> Entry | None:
    """The best entry, None where none has a figure."""
    ranked = [e for e in _ranked(entries, mode) if not math.isnan(e.value)]
    return ranked[0] if ranked else None


def _best(rule: Strategy, kept: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    return _in_order(_ranked([*kept, entry], rule.mode)[: rule.limit])


def _epoch(rule: Strategy, kept: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    return [*kept, entry][-rule.limit :]


def _interval(rule: Strategy, kept: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    return [*kept, entry][-rule.limit :] if entry.epoch % rule.interval == 0 else kept


def _all(rule: Strategy, kept: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    """The best so far and the regular ones; the oldest that is not the best goes first."""
    top = best_of([*before, entry], rule.mode)
    joined = [*kept, entry] if entry == top or entry.epoch % rule.interval == 0 else kept
    while len(joined) > rule.limit:
        oldest = next((e for e in joined if e != top), joined[0])
        joined = [e for e in joined if e != oldest]
    return joined


def _adaptive(rule: Strategy, kept: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    """A gap of one epoch while the figure moves; it doubles, up to ``interval``, for each kept epoch of stillness."""
    gap, last = 1, None
    for now in [*before, entry]:
        if last is None:
            last, keep = now, True
            continue
        moving = not abs(now.value - last.value) <= rule.threshold * max(abs(last.value), 1e-12)
        gap = 1 if moving else gap
        keep = now.epoch - last.epoch >= gap
        if keep:
            gap = 1 if moving else min(rule.interval, gap * 2)
            last = now
    return [*kept, entry][-rule.limit :] if keep else kept


def _performance(rule: Strategy, kept: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    top = best_of([*before, entry], rule.mode)
    if top is None:
        return kept
    bound = rule.threshold * abs(top.value)
    near = [
        e
        for e in [*kept, entry]
        if not is_better(top.value, e.value, "max" if rule.mode == "max" else "min", bound) and e.value == e.value
    ]
    return _in_order(_ranked(near, rule.mode)[: rule.limit])


def _time(rule: Strategy, kept: list[Entry], entry: Entry, before: Sequence[Entry]) -> list[Entry]:
    marks = {max(1, math.ceil(share * rule.epochs)) for share in rule.milestones}
    return [*kept, entry][-rule.limit :] if entry.epoch in marks else kept


CHOOSERS: dict[str, Callable[[Strategy, list[Entry], Entry, Sequence[Entry]], list[Entry]]] = {
    "best": _best,
    "epoch": _epoch,
    "interval": _interval,
    "all": _all,
    "adaptive": _adaptive,
    "performance": _performance,
    "time": _time,
}
