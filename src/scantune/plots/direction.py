"""Names from right to left within lines from left to right. Without matplotlib."""

from __future__ import annotations

import re

#: Letters written from right to left, and a name of several words of them with brackets.
_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_RUN = re.compile(rf"([{_RIGHT_TO_LEFT}](?:[ \-()\[\]]*[{_RIGHT_TO_LEFT}])*)([)\]]*)")
_ISOLATE, _END, _LEFT_TO_RIGHT = "\u2068", "\u2069", "\u200e"

#: Characters that no XML file may have (XML 1.0, Char), and the orders by which whatever follows is reversed.
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REVERSING = re.compile("[\u202a-\u202e]")


def legible(text: str) -> str:
    """The text with � for each control character and without orders to reverse what follows, as a table may have them.

    A viewer refuses an SVG figure with a control character as a whole.

    Examples:
        >>> legible("a\\x1b[31m\\u202eb")
        'a�[31mb'
    """
    return _REVERSING.sub("", _FORBIDDEN.sub("\ufffd", text))


def isolated(text: str) -> str:
    """The :func:`legible` text from left to right, its parts of right-to-left letters set apart (UAX 9, FSI and PDI).

    A line that begins with an Arabic or Hebrew name is otherwise set from right to left as a whole, with its numbers
    and signs in other places: "95 %." is read as ".% 95". A text without numbers or other letters stays as it is.

    Examples:
        >>> isolated("n = 3")
        'n = 3'
    """
    text = legible(text)
    if _ISOLATE in text or not _RUN.search(text) or not re.search(rf"[^\W{_RIGHT_TO_LEFT}]", text):
        return text
    return _LEFT_TO_RIGHT + _RUN.sub(_set_apart, text)


def _set_apart(found: re.Match[str]) -> str:
    """The run, with the brackets that close those it opens."""
    run, after = found.groups()
    opened = max(0, sum(run.count(sign) for sign in "([") - sum(run.count(sign) for sign in ")]"))
    return f"{_ISOLATE}{run}{after[:opened]}{_END}{after[opened:]}"
