"""Names of classes as tables write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scantune.class_names import label, value

SEPARATOR = "|"
"""Between the classes of a set in ``predictions.csv``: no class has it in its name."""


def distinct(names: Iterable[str]) -> list[str]:
    """The classes among some names, numbers by value and before words; one that is written in several ways (``1`` and
    ``1.0``) as it is compared."""
    spellings: dict[str, set[str]] = {}
    for name in names:
        spellings.setdefault(label(name), set()).add(name)
    return natural([next(iter(of_it)) if len(of_it) == 1 else name for name, of_it in spellings.items()])


def name_faults(names: Sequence[str]) -> list[str]:
    """What is wrong with the names of classes: those that are one class, or have the separator of sets."""
    faults = [
        f"{name!r} has a {SEPARATOR}, which separates classes in predictions.csv" for name in names if SEPARATOR in name
    ]
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(label(name), name)
        if other is not name:
            faults.append(f"{other!r} and {name!r} are one class")
    return faults


def natural(names: Sequence[str]) -> list[str]:
    """Sorted, numbers by value and before words."""

    def key(name: str) -> tuple[bool, float, str]:
        number = value(name)
        return (True, 0.0, name) if isinstance(number, str) else (False, number, name)

    return sorted(names, key=key)
