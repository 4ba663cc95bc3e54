"""Results to a DICOMweb server (STOW-RS, PS3.18 10.5)."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from scantune.dicomweb.connection import Connection, media_type, refuse
from scantune.records import ReadError

_FAILED, _STORED = "00081198", "00081199"
_REASON = "00081197"
#: Duplicate SOP instance (PS3.18, table I.2-2).
_THERE = (0x0111, "0111", "273")
#: Failure Reasons (PS3.18, table I.2-2), by their first digits.
_REASONS = {
    "A7": "out of resources",
    "A9": "the content does not fit the SOP class",
    "C122": "the transfer syntax is not supported",
    "C": "the content is not understood",
    "0110": "it failed to process the instance",
    "0122": "the SOP class is not supported",
}


def store(connection: Connection, url: str, path: Path) -> str:
    """Send one DICOM file.

    Args:
        connection: to the server.
        url: from :func:`scantune.dicomweb.address.storage`.
        path: the file.

    Returns:
        "" once the server states that it has stored it, else why it has not. It names no address.
    """
    boundary = uuid.uuid4().hex
    start = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    content = b"".join([start, path.read_bytes(), f"\r\n--{boundary}--\r\n".encode()])
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    try:
        response = connection.post(url, content, kind)
        if 300 <= response.status_code < 400:
            return f"the server sends results elsewhere ({response.status_code}); name that address"
        if response.status_code == 404:
            return "no DICOMweb service at this address (404)"
        if response.status_code != 409:
            refuse(response.status_code)
    except ReadError as error:
        return error.reason
    return _verdict(response)


def _verdict(response: Any) -> str:
    try:
        answer = response.json()
        answer = answer[0] if isinstance(answer, list) else answer
        failed, stored = (_items(answer, key) for key in (_FAILED, _STORED))
        codes = [code for item in failed for code in item.get(_REASON, {}).get("Value", [])]
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return "" if response.status_code == 200 and _is_dicom(response) else _unclear(response)
    if failed and codes and all(code in _THERE for code in codes):
        return ""  # it has this result already: its UIDs are the same each time
    if failed or response.status_code == 409:
        return f"the server refuses it{_words(codes[0]) if codes else ' (409)'}"
    return "" if stored else _unclear(response)


def _items(answer: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return list(answer.get(key, {}).get("Value", []))


def _is_dicom(response: Any) -> bool:
    """Whether the answer is in the XML of DICOM, which some servers send in place of JSON."""
    kind = media_type(response.headers.get("Content-Type", ""))
    return "xml" in kind and "00081199" in response.text and "00081198" not in response.text


def _unclear(response: Any) -> str:
    kind = media_type(response.headers.get("Content-Type", ""))
    return f"the server does not state that it has stored it ({response.status_code}, {kind})"


def _words(code: object) -> str:
    text = f"{code:04X}" if isinstance(code, int) else str(code)[:8]
    meaning = next((words for start, words in _REASONS.items() if text.startswith(start)), "")
    return f": {meaning} ({text})" if meaning else f" ({text})"
