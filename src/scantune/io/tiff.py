"""What a TIFF file says of its samples (TIFF 6.0; the tags' numbers are those of the specification)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image as Pillow
from PIL import ImagePalette, TiffImagePlugin

from scantune.io.jpeg import warnings_of
from scantune.records import ReadError

_COLOUR_MAP = 320
_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _FORMAT = 258, 259, 262, 277, 284, 338, 339
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}  # samples by photometric interpretation
_JPEG = (6, 7, 34892)  # lossy compressions
_DEFLATE, _JPEG_TABLES = (8, 32946), 347
_DESCRIPTION, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH = 270, 278, 322, 323
_STRIPS, _TILES = (273, 279), (324, 325)  # offsets, byte counts
_FORMATS = {1: "unsigned", 2: "signed", 3: "float", 4: "undefined", 5: "complex integer", 6: "complex float"}
_PHOTOMETRICS = {0: "WhiteIsZero", 1: "BlackIsZero", 2: "RGB", 3: "palette", 4: "transparency mask", 5: "CMYK",
                 6: "YCbCr", 8: "CIE Lab", 32803: "colour filter array", 34892: "linear raw"}  # fmt: skip


@dataclass(frozen=True)
class Form:
    """Depth and meaning of a TIFF's samples.

    Attributes:
        bits: of one sample, the most where they differ.
        samples: a pixel.
        stated: whether it states a photometric interpretation; for Pillow 0 takes its place.
        white_is_zero: photometric interpretation 0.
        signed: sample format 2.
        lossy: JPEG within TIFF.
        planes: each sample's plane is stored by itself (planar configuration 2).
        extra_samples: samples other than colour and transparency (tag 338 is 0 or missing).
    """

    bits: int
    samples: int
    stated: bool
    white_is_zero: bool
    signed: bool
    lossy: bool
    planes: bool
    extra_samples: bool


def form_of(picture: Pillow.Image) -> Form:
    """Of an open TIFF."""
    tags: Any = picture.tag_v2  # type: ignore[attr-defined]
    bits = _numbers(tags.get(_BITS, 1))
    return Form(
        bits=max(bits),
        samples=int(tags.get(_SAMPLES, 1)),
        stated=_PHOTOMETRIC in tags,
        white_is_zero=tags.get(_PHOTOMETRIC) == 0,
        signed=_numbers(tags.get(_FORMAT, 1))[0] == 2,
        lossy=tags.get(_COMPRESSION) in _JPEG,
        planes=tags.get(_PLANAR, 1) == 2,
        extra_samples=int(tags.get(_SAMPLES, 1)) > _COLOURS.get(tags.get(_PHOTOMETRIC), 4)
        and _numbers(tags.get(_EXTRA, 0))[0] == 0,
    )


def check_data(picture: Pillow.Image, path: Path) -> None:
    """Refuse strips or tiles that are missing, short or damaged: decoders read on into what lies behind them.

    Raises:
        ReadError: with the count that is there and the one that belongs there.
    """
    tags: Any = picture.tag_v2  # type: ignore[attr-defined]
    tiled, compression = _TILE_WIDTH in tags, tags.get(_COMPRESSION, 1)
    offsets, counts = (_numbers(tags.get(tag, ())) for tag in (_TILES if tiled else _STRIPS))
    expected = _sizes(tags, tiled)
    words = "tiles" if tiled else "strips"
    if len(offsets) < len(expected) or len(counts) < len(expected):
        there = min(len(offsets), len(counts))
        raise ReadError(
            f"the picture is damaged or cut short: {there} of {len(expected)} {words} of the TIFF are there"
        )
    if compression == 1 and tags.get(_PHOTOMETRIC) != 6:  # YCbCr is subsampled
        short = [at for at, size in enumerate(expected) if counts[at] < size]
        if short:
            at = short[0]
            raise ReadError(f"the TIFF is cut short: {words[:-1]} {at + 1} has {counts[at]} of {expected[at]} bytes")
    if compression in _DEFLATE or compression == _JPEG[1]:
        with path.open("rb") as file:
            for at, (offset, count) in enumerate(zip(offsets, counts, strict=False)):
                file.seek(offset)
                if _damaged(file.read(count), compression, tags.get(_JPEG_TABLES, b"")):
                    raise ReadError(f"the TIFF is damaged: its {words[:-1]} {at + 1} of {len(offsets)}")


def scale_palette(picture: Pillow.Image, notes: list[str]) -> None:
    """Take colours of 0 to 255 for what they are, as libtiff does; TIFF's are of 16 bits, and Pillow shows black."""
    tags: Any = picture.tag_v2  # type: ignore[attr-defined]
    colours = _numbers(tags.get(_COLOUR_MAP, 0))
    if picture.mode == "P" and 0 < max(colours) < 256:
        picture.palette = ImagePalette.raw("RGB;L", bytes(colours))
        notes.append("the palette's colours are of 8 bits, not of 16 as in TIFF")


