"""Names of columns that say which reader a row is of."""

from __future__ import annotations

import re

_READER = re.compile(
    r"^(rad|radiologist|reader|rater|observer|annotator|grader|expert|physician|doctor|reviewer|befunder|leser)s?"
    r"([ _-]*(id|name|nr|no|number|code))?$", re.I
)  # fmt: skip


def is_reader(column: str) -> bool:
    """Whether a column says which reader a row is of."""
    return bool(_READER.match(column.strip()))
