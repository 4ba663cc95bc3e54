"""Keys that DVC's run cache leaves out of its hash at any depth: a changed value under one of them is not seen."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: ``Meta.PARAM_SIZE`` and ``Meta.PARAM_NFILES`` of dvc_data, as dvc/stage/cache.py takes them (treeverse/dvc 10296).
LEFT_OUT = frozenset({"size", "nfiles"})

#: Where such a key may have been meant: pattern of its path, and what to write instead.
_REMEDIES = (
    (r"inputs\.[^.]+\.size", "it is now {parent}.shape"),
    (r"demo\.[^.]+\.options\.size", "it is now {parent}.edge"),
    (r"datasets\.[^.]+\.where\.\w+", 'write the column in braces: where: {{"{{{key}}}": …}}'),
    (r"datasets\.[^.]+\.(targets|groups|raters)\.\w+", "rename it: {group}: {{{key}_value: {key}}}"),
    (r"datasets\.[^.]+\.bands\.\w+", "rename the group: groups: {{{key}_value: {key}}}, and so in bands"),
    (r".*\.model\.options\.size", "a network takes its input's size from inputs.<name>.shape"),
    (r"\w+\.\w+", "rename the block"),
)


def left_out(content: object, path: str = "") -> Iterator[str]:
    """A fault for each mapping key in ``content`` that the run cache would overlook, as ``key.path: what to write``."""
    if isinstance(content, dict):
        for key, value in content.items():
            place = f"{path}.{key}" if path else str(key)
            if key in LEFT_OUT:
                yield f"{place}: {_remedy(place)}. DVC overlooks changes under a key named {key!r}"
            yield from left_out(value, place)
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from left_out(value, f"{path}.{number}")


def _remedy(place: str) -> str:
    parent, _, key = place.rpartition(".")
    for pattern, words in _REMEDIES:
        if re.fullmatch(pattern, place):
            return words.format(parent=parent, key=key, group=parent.rpartition(".")[2])
    return "rename it"