def in_native_order(picture: Pillow.Image) -> None:
    """Have compressed samples decoded in the machine's byte order, in which libtiff gives them.

    Pillow (13) takes them for the file's: signed and float ones of a big-endian file come with their bytes swapped.
    """
    plain = {"I;16BS": "I;16NS", "I;32B": "I;32N", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}
    tiles: list[Any] = picture.tile  # type: ignore[attr-defined]
    for at, tile in enumerate(tiles):
        if tile.codec_name == "libtiff":
            tiles[at] = tile._replace(args=(plain.get(tile.args[0], tile.args[0]), *tile.args[1:]))


def _sizes(tags: Any, tiled: bool) -> list[int]:
    """Bytes of each strip or tile without compression."""
    width, height, samples = int(tags[256]), int(tags[257]), int(tags.get(_SAMPLES, 1))
    planes, joint = (samples, 1) if tags.get(_PLANAR, 1) == 2 else (1, samples)
    bits = max(_numbers(tags.get(_BITS, 1)))
    if tiled:
        across, down = int(tags[_TILE_WIDTH]), int(tags[_TILE_LENGTH])
        number = -(-width // across) * -(-height // down)
        return [down * -(-across * bits * joint // 8)] * number * planes
    rows = min(int(tags.get(_ROWS_PER_STRIP, height)), height)
    heights = [min(rows, height - top) for top in range(0, height, rows)]
    return [length * -(-width * bits * joint // 8) for length in heights] * planes


def _damaged(data: bytes, compression: int, tables: bytes) -> bool:
    """Whether compressed data fail their checksum, or libjpeg warns of them; decoders stop at the last pixel."""
    if compression == _JPEG[1]:
        ended = data.rstrip(b"\0").endswith(b"\xff\xd9")
        return not ended or bool(warnings_of(tables[:-2] + data[2:] if tables else data))
    stream = zlib.decompressobj()
    try:
        stream.decompress(data)
    except zlib.error:
        return True
    return not stream.eof


def imagej_scale(picture: Pillow.Image) -> tuple[float, float] | None:
    """Intercept and slope by which ImageJ calibrates stored values, None where it does not.

    It writes signed 16-bit pictures as unsigned ones with an intercept of −32768.

    Raises:
        ReadError: a stack in a single page, a calibration that is not linear.
    """
    tags: Any = picture.tag_v2  # type: ignore[attr-defined]
    text = str(tags.get(_DESCRIPTION, ""))
    if not text.startswith("ImageJ="):
        return None
    entries = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    pages = int(entries["images"]) if entries.get("images", "").isdecimal() else 1
    if pages > 1:
        raise ReadError(f"ImageJ wrote a stack of {pages} pictures into it; one is expected")
    if entries.get("cf") is None:
        return None
    try:
        function = int(entries["cf"])
        intercept, slope = float(entries.get("c0", "0")), float(entries.get("c1", "1"))
    except ValueError as error:
        raise ReadError("ImageJ's calibration of its values is not a number") from error
    if function != 0:
        raise ReadError(f"ImageJ's calibration of its values (cf={function}) is not linear")
    return None if (intercept, slope) == (0, 1) else (intercept, slope)


def unreadable(path: Path) -> str | None:
    """Why a TIFF is of a form that is not read; None where it is no TIFF or its head cannot be parsed."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            if head[:2] not in (b"II", b"MM"):
                return None
            if head[2] == 43 or head[3] == 43:  # BigTIFF has eight more bytes, the offset in the last
                head += file.read(8)
            tags = TiffImagePlugin.ImageFileDirectory_v2(head)
            file.seek(tags.next)
            tags.load(file)
            bits, form = _numbers(tags.get(_BITS, 1)), _numbers(tags.get(_FORMAT, 1))
            code, known = tags.get(_PHOTOMETRIC, -1), _FORMATS.get(form[0], f"sample format {form[0]}")
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError):
        return None
    words = (
        f"{len(bits)} × {bits[0]} bits, {known}, {_PHOTOMETRICS.get(int(code), f'photometric interpretation {code}')}"
    )
    return f"a damaged TIFF, or one of an unsupported form ({words}): save it as an ordinary TIFF or PNG"


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in value) if isinstance(value, tuple | list) else (int(value),)
