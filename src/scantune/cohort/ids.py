"""Sample and subject ids: where none is given, as file names, as keyed digests. Ages over 89."""

from __future__ import annotations

import hashlib
import hmac
import os
import re

from scantune.cohort.faults import CohortError
from scantune.digests import text_digest

_PATH_LIKE = re.compile(r"[/\\]|\.[A-Za-z][A-Za-z0-9]{1,4}$")
_UNSAFE = re.compile(r"[^A-Za-z0-9._\-+=@]")
_AGE = re.compile(
    r"[>≥]?=?\s*0*(\d+(?:[.,]\d+)?)\s*(?:\+|[-–]\s*\d+(?:[.,]\d+)?)?\s*"
    r"(?:y(?:rs?|ears?)?(?:\s*old|\.?\s*o\.?)?|a(?:nn?os|ños|nni|ns)?|j(?:ahre?)?|lat)?\.?",
    re.IGNORECASE,
)
MAX_LENGTH = 120
AGE_LIMIT = 89


def looks_like_path(text: str) -> bool:
    """Whether a cell is a file's path rather than an id."""
    return bool(_PATH_LIKE.search(text))


def digest_id(text: str) -> str:
    """An id for a sample that has only a path: ``s`` and 12 hexadecimal digits of the path's SHA-256."""
    return f"s{text_digest(text, 12)}"


def is_safe(sample_id: str) -> bool:
    """Whether an id can name a file on any system, and open no formula in a spreadsheet."""
    return (
        0 < len(sample_id) <= MAX_LENGTH
        and not _UNSAFE.search(sample_id)
        and sample_id[0] not in ".-+=@"
        and sample_id[-1] != "."
    )


def safe(text: str) -> str:
    """An id that can name a file. Other characters become ``_``, and six digits of the digest keep ids distinct."""
    if is_safe(text):
        return text
    tail = text_digest(text, 6)
    return f"{_UNSAFE.sub('_', text).strip('.-+=@_')[: MAX_LENGTH - 8] or 's'}_{tail}"


def keyed_digest(text: str, key: bytes) -> str:
    """HMAC-SHA-256 of an id, 16 hexadecimal digits (RFC 2104): the same id and key give the same digest."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]


def secret(variable: str) -> bytes:
    """The key in an environment variable.

    Raises:
        CohortError: it isn't set, or shorter than 16 characters.
    """
    key = os.environ.get(variable, "")
    if len(key) < 16:
        raise CohortError(
            "pseudonyms", [f"the environment variable {variable} must contain the secret key, 16 characters or more"]
        )
    return key.encode()


def cap_age(text: str) -> str:
    """Ages over 89 identify (45 CFR 164.514(b)(2)(i)(C)): they become ``90+``, and so do ranges of them (91-95, >92).

    Anything else stays, such as months (110M).
    """
    match = _AGE.fullmatch(text.strip())
    return "90+" if match and float(match.group(1).replace(",", ".")) > AGE_LIMIT else text


def band(text: str, edges: list[float]) -> str:
    """The band of a number between sorted ``edges``: ``<18``, ``18–40`` (18 included, 40 not), ``≥65``. "" stays."""
    if text == "" or text == "90+":
        return f"≥{max(edges):g}" if text else ""
    value, edges = float(text), sorted(edges)
    if value < edges[0]:
        return f"<{edges[0]:g}"
    if value >= edges[-1]:
        return f"≥{edges[-1]:g}"
    index = next(i for i in range(len(edges) - 1) if edges[i] <= value < edges[i + 1])
    return f"{edges[index]:g}–{edges[index + 1]:g}"
