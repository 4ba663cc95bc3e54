"""PNG, JPEG, TIFF, BMP, PPM, GIF and WebP pictures: their values at the depth that is stored."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image as Pillow
from PIL import ImageFile

from scantune.io import jpeg, png, tiff
from scantune.io.arrays import Image, Options
from scantune.io.still_pixels import Stored, as_labels, as_values
from scantune.io.values import MOST_UNEQUAL, apply_window, check_size, check_values, note_rounding, note_sides
from scantune.records import ReadError

_CHANNELS = {"1": 1, "L": 1, "I;16": 1, "I;16B": 1, "I;16L": 1, "I": 1, "F": 1, "RGB": 3, "P": 3, "RGBA": 3, "CMYK": 3,
             "YCbCr": 3, "LA": 1, "PA": 3, "RGBX": 3, "LAB": 3, "HSV": 3}  # fmt: skip
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "PPM", "GIF", "WEBP")
_ORIENTATION, _X_DENSITY, _Y_DENSITY = 0x0112, 0x011A, 0x011B  # EXIF and TIFF alike
_DENSITIES = ("jfif_density", "aspect", "resolution", "dpi")  # of JFIF, of PNG and of TIFF without a unit, any


def read_still(path: Path, options: Options) -> Image:
    """Read a picture.

    8-bit pictures come as uint8, deeper and float ones as float32 with their values unchanged. Transparency must be
    absent or full; a palette is applied, or, for labels, its indices are given. EXIF orientation is applied, and noted.
    Colour profiles are not applied, which is noted. Densities (dots an inch) that differ by axis make ``pixel_sides``.

    Raises:
        ReadError: cut short, damaged, several pages, larger than the limit, transparent, values of an unknown meaning.
    """
    if options.kind not in (None, "image"):
        raise ReadError(f"a picture is not a {options.kind}")
    notes: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # the limit below is ours, and comes first
        try:
            return _read(path, options, notes)
        except ReadError:
            raise
        except Pillow.DecompressionBombError as error:
            raise ReadError("the picture has more pixels than the limit of Pillow", f"{path}: {error!r}") from error
        except PIL.UnidentifiedImageError as error:
            reason = tiff.unreadable(path) or jpeg.unreadable(path) or "the picture is damaged or cut short"
            raise ReadError(reason, f"{path}: {error!r}") from error
        except (OSError, SyntaxError, ValueError) as error:
            raise ReadError("the picture is damaged or cut short", f"{path}: {error!r}") from error


def _read(path: Path, options: Options, notes: list[str]) -> Image:
    with path.open("rb") as file, Pillow.open(file, formats=_FORMATS) as picture:
        if picture.mode not in _CHANNELS:
            raise ReadError(f"pixels of mode {picture.mode} cannot be read")
        check_size((_CHANNELS[picture.mode], picture.height, picture.width), 4, options.limits)
        _check_pages(picture, notes)
        if ImageFile.LOAD_TRUNCATED_IMAGES:
            raise ReadError("Pillow was told to accept pictures that are cut short; this is refused here")
        if picture.format in ("JPEG", "MPO"):
            jpeg.check_complete(path)
        elif picture.format == "PNG":
            png.check_data(path)
        elif picture.format == "TIFF":
            tiff.check_data(picture, path)
            tiff.in_native_order(picture)
            tiff.scale_palette(picture, notes)
        elif picture.format == "PPM" and picture.tile[0].codec_name != "raw":
            raise ReadError("the largest value of a PPM must be 255, of a PGM 255 or 65535: save it as PNG")
        orientation = orientation_of(picture, path)
        stored = Stored.of(picture, path)
        density = _density_of(picture)
        facts: dict[str, Any] = {
            "format": {"MPO": "jpeg"}.get(str(picture.format), str(picture.format).lower()),
            "bits": stored.bits,
            "photometric": "RGB",
            "decoder": f"Pillow {PIL.__version__}",
            "window": None,
            "notes": notes,
        }
        if stored.lossy:
            facts["lossy"] = True
        array = (as_labels if options.labels else as_values)(picture, stored, options, facts)
    array = _turned(array, orientation, options.turn, stored.upright, facts)
    _note_density(density, facts)
    if array.shape[0] == 1:
        facts["photometric"] = "MONOCHROME1" if facts.pop("white_is_zero", False) else "MONOCHROME2"
    note_rounding(array, notes)
    if array.dtype != np.uint8:
        array = array.astype(np.float32)
    array = check_values(array, options, notes)
    if options.window is not None:
        if options.window == "file":
            raise ReadError("this file has no window of its own")
        array = apply_window(array, *options.window)
    return Image(array, None, facts)  # dots an inch are those of a printer or scanner: no size in the patient


def _check_pages(picture: Pillow.Image, notes: list[str]) -> None:
    pages = getattr(picture, "n_frames", 1)
    if pages == 1:
        return
    if picture.format == "MPO":  # a camera's: what follows are previews, depths and gains of the first
        notes.append(f"the first of {pages} pictures in the file (MPO)")
        return
    raise ReadError(f"it has {pages} pages; one is expected")


def orientation_of(picture: Pillow.Image, path: Path) -> int:
    """EXIF orientation of an open picture (EXIF 2.32, tag 0x0112), 1 to 8; no pixel is decoded for it.

    Args:
        picture: whose file may state it in EXIF or XMP.
        path: of the file.
    """
    late = picture.format == "PNG" and png.orientation_follows_pixels(path)
    exif = picture.getexif() if late else Pillow.Image.getexif(picture)  # that of a PNG first decodes it
    turn = exif.get(_ORIENTATION, 1)
    return turn if turn in range(1, 9) else 1  # outside of the standard: viewers show it as it is stored


def _density_of(picture: Pillow.Image) -> tuple[float, float] | None:
    """Dots along a stored row and down a stored column by any unit, None where the file states none."""
    x, y = next((picture.info[name] for name in _DENSITIES if name in picture.info), (0, 0))
    if picture.format in ("JPEG", "MPO") and "jfif_density" not in picture.info:  # Pillow has the x of EXIF twice
        exif = picture.getexif()
        x, y = exif.get(_X_DENSITY, 0), exif.get(_Y_DENSITY, 0)
    try:
        x, y = float(x), float(y)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if np.isfinite([x, y]).all() and min(x, y) > 0 else None


def _note_density(density: tuple[float, float] | None, facts: dict[str, Any]) -> None:
    """Note pixels that are not square by a density that differs by axis; ``facts`` have the ``turn``."""
    if density is not None:
        x, y = density if facts.get("turn", 1) <= 4 else density[::-1]
        note_sides((1 / y, 1 / x), f"density {x:.4g}:{y:.4g} along rows and columns", facts, MOST_UNEQUAL)


def _turned(array: np.ndarray, exif: int, override: int | None, upright: bool, facts: dict[str, Any]) -> np.ndarray:
    """[C, H, W] rotated by its orientation, or by the one that is requested.

    Args:
        array: as decoded.
        exif: the file's orientation, 1 to 8 (EXIF 2.32, tag 0x0112).
        override: another one in its place, or None.
        upright: whether the decoder has turned it already.
        facts: get ``turn``, and a note.
    """
    turn = exif if override is None else override
    if upright and turn != exif:
        array = _TURNS[_INVERSE.get(exif, exif)](array)
    if not upright or turn != exif:
        array = _TURNS[turn](array)
    if turn != 1:
        facts["turn"] = turn
        facts["notes"].append("rotated by its EXIF orientation" if override is None else "rotated like its image")
    return np.ascontiguousarray(array)


_TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, :, ::-1],
    3: lambda a: a[:, ::-1, ::-1],
    4: lambda a: a[:, ::-1],
    5: lambda a: a.transpose(0, 2, 1),
    6: lambda a: np.rot90(a, -1, (1, 2)),
    7: lambda a: a[:, ::-1, ::-1].transpose(0, 2, 1),
    8: lambda a: np.rot90(a, 1, (1, 2)),
}
_INVERSE = {6: 8, 8: 6}
