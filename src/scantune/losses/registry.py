"""Registry of losses by name.

Names and options are known without torch: those of this package are read from its sources, and a module is imported
when one of its losses is built.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from scantune.losses import declared
from scantune.records import ScantuneError
from scantune.spelling import did_you_mean

if TYPE_CHECKING:
    from scantune.losses.loss import NamedLoss, Values, Weights

#: Numbers within limits, as annotations of an option.
Positive: TypeAlias = float
NotNegative: TypeAlias = float
Share: TypeAlias = float
Between: TypeAlias = float

#: Modules of this package that register losses.
_MODULES = ("scantune.losses.classes", "scantune.losses.masks", "scantune.losses.regression")


@dataclass(frozen=True)
class Entry:
    """One row of the registry.

    Attributes:
        module: whose import registers it.
        targets: kinds of targets that it takes; empty for any.
        options: name to annotation as in the source.
        values: ``values(output, target, **options) -> Tensor``; None until the module is imported.
        weights: ``weights(target, **options) -> Tensor``, or None.
        compares: the loss of a sample depends on the others beside it.
    """

    module: str
    targets: frozenset[str]
    options: Mapping[str, str]
    values: Values | None = None
    weights: Weights | None = None
    compares: bool = False


_TABLE: dict[str, Entry] = {}
#: Short names whose loss depends on the kind of target, to the possible losses.
_SHORT: dict[str, list[str]] = {}
_ALIASES = {
    "mae": "l1",
    "ce": "cross_entropy",
    "weighted_ce": "weighted_cross_entropy",
    "focal_ce": "focal_cross_entropy",
    "bce_with_logits": "bce",
    "smooth_l1": "huber",
    "pinball": "quantile",
}


def register(
    name: str,
    *,
    targets: str | tuple[str, ...] = (),
    weights: Weights | None = None,
    short: str | None = None,
    compares: bool = False,
) -> Callable[[Values], Values]:
    """Register a loss under a name for ``params.yaml``.

    The function takes output and target and returns losses: one per element of the target, one per sample [B], or one
    number for the batch. ``weights`` of elements must depend on the target only.

    Args:
        name: as in ``loss: <name>``.
        targets: kinds of targets that the loss fits: "numbers", "classes", "binary" (two classes, or structures against
            the background), "masks"; or the kinds of targets of a custom task (``loss_targets`` of its settings). Empty
            for any.
        weights: ``weights(target, **options) -> Tensor`` of the shape of the losses.
        short: name shared with losses of other targets; resolved by the task.
        compares: the loss of a sample depends on the others in its batch (ranks, risk sets): validation then uses all
            samples at once, so that its loss does not depend on the batch size.

    Example:
        >>> @register("log_cosh")
        ... def log_cosh(output, target):
        ...     return (output.reshape(target.shape) - target).cosh().log()
    """

    def add(function: Values) -> Values:
        signature = inspect.signature(function).parameters.values()
        options = {p.name: _annotation_text(p.annotation) for p in signature if p.name not in declared.NOT_OPTIONS}
        _enter(
            name,
            Entry(function.__module__, frozenset(_as_collection(targets)), options, function, weights, compares),
            short,
        )
        return function

    return add


def declare(module: str, path: Path) -> None:
    """Register the losses of a module by name without importing it; it is imported when one of them is built.

    Args:
        module: full name.
        path: of the source.
    """
    for loss in declared.read(path):
        if loss.name not in _TABLE or _TABLE[loss.name].module != module:
            _enter(loss.name, Entry(module, frozenset(loss.targets), loss.options), loss.short)


def _enter(name: str, entry: Entry, short: str | None) -> None:
    existing = _TABLE.get(name)
    if existing is not None and existing.module != entry.module:
        raise ScantuneError(
            f"loss {name!r}: {existing.module} registers that name already; rename the loss of {entry.module}"
        )
    _TABLE[name] = entry
    if short is not None and name not in _SHORT.setdefault(short, []):
        _SHORT[short].append(name)


def _annotation_text(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def entry(name: str) -> Entry:
    """The row of a loss, with its function."""
    if _TABLE[name].values is None:
        importlib.import_module(_TABLE[name].module)
    return _TABLE[name]


def origin(name: str) -> str:
    """The module that registers a loss."""
    return _TABLE[name].module


def names(targets: str | Collection[str] | None = None) -> list[str]:
    """Names of the losses, or of those for some kinds of targets."""
    return sorted(n for n in _TABLE if targets is None or fits(n, targets))


def described() -> Iterator[tuple[str, frozenset[str], dict[str, Any], str]]:
    """Name, kinds of targets, options with defaults, and description of each loss."""
    for name in sorted(_TABLE):
        row = entry(name)
        assert row.values is not None
        parameters = inspect.signature(row.values).parameters
        from_engine = {"frequencies"}  # passed by the engine, from the training set
        options = {key: p.default for key, p in parameters.items() if key not in {*declared.NOT_OPTIONS, *from_engine}}
        options = {key: None if value is inspect.Parameter.empty else value for key, value in options.items()}
        yield name, row.targets, options, (row.values.__doc__ or "").split("\n\n")[0]


def exists(name: str) -> bool:
    """Whether a name or alias of a loss is known."""
    key = own_name(name)
    return key in _TABLE or key in _SHORT


def own_name(name: str) -> str:
    """The name in the registry: ``Dice_Loss`` is ``dice``, where no loss has the longer name, and ``mae`` is ``l1``."""
    key = name.lower()
    if key not in _TABLE and key not in _SHORT and key not in _ALIASES:
        key = key.removesuffix("_loss")
    key = _ALIASES.get(key, key)
    return key if key in _TABLE or key in _SHORT else name


def resolve(name: str, targets: str | Collection[str] | None = None) -> str:
    """The registered name for a name, alias or short name.

    Raises:
        ScantuneError: an unknown name, a short name without targets, or a loss that does not fit the targets.
    """
    key = own_name(name)
    if key in _SHORT:
        fitting = [other for other in _SHORT[key] if targets is not None and fits(other, targets)]
        if not fitting:
            raise ScantuneError(f"loss {name!r} depends on the task; name it in full: {', '.join(sorted(_SHORT[key]))}")
        key = fitting[0]
    if key not in _TABLE:
        similar = difflib.get_close_matches(key, names(targets), n=4, cutoff=0.4) or names(targets) or names()
        raise ScantuneError(f"loss {name!r} is not known; did you mean {', '.join(similar)}?")
    if targets is not None and not fits(key, targets):
        kinds, others = ", ".join(sorted(_TABLE[key].targets)), ", ".join(_as_collection(targets))
        raise ScantuneError(f"loss {name!r} is for {kinds}, not for {others}; these fit: {', '.join(names(targets))}")
    return key


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Refuse unknown options of the loss ``name`` (of :func:`resolve`), and values of the wrong type.

    Raises:
        ScantuneError: with the nearest option, or the value and the expected type.
    """
    known = _TABLE[name].options
    for key, value in options.items():
        if key not in known:
            hint = did_you_mean(key, known)
            raise ScantuneError(
                f"loss {name!r} has no option {key!r}; it has {', '.join(sorted(known)) or 'none'}{hint}"
            )
        if known[key] in _PLAIN and not isinstance(value, _PLAIN[known[key]]):
            raise ScantuneError(f"loss {name!r}: option {key} is {value!r}; expected {known[key]}")
        if known[key] in _LIMITS:
            words, within = _LIMITS[known[key]]
            if not isinstance(value, (int, float)) or not within(value):
                raise ScantuneError(f"loss {name!r}: option {key} is {value!r}; expected a number {words}")


