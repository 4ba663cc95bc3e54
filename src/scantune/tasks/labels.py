"""Names of classes as tables write them."""

from __future__ import annotations

from collections.abc import Sequence


def label(text: str) -> str:
    """A class's name as it is compared: ``1.0`` and ``1`` are one class."""
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def natural(names: Sequence[str]) -> list[str]:
    """Sorted, numbers by value and before words."""

    def key(name: str) -> tuple[bool, float, str]:
        try:
            return False, float(name), name
        except ValueError:
            return True, 0.0, name

    return sorted(names, key=key)
