"""What a TIFF file says of its samples (TIFF 6.0; the tags' numbers are those of the specification)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image as Pillow
from PIL import TiffImagePlugin

_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _FORMAT = 258, 259, 262, 277, 284, 338, 339
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}  # samples by photometric interpretation
_JPEG = (6, 7, 34892)  # lossy compressions
_FORMATS = {1: "unsigned", 2: "signed", 3: "float", 4: "undefined", 5: "complex integer", 6: "complex float"}
_PHOTOMETRICS = {0: "WhiteIsZero", 1: "BlackIsZero", 2: "RGB", 3: "palette", 4: "transparency mask", 5: "CMYK",
                 6: "YCbCr", 8: "CIE Lab", 32803: "colour filter array", 34892: "linear raw"}  # fmt: skip


@dataclass(frozen=True)
class Form:
    """Depth and meaning of a TIFF's samples.

    Attributes:
        bits: of one sample, the most where they differ.
        samples: a pixel.
        white_is_zero: photometric interpretation 0.
        signed: sample format 2.
        lossy: JPEG within TIFF.
        planes: each sample's plane is stored by itself (planar configuration 2).
        extra_samples: samples other than colour and transparency (tag 338 is 0 or missing).
    """

    bits: int
    samples: int
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
        white_is_zero=tags.get(_PHOTOMETRIC) == 0,
        signed=_numbers(tags.get(_FORMAT, 1))[0] == 2,
        lossy=tags.get(_COMPRESSION) in _JPEG,
        planes=tags.get(_PLANAR, 1) == 2,
        extra_samples=int(tags.get(_SAMPLES, 1)) > _COLOURS.get(tags.get(_PHOTOMETRIC), 4)
        and _numbers(tags.get(_EXTRA, 0))[0] == 0,
    )


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