_PLAIN: dict[str, tuple[type, ...]] = {"float": (int, float), "int": (int,), "bool": (bool,), "str": (str,)}
_LIMITS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "Positive": ("above 0", lambda value: value > 0),
    "NotNegative": ("of 0 or more", lambda value: value >= 0),
    "Share": ("from 0 to 1", lambda value: 0 <= value <= 1),
    "Between": ("between 0 and 1", lambda value: 0 < value < 1),
}


def make(name: str, options: Mapping[str, Any]) -> NamedLoss:
    """The loss ``name`` (of :func:`resolve`) with ``options``.

    Raises:
        ScantuneError: an option that the loss does not have.
    """
    from scantune.losses.loss import NamedLoss

    check_options(name, options)
    row = entry(name)
    assert row.values is not None
    return NamedLoss(name, row.values, row.weights, dict(options), row.compares)


def fits(name: str, targets: str | Collection[str]) -> bool:
    """Whether a registered loss fits one of these kinds of targets."""
    return not _TABLE[name].targets or not _TABLE[name].targets.isdisjoint(_as_collection(targets))


def _as_collection(targets: str | Collection[str]) -> Collection[str]:
    return (targets,) if isinstance(targets, str) else targets


def takes(name: str, option: str) -> bool:
    """Whether a loss has an option."""
    return option in _TABLE[name].options


for _module in _MODULES:
    declare(_module, Path(__file__).with_name(f"{_module.rpartition('.')[2]}.py"))
