"""The pixels of an open picture at their stored depth: as an image's values, or as labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from scantune.io import tiff
from scantune.io.arrays import Options
from scantune.io.detect import file_head
from scantune.records import ReadError


@dataclass(frozen=True)
class Stored:
    """How a picture is stored.

    Attributes:
        path: the file.
        bits: of one sample.
        deep_colour: several samples of more than 8 bits a pixel, which Pillow would cut to 8.
        white_is_zero: TIFF's photometric interpretation 0: low is bright, as DICOM's MONOCHROME1.
        signed: samples are two's complement integers.
        lossy: values were changed by compression.
        upright: the decoder turns it as its orientation says.
        extra_samples: there are samples other than colour and transparency.
        deep_grey: grey of more than 8 bits with transparency, which OpenCV gives as three equal colours.
        scale: intercept and slope by which the program that wrote it calibrates stored values, or None.
    """

    path: Path
    bits: int = 8
    deep_colour: bool = False
    white_is_zero: bool = False
    signed: bool = False
    lossy: bool = False
    upright: bool = False
    extra_samples: bool = False
    deep_grey: bool = False
    scale: tuple[float, float] | None = None

    @classmethod
    def of(cls, picture: Pillow.Image, path: Path) -> Stored:
        """Of an open picture."""
        head = file_head(path)
        if picture.format == "PNG":
            depth, colour = head[24], head[25]  # IHDR (PNG, 11.2.1)
            return cls(path, bits=depth, deep_colour=depth == 16 and colour in (2, 4, 6), deep_grey=colour == 4)
        if picture.format == "TIFF":
            form = tiff.form_of(picture)
            if not form.stated:
                raise ReadError("the TIFF states no PhotometricInterpretation: whether low is bright cannot be told")
            deep = form.bits > 8 and form.samples > 1
            if deep and form.planes:  # OpenCV would mix the planes up without a word
                raise ReadError(
                    f"a TIFF of {form.bits} bits a colour in planes of their own: save it as PNG or interleaved"
                )
            scale = tiff.imagej_scale(picture) if form.samples == 1 else None
            if scale is not None and form.white_is_zero:
                raise ReadError("zero is white, and ImageJ calibrates the values: what is bright is not defined")
            return cls(
                path,
                form.bits,
                deep,
                form.white_is_zero,
                form.signed,
                form.lossy,
                upright=True,
                extra_samples=form.extra_samples,
                scale=scale,
            )
        lossy = picture.format in ("JPEG", "MPO") or (picture.format == "WEBP" and b"VP8 " in head[12:4096])
        return cls(path, bits=1 if picture.mode == "1" else 16 if picture.mode.startswith("I") else 8, lossy=lossy)


def as_values(picture: Pillow.Image, stored: Stored, options: Options, facts: dict[str, Any]) -> np.ndarray:
    """[C, H, W] as a reader would look at it: uint8, uint16, int32, uint32 or float32.

    Raises:
        ReadError: transparent parts, values whose meaning is not defined.
    """
    notes = facts["notes"]
    if not fills_screen(picture):
        raise ReadError("parts of the picture are transparent: its GIF frame is smaller than the screen")
    if picture.info.get("icc_profile"):
        notes.append("its colour profile (ICC) is not applied")
    if stored.deep_colour:
        return _deep(stored, notes)
    if stored.extra_samples:
        notes.append("an extra sample of each pixel, whose meaning the file does not state, was ignored")
    if picture.mode == "P":
        _check_palette(picture)
    picture = _opaque(picture, stored, notes)
    if picture.mode == "CMYK":
        if picture.format == "JPEG" and "adobe" not in picture.info:
            picture = Pillow.eval(
                picture, lambda value: 255 - value
            )  # only Adobe writes it inverted, as Pillow takes it
        notes.append("CMYK converted to RGB without a colour profile")
    if picture.mode == "LAB":
        notes.append("CIE Lab converted to RGB")
    if picture.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        picture = picture.convert("RGB")
    array = _plain(picture, stored)
    if stored.scale is not None and array.shape[0] == 1:
        intercept, slope = stored.scale
        notes.append(f"values by ImageJ's calibration: {intercept:g} + {slope:g} × stored")
        return (array * slope + intercept).astype(np.float32)
    return _bright_high(array, stored, options, facts) if stored.white_is_zero and array.shape[0] == 1 else array


def as_labels(picture: Pillow.Image, stored: Stored, options: Options, facts: dict[str, Any]) -> np.ndarray:
    """[C, H, W] of a mask: a palette's indices, samples of few bits as they are stored (not spread to 0 … 255).

    ``facts`` get ``palette`` (index in use → the colour it is shown in) and ``white_is_zero`` where they hold.

    Raises:
        ReadError: transparent parts, colour in more than 8 bits.
    """
    if stored.deep_colour:
        return _deep(stored, facts["notes"])
    if picture.mode == "P":
        array = np.asarray(picture)
        colours = np.asarray(picture.convert("RGB"))
        used, first = np.unique(array, return_index=True)
        colours_in_use = colours.reshape(-1, 3)[first]
        facts["palette"] = {str(index): colour.tolist() for index, colour in zip(used, colours_in_use, strict=True)}
        return array[None].copy()
    array = _plain(_opaque(picture, stored, facts["notes"]), stored)
    if stored.white_is_zero:
        facts["white_is_zero"] = True
        array = np.uint8(255) - array if array.dtype == np.uint8 else array
    if stored.bits < 8 and array.dtype == np.uint8:
        array //= np.uint8(255 // (2**stored.bits - 1))
    return array


def fills_screen(picture: Pillow.Image) -> bool:
    """Whether the first frame of a GIF covers its logical screen (GIF89a, 20): Pillow fills the rest with index 0.

    Args:
        picture: just opened, any format.
    """
    return picture.format != "GIF" or picture.tile[0].extents == (0, 0, *picture.size)  # type: ignore[attr-defined]


def _opaque(picture: Pillow.Image, stored: Stored, notes: list[str]) -> Pillow.Image:
    """The picture without its transparency, which must be none.

    Raises:
        ReadError: some pixels are transparent: what lies behind them is not known.
    """
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return picture
    if _is_transparent(picture, stored):
        raise ReadError("parts of the picture are transparent")
    notes.append("an opaque transparency channel left out")
    plain = {"LA": "L", "RGBA": "RGB", "PA": "RGB", "P": "RGB"}.get(picture.mode, picture.mode)
    return picture.convert(plain)


def _is_transparent(picture: Pillow.Image, stored: Stored) -> bool:
    """Whether any pixel is.

    That of a grey PNG with one transparent value (PNG, 11.3.2.1) is sought at the depth that is stored: Pillow compares
    the value of 2 or 4 bits with pixels that are spread to 8, and that of 16 with none.
    """
    value = picture.info.get("transparency")
    if picture.mode in ("L", "I;16") and isinstance(value, int):
        spread = 255 // (2**stored.bits - 1) if stored.bits < 8 else 1
        return bool((np.asarray(picture) == value * spread).any())
    return bool((np.asarray(picture.convert("RGBA"))[..., 3] != 255).any())


def _check_palette(picture: Pillow.Image) -> None:
    """Refuse indices that the palette has no colour for, which Pillow shows in black.

    Raises:
        ReadError: with the largest of them.
    """
    largest = int(np.asarray(picture).max())  # once it is decoded, the palette has its bytes in the order of its mode
    assert picture.palette is not None
    colours = len(picture.palette.palette) // len(picture.palette.mode)
    if largest >= colours:
        raise ReadError(f"the palette has {colours} colours (from 0), and a pixel has index {largest}")


def _plain(picture: Pillow.Image, stored: Stored) -> np.ndarray:
    """[C, H, W] of an opaque picture, integers with their sign as stored."""
    array = np.asarray(picture.convert("L") if picture.mode == "1" else picture)
    if array.dtype == np.uint8 and stored.signed:
        array = array.view(np.int8)
    elif array.dtype == np.int32 and stored.bits == 32 and not stored.signed:
        array = array.view(np.uint32)
    elif array.dtype.kind == "u" and array.dtype.itemsize == 2:
        array = array.astype(np.uint16)
    array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)  # H W [C] -> C H W
    return np.array(array, order="C")


def _bright_high(array: np.ndarray, stored: Stored, options: Options, facts: dict[str, Any]) -> np.ndarray:
    """WhiteIsZero (TIFF 6.0, tag 262 = 0) turned round, or left where MONOCHROME1 is to be kept.

    Pillow turns 8 bits and fewer round by itself and leaves deeper ones.
    """
    if options.monochrome1 == "keep":
        facts["white_is_zero"] = True
        return np.uint8(255) - array if array.dtype == np.uint8 else array
    if array.dtype.kind != "u":
        raise ReadError("a TIFF of signed or float values in which zero is white: what is bright is not defined")
    facts["notes"].append("WhiteIsZero (MONOCHROME1 inverted)")
    if array.dtype == np.uint8:
        return array
    return (2**stored.bits - 1 - array.astype(np.int64)).astype(array.dtype)


def _deep(stored: Stored, notes: list[str]) -> np.ndarray:
    """[3 or 1, H, W] of colour with more than 8 bits a sample, by OpenCV: Pillow would cut it to 8.

    Raises:
        ReadError: not decoded, transparent parts.
    """
    import cv2

    # From memory: OpenCV cannot open every path on Windows. UNCHANGED keeps depth, and ignores EXIF.
    array = cv2.imdecode(np.fromfile(stored.path, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype == np.uint8 or array.ndim != 3 or array.shape[2] not in (3, 4):
        raise ReadError(f"colour of {stored.bits} bits a sample in a form that is not read")
    if array.shape[2] == 4:
        full = 2 ** (8 * array.dtype.itemsize) - 1 if array.dtype.kind == "u" else 1.0
        if (array[..., 3] != full).any():
            raise ReadError("parts of the picture are transparent")
        notes.append("an opaque transparency channel left out")
    if array.dtype == np.uint16 and not (array % 257).any():
        notes.append("8 bits a colour, stored as 16")  # to be scaled as its copy of 8 bits is
        array = (array // 257).astype(np.uint8)
    colours = np.moveaxis(array[..., 2::-1], -1, 0)  # H W BGR[A] -> RGB H W
    return np.ascontiguousarray(colours[:1] if stored.deep_grey else colours)
