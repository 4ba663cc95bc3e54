"""Components of a loss and their options from ``loss:``, without torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from scantune.losses import registry, schedules
from scantune.records import ScantuneError

#: Weighted combinations by name, for masks.
PRESETS: dict[str, dict[str, float]] = {
    "default": {"dice": 0.7, "bce": 0.3},
    "dice_ce": {"dice": 1.0, "cross_entropy": 1.0},
    "focal": {"dice": 0.6, "focal_bce": 0.4},
    "balanced": {"dice": 0.5, "bce": 0.5},
    "dice_focused": {"dice": 0.8, "bce": 0.2},
    "jaccard": {"jaccard": 0.7, "bce": 0.3},
}

_PARTS = "a combination requires parts, as in {name: combined, parts: {dice: 0.7, bce: 0.3}}"


def parts_of(
    spec: str | Mapping[str, Any], targets: str | Collection[str] | None
) -> tuple[dict[str, dict[str, Any]], Any]:
    """Components of a loss in ``params.yaml``; see :func:`scantune.losses.combined.build`.

    Returns:
        Name in the registry → options, with ``weight``; and the schedule, or None.

    Raises:
        ScantuneError: an unknown name, or one that does not fit the targets.
    """
    statement = {"name": spec} if isinstance(spec, str) else dict(spec)
    schedule = statement.pop("schedule", None)
    parts: dict[str, dict[str, Any]] = {}
    for name, options in _parts(statement, targets).items():
        registered = registry.resolve(name, targets)
        if registered == "cross_entropy" and {"class_weights", "unknown_weight"} & options.keys():
            registered = "weighted_cross_entropy"
        parts[registered] = options
    weights = {name: options.get("weight", 1.0) for name, options in parts.items()}
    wrong = [name for name, weight in weights.items() if not isinstance(weight, int | float) or not weight >= 0]
    if wrong or not any(weights.values()):
        name = wrong[0] if wrong else next(iter(weights))
        raise ScantuneError(f"loss: the weight of {name} is {weights[name]!r}; weights are 0 or more, one above 0")
    return parts, schedule


def in_words(name: str | None) -> str | None:
    """A loss as a reader knows it: of a weighted combination its parts too, ``default (0.7 dice + 0.3 bce)``."""
    if name is None:
        return None
    parts = " + ".join(f"{weight:g} {part}" for part, weight in PRESETS.get(name, {}).items())
    return f"{name} ({parts})" if parts else name


def check(spec: str | Mapping[str, Any], targets: str | Collection[str] | None, epochs: int | None = None) -> None:
    """Refuse a loss that cannot be built, without torch.

    Args:
        spec: as for :func:`scantune.losses.combined.build`.
        targets: kinds of targets that the task has.
        epochs: of the training.

    Raises:
        ScantuneError: an unknown name, option or schedule, with the nearest; a name that does not fit the targets.
    """
    parts, schedule = parts_of(spec, targets)
    for name, options in parts.items():
        shared = {"weight"} | ({"unknown_weight"} if registry.takes(name, "class_weights") else set())
        registry.check_options(name, {key: value for key, value in options.items() if key not in shared})
    start = {name: float(options.get("weight", 1.0)) for name, options in parts.items()}
    schedules.build(schedule, start, epochs=epochs)


def _parts(statement: dict[str, Any], targets: str | Collection[str] | None) -> dict[str, dict[str, Any]]:
    """Name → options with ``weight``."""
    name = str(statement.pop("name", "combined"))
    preset = _preset(statement.pop("preset", name), targets)
    if preset is not None:
        weighted = {f"{part}_weight": weight for part, weight in preset.items()}
        return _combination({**weighted, **statement})
    return _combination(statement) if name == "combined" else {name: statement}


def _preset(name: str, targets: str | Collection[str] | None) -> dict[str, float] | None:
    short = name.removesuffix("_segmentation").removesuffix("_based")
    if name == "focal" if targets is None else not registry.fits("dice", targets):
        return None
    return PRESETS.get(short)


def _combination(statement: dict[str, Any]) -> dict[str, dict[str, Any]]:
    parts: dict[str, dict[str, Any]] = {}
    stated = statement.pop("parts", {})
    if not isinstance(stated, Mapping) or not all(
        isinstance(value, int | float | Mapping) for value in stated.values()
    ):
        raise ScantuneError(f"loss: {_PARTS}")
    for name, value in stated.items():
        parts[name] = {"weight": value} if isinstance(value, int | float) else dict(value)
    named = [key for key in statement if key.endswith("_weight") and registry.exists(key.removesuffix("_weight"))]
    for key in named:
        parts.setdefault(key.removesuffix("_weight"), {})["weight"] = statement.pop(key)
    if not parts:
        raise ScantuneError(f"loss: {_PARTS}")
    for key in [key for key in statement if key.endswith("_config")]:
        part = _part_named(key.removesuffix("_config"), parts)
        if part is not None:
            parts[part] |= statement.pop(key)
    for key, value in statement.items():  # shared by all components that have the option
        recipients = [name for name in parts if registry.takes(registry.resolve(name), key)]
        if not recipients:
            raise ScantuneError(f"loss: none of {', '.join(parts)} has an option {key!r}")
        for name in recipients:
            parts[name].setdefault(key, value)
    return parts


def _part_named(name: str, parts: Mapping[str, Any]) -> str | None:
    """The component of a short name: ``focal`` is ``focal_bce``; None where none or several match."""
    matches = [part for part in parts if part == name or part.startswith(f"{name}_")]
    return name if name in parts else matches[0] if len(matches) == 1 else None
