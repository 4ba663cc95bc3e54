"""Headers of compressed frames, read before a native decoder allocates memory or receives a truncated file."""

from __future__ import annotations

from dataclasses import dataclass

from scantune.records import ReadError

_JPEG_2000, _JPEG_LS = 0x51, 0xF7
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
        signed: whether components are signed; None where it does not say (JPEG).
        transformed: whether a JPEG 2000 stores luma and colour differences that its decoder turns into RGB, or None.
        subsampled: whether components of a JPEG are of different sizes, as luma and colour differences are.
        jfif: whether a JPEG has the marker of JFIF, by which three components are YCbCr.
    """

    width: int
    height: int
    components: int
    precision: int
    process: int
    ids: tuple[int, ...] = ()
    adobe: int | None = None
    complete: bool = True
    signed: bool | None = None
    transformed: bool | None = None
    subsampled: bool = False
    jfif: bool = False

    @property
    def family(self) -> str:
        """What its decoder is called."""
        return {_JPEG_2000: "JPEG 2000", _JPEG_LS: "JPEG-LS"}.get(self.process, "JPEG")


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


def contradiction(stream: Codestream, family: str, photometric: str, signed: bool | None) -> str:
    """What a header says that the frame itself cannot be, "" where they agree.

    Args:
        stream: head of the frame.
        family: "JPEG", "JPEG-LS" or "JPEG 2000", by the transfer syntax; "" for any other.
        photometric: photometric interpretation.
        signed: of the header's pixel representation, or None.
    """
    if family and stream.family != family:
        return f"the transfer syntax is one of {family} where the pixel data are {stream.family}"
    if stream.signed and signed is False:
        return "compressed values are signed where PixelRepresentation is 0"
    if stream.transformed is not None and stream.components == 3:
        if stream.transformed and photometric.startswith(("YBR_FULL", "YBR_PARTIAL")):
            return f"compressed colours become RGB by their codestream where PhotometricInterpretation is {photometric}"
        if not stream.transformed and photometric in ("YBR_RCT", "YBR_ICT"):
            return f"PhotometricInterpretation is {photometric} where the codestream has no such transformation"
    unmarked = stream.adobe is None and not stream.jfif and stream.family == "JPEG"
    if photometric == "RGB" and unmarked and stream.subsampled:
        return "PhotometricInterpretation is RGB where the sizes of the compressed components are those of YCbCr"
    return ""


def _jpeg2000(frame: bytes, complete: bool) -> Codestream | None:
    if len(frame) < 43:
        return None
    x1, y1, x0, y0 = (int.from_bytes(frame[at : at + 4], "big") for at in (8, 12, 16, 20))
    components = int.from_bytes(frame[40:42], "big")
    precision, signed = (frame[42] & 0x7F) + 1, bool(frame[42] >> 7)
    coding = frame.find(b"\xff\x52", 40, 4096)  # COD: length, style, progression, layers, transform (T.800, A.6.1)
    transformed = bool(frame[coding + 8]) if 0 < coding < len(frame) - 8 else None
    return Codestream(
        x1 - x0, y1 - y0, components, precision, _JPEG_2000, complete=complete, signed=signed, transformed=transformed
    )


def _jpeg(frame: bytes, complete: bool) -> Codestream | None:
    at, adobe, jfif = 2, None, False
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
        jfif = jfif or (marker == 0xE0 and body[:4] == b"JFIF")
        if marker in _FRAMES and len(body) >= 6:
            height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            ids = tuple(body[6::3][: body[5]])
            subsampled = len(set(body[7::3][: body[5]])) > 1
            return Codestream(
                width, height, body[5], body[0], marker, ids, adobe, complete, subsampled=subsampled, jfif=jfif
            )
        if marker == 0xDA or length < 2:
            return None
        at += 2 + length
    return None
