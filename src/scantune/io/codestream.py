"""Headers of compressed frames, read before a native decoder allocates memory or receives a truncated file."""

from __future__ import annotations

from dataclasses import dataclass

from scantune.records import ReadError

_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}  # SOF; F7 is JPEG-LS


@dataclass(frozen=True)
class Codestream:
    """The head of a JPEG, JPEG-LS or JPEG 2000 codestream.

    Attributes:
        width: in pixels.
        height: in pixels.
        components: 1 for grey, 3 for colour.
        precision: bits of a component.
        process: SOF marker (0xC0 baseline, 0xC3 lossless, 0xF7 JPEG-LS …); 0x51 for JPEG 2000.
        ids: component ids of a JPEG.
        adobe: the transform of an Adobe marker (0 none, 1 YCbCr), or None without such a marker.
        complete: whether the stream ends with its end marker.
    """

    width: int
    height: int
    components: int
    precision: int
    process: int
    ids: tuple[int, ...] = ()
    adobe: int | None = None
    complete: bool = True


def parse(frame: bytes) -> Codestream | None:
    """The head of a codestream, or None where it is none of the three."""
    complete = b"\xff\xd9" in frame[-64:]
    if frame[:4] == b"\xff\x4f\xff\x51":
        return _jpeg2000(frame, complete)
    start = frame.find(b"\xff\x4f\xff\x51", 0, 256) if frame[4:8] == b"jP  " else -1  # in a JP2 file, by mistake
    if start > 0:
        return _jpeg2000(frame[start:], complete)
    if frame[:2] == b"\xff\xd8":
        return _jpeg(frame, complete)
    return None


def check(frame: bytes, rows: int, columns: int, components: int) -> Codestream | None:
    """Refuse a frame that is cut short or of another size than the header says.

    Raises:
        ReadError: with both sizes.
    """
    stream = parse(frame)
    if stream is None:
        return None
    if (stream.height, stream.width) != (rows, columns):
        raise ReadError(
            f"a compressed frame is {stream.height}×{stream.width} pixels where the header says {rows}×{columns}"
        )
    if stream.components != components:
        raise ReadError(f"a compressed frame has {stream.components} components where the header says {components}")
    if not stream.complete:
        raise ReadError("the pixel data is cut short: a compressed frame has no end marker")
    return stream


def _jpeg2000(frame: bytes, complete: bool) -> Codestream | None:
    if len(frame) < 43:
        return None
    x1, y1, x0, y0 = (int.from_bytes(frame[at : at + 4], "big") for at in (8, 12, 16, 20))
    components = int.from_bytes(frame[40:42], "big")
    return Codestream(x1 - x0, y1 - y0, components, (frame[42] & 0x7F) + 1, 0x51, complete=complete)


def _jpeg(frame: bytes, complete: bool) -> Codestream | None:
    at, adobe = 2, None
    while at + 4 <= len(frame):
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in (0x01, 0xD8) or 0xD0 <= marker <= 0xD7:
            at += 2
            continue
        length = int.from_bytes(frame[at + 2 : at + 4], "big")
        body = frame[at + 4 : at + 2 + length]
        if marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        if marker in _FRAMES and len(body) >= 6:
            height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            ids = tuple(body[6::3][: body[5]])
            return Codestream(width, height, body[5], body[0], marker, ids, adobe, complete)
        if marker == 0xDA or length < 2:
            return None
        at += 2 + length
    return None
