"""Whether a JPEG file is complete: decoders skip damage and fill what they cannot read with grey."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from scantune.records import ReadError

_LOCK = threading.Lock()
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_UNREAD = {0xC3: "lossless", 0xC7: "lossless", 0xCB: "lossless", 0xF7: "JPEG-LS"}


def check_complete(path: Path) -> None:
    """Refuse a file over which libjpeg warns, or whose progressive scans do not carry every coefficient to its end.

    Raises:
        ReadError: damaged.
    """
    content = path.read_bytes()
    missing = incomplete(content)
    if missing:
        raise ReadError(f"the picture is damaged or cut short: JPEG {missing}", str(path))
    warned = warnings_of(content)
    if warned:
        raise ReadError("the picture is damaged or cut short: its decoder warns of corrupt data", f"{path}: {warned}")


def warnings_of(content: bytes) -> str:
    """What libjpeg says while it decodes, "" for nothing.

    It tells its standard error only, and Pillow silences it, so OpenCV decodes (at an eighth of the size: all of the
    compressed data are read all the same) while that is listened to.
    """
    import cv2

    with _LOCK, _heard() as heard:
        cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
        heard.seek(0)
        output = heard.read().decode("latin-1")
    lines = output.splitlines()
    others = [line for line in lines if "JPEG" not in line]
    if others:  # of another thread
        os.write(2, ("\n".join(others) + "\n").encode("latin-1"))
    return next((line for line in lines if "JPEG" in line), "")


@contextmanager
def _heard() -> Iterator[IO[bytes]]:
    """The process's standard error, as native code writes it, into a file."""
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            os.dup2(before, 2)
            os.close(before)


def incomplete(content: bytes) -> str:
    """What a progressive JPEG lacks (ITU-T T.81, G.1.1), "" where all is there or it is not progressive.

    Scans add bits to coefficients; a file cut between two of them decodes to a blurred picture without a warning.
    """
    components: dict[int, np.ndarray] = {}  # id -> bits still to come of each of the 64 coefficients
    for marker, body in segments(content):
        if marker in _PROGRESSIVE:
            components = {body[6 + 3 * i]: np.full(64, 14) for i in range(body[5])}
        elif marker == 0xDA and components:
            count = body[0]
            first, last, low = body[1 + 2 * count], body[2 + 2 * count], body[3 + 2 * count] & 15
            for i in range(count):
                if body[1 + 2 * i] in components:
                    components[body[1 + 2 * i]][first : last + 1] = low
    lacking = sum(int((left > 0).sum()) for left in components.values())
    return f"scans are missing ({lacking} of {64 * len(components)} coefficients are not complete)" if lacking else ""


def segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of each segment up to the end of the image; entropy-coded data are passed over."""
    at = 2
    while at + 4 <= len(content):
        if content[at] != 0xFF or content[at + 1] in (0x00, 0xFF) or 0xD0 <= content[at + 1] <= 0xD7:
            at = content.find(b"\xff", at + 1)
            if at < 0:
                return
            continue
        marker = content[at + 1]
        if marker == 0xD9:
            return
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        yield marker, content[at + 4 : at + 2 + length]
        at += 2 + length


def unreadable(path: Path) -> str | None:
    """Why a JPEG is of a kind that is not read; None where it is none of those."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if content[:2] != b"\xff\xd8":
        return None
    for marker, body in segments(content):
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            if marker in _UNREAD or body[:1] != b"\x08":
                bits = body[0] if body else 0
                return f"a JPEG of {bits} bits ({_UNREAD.get(marker, 'extended')}): save it as PNG or TIFF"
            return None
    return None
