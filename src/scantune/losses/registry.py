"""Losses by name; a new one is one function and a name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scantune.losses.loss import NamedLoss, Values, Weights
from scantune.records import ScantuneError


@dataclass(frozen=True)
class Entry:
    """One row of the registry.

    Attributes:
        values: ``values(output, target, **options) -> Tensor``.
        weights: ``weights(target, **options) -> Tensor``, or None.
        tasks: names of the tasks that it fits; empty for any.
        compares: the loss of a sample depends on the others beside it.
    """

    values: Values
    weights: Weights | None
    tasks: frozenset[str]
    compares: bool = False


_TABLE: dict[str, Entry] = {}
#: Short names that mean another loss by task, to the losses that they may mean.
_SHORT: dict[str, list[str]] = {}
_ALIASES = {
    "mae": "l1",
    "ce": "cross_entropy",
    "weighted_ce": "weighted_cross_entropy",
    "focal_loss": "focal",
    "mse_loss": "mse",
    "focal_ce": "focal_cross_entropy",
}


def register(
    name: str,
    *,
    tasks: tuple[str, ...] = (),
    weights: Weights | None = None,
    short: str | None = None,
    compares: bool = False,
) -> Callable[[Values], Values]:
    """Give a loss a name that ``params.yaml`` may use.

    The function takes output and target and returns losses: one per element of the target, one per sample [B], or one
    number for the batch. ``weights``, where elements count differently, must depend on the target alone.

    Args:
        name: as in ``loss: <name>``.
        tasks: "regression", "classification", "zones", "segmentation"; empty for any.
        weights: ``weights(target, **options) -> Tensor`` of the shape of the losses.
        short: a name that it shares with losses of other tasks; the task decides which one is meant.
        compares: the loss of a sample depends on the others in its batch (ranks, risk sets): validation then takes all
            samples at once, so that its loss does not depend on the size of a batch.

    Example:
        >>> @register("log_cosh")
        ... def log_cosh(output, target):
        ...     return (output.reshape(target.shape) - target).cosh().log()
    """

    def keep(values: Values) -> Values:
        _TABLE[name] = Entry(values, weights, frozenset(tasks), compares)
        if short is not None and name not in _SHORT.setdefault(short, []):
            _SHORT[short].append(name)
        return values

    return keep


def names(task: str | None = None) -> list[str]:
    """Names of the losses, or of those that fit a task."""
    return sorted(n for n, entry in _TABLE.items() if task is None or not entry.tasks or task in entry.tasks)


def described() -> Iterator[tuple[str, list[str], dict[str, Any], str]]:
    """For each loss: name, tasks that it fits, its options with their defaults, what it is."""
    for name, entry in sorted(_TABLE.items()):
        takes = inspect.signature(entry.values).parameters
        given = {"frequencies"}  # by the engine, from the training side
        options = {key: p.default for key, p in takes.items() if key not in {"output", "target", *given}}
        options = {key: None if value is inspect.Parameter.empty else value for key, value in options.items()}
        yield name, sorted(entry.tasks), options, (entry.values.__doc__ or "").split("\n\n")[0]


def exists(name: str) -> bool:
    """Whether a user's name for a loss is known."""
    low = _ALIASES.get(name.lower(), name.lower())
    return low in _TABLE or low in _SHORT


def resolve(name: str, task: str | None = None) -> str:
    """The registry's name for what a user wrote.

    Raises:
        ScantuneError: an unknown name, one that needs the task, or one that does not fit it.
    """
    low = _ALIASES.get(name.lower(), name.lower())
    if low in _SHORT:
        fitting = [other for other in _SHORT[low] if task in _TABLE[other].tasks]
        if not fitting:
            raise ScantuneError(f"loss {name!r} depends on the task; name it in full: {', '.join(sorted(_SHORT[low]))}")
        low = fitting[0]
    if low not in _TABLE:
        near = difflib.get_close_matches(low, names(task), n=4, cutoff=0.4) or names(task)
        raise ScantuneError(f"loss {name!r} is not known; did you mean {', '.join(near)}?")
    tasks = _TABLE[low].tasks
    if task is not None and tasks and task not in tasks:
        raise ScantuneError(f"loss {name!r} does not fit a {task} task; these do: {', '.join(names(task))}")
    return low


def make(name: str, options: Mapping[str, Any]) -> NamedLoss:
    """The loss ``name`` (as :func:`resolve` gave it) with ``options``.

    Raises:
        ScantuneError: an option that the loss does not have.
    """
    entry = _TABLE[name]
    takes = set(inspect.signature(entry.values).parameters) - {"output", "target"}
    unknown = sorted(set(options) - takes)
    if unknown:
        raise ScantuneError(f"loss {name!r} has no option {unknown[0]!r}; it has {', '.join(sorted(takes)) or 'none'}")
    return NamedLoss(name, entry.values, entry.weights, dict(options), entry.compares)


def fits(name: str, task: str) -> bool:
    """Whether a loss of the registry serves a task."""
    return not _TABLE[name].tasks or task in _TABLE[name].tasks


def takes(name: str, option: str) -> bool:
    """Whether the loss has that option."""
    return option in inspect.signature(_TABLE[name].values).parameters
