"""What the keys of an input's ``mask_values`` are; the config loads without numpy."""

from __future__ import annotations

import re


def is_colour(key: object) -> bool:
    """Whether a key of an input's ``mask_values`` is a colour, as ``#80ff00``."""
    return isinstance(key, str) and re.fullmatch("#[0-9a-fA-F]{6}", key) is not None
