"""Names as MLflow accepts them."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from scantune.digests import text_digest

NAME_LENGTH = 250
"""The most characters that MLflow's databases keep of the name of a run, parameter, metric or tag."""
_LIKE_BLANKS = frozenset("()[]{}'\"`,;|\\")
_WORDS = {
    "<": "lt",
    ">": "gt",
    "≤": "le",
    "≥": "ge",
    "=": "eq",
    "+": "plus",
    "±": "plusminus",
    "%": "percent",
    "&": "and",
    "#": "no",
    "*": "star",
    "?": "unknown",
}


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as ``train.learning_rate: 0.001``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, name)
        else:
            flat[name] = value
    return flat


def metric_names(names: Iterable[str]) -> dict[str, str]:
    """:func:`metric_name` of each of some names that are logged together: of names that it makes equal (``a(b)`` and
    ``a[b]``) each but one that MLflow takes as it is ends in a digest of its own."""
    named = {name: metric_name(name) for name in names}
    times = Counter(named.values())
    return {
        name: text if times[text] == 1 or text == name else f"{text[: NAME_LENGTH - 9]}_{text_digest(name)[:8]}"
        for name, text in named.items()
    }


def metric_name(name: str) -> str:
    """``name`` as MLflow accepts it: ``recall_<5`` is ``recall_lt5``. Names that differ in brackets, quotes or commas
    alone become one: see :func:`metric_names`.

    Letters of all scripts stay. Brackets, quotes and commas are ``_``, other characters a word or their code point.
    """
    text = re.sub(r"[^\w\-./ :]", lambda match: _spelled(match[0]), name)
    if (
        text in {"", "."} or posixpath.normpath(text) != text or text.startswith(("/", ".."))
    ):  # MLflow takes it for a path
        text = re.sub(r"/|^\.+", "_", text) or "_"
    return text if len(text) <= NAME_LENGTH else f"{text[: NAME_LENGTH - 9]}_{text_digest(name)[:8]}"


def _spelled(character: str) -> str:
    return "_" if character in _LIKE_BLANKS else _WORDS.get(character, f"_{ord(character):04x}")
