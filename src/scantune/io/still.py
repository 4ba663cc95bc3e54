"""PNG, JPEG and TIFF, 8 and 16 bit."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image as Pillow
from PIL import ImageFile

from scantune.io.arrays import Image, Options
from scantune.io.values import apply_window, check_size, check_values
from scantune.records import ReadError

_CHANNELS = {"1": 1, "L": 1, "I;16": 1, "I;16B": 1, "I;16L": 1, "I": 1, "F": 1, "RGB": 3, "P": 3, "RGBA": 3, "CMYK": 3,
             "YCbCr": 3, "LA": 1, "PA": 3, "RGBX": 3, "LAB": 3, "HSV": 3}  # fmt: skip
_FORMATS = ("PNG", "JPEG", "TIFF")


def read_still(path: Path, options: Options) -> Image:
    """Read a picture.

    8-bit pictures come as uint8, 16-bit and float ones as float32 with their values unchanged. Transparency must be
    absent or full; a palette is applied. EXIF orientation is applied, and noted.

    Raises:
        ReadError: cut short, damaged, several pages, larger than the limit, transparent.
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
        except (OSError, SyntaxError, ValueError) as error:
            raise ReadError("the picture is damaged or cut short", f"{path}: {error!r}") from error


def _read(path: Path, options: Options, notes: list[str]) -> Image:
    with Pillow.open(path, formats=_FORMATS) as picture:
        if picture.mode not in _CHANNELS:
            raise ReadError(f"pixels of mode {picture.mode} cannot be read")
        check_size((_CHANNELS[picture.mode], picture.height, picture.width), 4, options.limits)
        if getattr(picture, "n_frames", 1) != 1:
            raise ReadError(f"it has {picture.n_frames} pages; one is expected")  # type: ignore[attr-defined]
        if ImageFile.LOAD_TRUNCATED_IMAGES:
            raise ReadError("Pillow was told to accept pictures that are cut short; this is refused here")
        spacing = _spacing(picture)
        stored = picture.format
        upright = _upright(picture, notes)
        array = _pixels(upright, notes)
    facts: dict[str, Any] = {
        "format": (stored or "").lower(),
        "bits": 8 if array.dtype == np.uint8 else 16 if array.dtype == np.uint16 else 32,
        "photometric": "MONOCHROME2" if array.shape[0] == 1 else "RGB",
        "decoder": f"Pillow {PIL.__version__}",
        "window": None,
        "notes": notes,
    }
    if array.dtype != np.uint8:
        array = array.astype(np.float32)
    array = check_values(array, options, notes)
    if options.window is not None:
        if options.window == "file":
            raise ReadError("this file has no window of its own")
        array = apply_window(array, *options.window)
    return Image(array, spacing, facts)


def _upright(picture: Pillow.Image, notes: list[str]) -> Pillow.Image:
    from PIL import ImageOps

    turn = picture.getexif().get(0x0112, 1)
    if turn in (0, 1):
        return picture
    notes.append("turned as its EXIF orientation says")
    return ImageOps.exif_transpose(picture)


def _pixels(picture: Pillow.Image, notes: list[str]) -> np.ndarray:
    """[C, H, W]: uint8, uint16, int32 or float32."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        alpha = np.asarray(picture.convert("RGBA"))[..., 3]
        if (alpha != 255).any():
            raise ReadError("parts of the picture are transparent")
        picture = picture.convert("L" if picture.mode in ("LA", "L") else "RGB")
        notes.append("an opaque transparency channel left out")
    elif picture.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        picture = picture.convert("RGB")
    elif picture.mode == "1":
        picture = picture.convert("L")
    array = np.asarray(picture)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        array = array.astype(np.uint16)
    array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)  # H W [C] -> C H W
    return np.array(array, order="C")


def _spacing(picture: Pillow.Image) -> tuple[float, float] | None:
    """None: a picture's dots an inch are those of a printer, not of a patient."""
    return None
