"""The entry point: any file or folder to a volume, an image or a video."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from scantune.io.arrays import Image, Kind, Limits, Options, SeriesRule, Video, Volume, VolumeRule, Window
from scantune.io.detect import archive_of, file_head, format_of, kind_of
from scantune.io.loop import Loop
from scantune.records import ReadError

_T = TypeVar("_T")


def read(
    path: Path | str,
    *,
    kind: Kind | None = None,
    series: SeriesRule | None = None,
    volume: VolumeRule | None = None,
    limits: Limits | None = None,
    window: Window | None = None,
    monochrome1: Literal["invert", "keep"] = "invert",
    tilt: Literal["refuse", "resample"] = "refuse",
    affine: Literal["agree", "sform", "qform"] = "agree",
    fill_nan: float | None = None,
    allow_constant: bool = False,
    slice_tolerance: float = 0.02,
    keep_integers: bool = False,
    labels: bool = False,
    turn: int | None = None,
    padding: Literal["lowest", "keep"] = "lowest",
    philips_values: Literal["displayed", "precise"] = "displayed",
    isolated: bool = False,
) -> Volume | Image | Video:
    """Read a file, or a folder as one DICOM series. What it is, is found from its bytes, not from its name.

    Args:
        path: a DICOM, NIfTI, NRRD or MetaImage file (also gzipped), a PNG, JPEG, TIFF, BMP, GIF or WebP picture, an
            AVI, MP4, MOV, MKV, MPEG or WMV video, an animated GIF or WebP, or a folder of DICOM files.
        kind: "volume", "image" or "video" where only that will do; None takes what the file is.
        series: which series of a folder.
        volume: which volume of a 4D file or of a series with several (echoes, b-values, times), or their mean.
        limits: what reading may cost.
        window: None for the modality's own values; (center, width), or "file" for the file's own window or VOI LUT,
            for float32 in 0–1.
        monochrome1: whether images whose low values are bright are inverted.
        tilt: whether a sheared volume (gantry tilt) is refused or resampled upright.
        affine: which affine of a NIfTI file holds where its two disagree; "agree" refuses such a file.
        fill_nan: number that takes the place of NaN and infinite voxels; None refuses them.
        allow_constant: whether an image with one value only is accepted (an empty mask is one).
        slice_tolerance: how far a gap between slices may differ from the usual, as a share of it.
        keep_integers: a volume whose values are integers of at most 16 bits stays so: half the memory of float32.
        labels: a picture's pixels are labels: palettes by index, values as stored.
        turn: EXIF orientation (1 to 8) that a picture is turned by; None takes its own.
        padding: DICOM pixels that stand for none (PixelPaddingValue) take the lowest value of the others, or are kept.
        philips_values: of volumes; "precise" undoes the scaling by which Philips' scanners fill the screen.
        isolated: decode in a child process with a time limit, so that a native decoder that crashes or hangs on a
            damaged file takes nothing with it.

    Raises:
        ReadError: the file cannot be used as it is; its reason says why and may be written to outputs.
    """
    options = Options(
        kind, series, volume, limits or Limits(), window, monochrome1, tilt, affine, fill_nan, allow_constant,
        slice_tolerance, keep_integers, labels, turn, padding, philips_values,
    )  # fmt: skip
    if isolated:
        from scantune.io.isolation import read_isolated

        return read_isolated(Path(path), options)
    return read_here(Path(path), options)


def read_here(path: Path, options: Options) -> Volume | Image | Video:
    """`read` in this process, its arguments gathered."""
    return guarded(lambda: _read(path, options), str(path))


def open_video(
    path: Path | str,
    *,
    series: SeriesRule | None = None,
    window: Window | None = None,
    limits: Limits | None = None,
    isolated: bool = False,
) -> Loop:
    """Open a cine loop or video without decoding it; `Loop.frames` decodes what is asked for.

    Args:
        path: a DICOM file, a video or animated picture, or a folder of DICOM files.
        series: which series of a folder.
        window: as for `read`; deeper grey than 8 bits is brought to 0–255 by it, else by the file's own window.
        limits: what reading may cost.
        isolated: open and decode in a child process.

    Raises:
        ReadError: it cannot be opened or is no video.
    """
    options = Options(kind="video", series=series, window=window, limits=limits or Limits())
    if isolated:
        from scantune.io.isolation import open_isolated

        return open_isolated(Path(path), options)
    loop = guarded(lambda: _open(Path(path), options), str(path))
    return _guarded_loop(loop, str(path))


def _guarded_loop(loop: Loop, place: str) -> Loop:
    """The loop, its decoding guarded like its opening."""
    decode, many = loop.decode, loop.many
    loop.decode = lambda index, grey, scale: guarded(lambda: decode(index, grey, scale), place)
    if many is not None:
        loop.many = lambda indices, grey, scale: guarded(lambda: many(indices, grey, scale), place)
    return loop


def guarded(work: Callable[[], _T], place: str) -> _T:
    """Run a reader: whatever a parser of hostile bytes raises becomes a ReadError, and warnings become a note."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = work()
        except (ReadError, NameError, ImportError):  # the latter two are faults of ours, not of a file
            raise
        except (MemoryError, RecursionError) as error:
            raise ReadError(f"reading it took too much ({type(error).__name__})", place) from error
        except Exception as error:  # the libraries below raise anything on damaged bytes
            raise ReadError(
                f"the file is damaged: {type(error).__name__} while reading", f"{place}: {error!r}"
            ) from error
    facts: Any = getattr(result, "facts", None)
    if caught and isinstance(facts, dict):
        facts["notes"].append(f"{len(caught)} warnings about header values or pixel data while reading")
    return result


def _read(path: Path, options: Options) -> Volume | Image | Video:
    if path.is_dir():
        from scantune.io.dicom_reading import read_folder

        return read_folder(path, options)
    kind = _format(path)
    if kind == "gzip":
        return _unpacked(path, options)
    return _READERS[kind](path, options)


def _open(path: Path, options: Options) -> Loop:
    kind = "dicom" if path.is_dir() else _format(path)
    if kind == "gzip":
        return _unpacked_loop(path, options)
    if kind == "dicom":
        from scantune.io.dicom_choice import choose_series
        from scantune.io.dicom_file import open_dicom
        from scantune.io.dicom_reading import loop_of, open_loop
        from scantune.io.dicom_series import not_an_image

        file = loop_of(path, options) if path.is_dir() else open_dicom(path, options.limits)
        if options.series is not None and options.series.names_one:
            choose_series([file], options.series)
        other = not_an_image(file)
        if other or not file.rows:
            raise ReadError(other or "DICOM without an image", str(path))
        return open_loop(file, options)
    if kind == "video":
        from scantune.io.video import open_container

        return open_container(path, options)
    if kind == "animation":
        from scantune.io.animation import open_animation

        return open_animation(path, options)
    raise ReadError("it is not a video", str(path))


def _format(path: Path) -> str:
    head = file_head(path)
    name = format_of(head)
    if archive := archive_of(head):
        raise ReadError(f"it is a {archive} archive: unpack it", str(path))
    if name == "unknown":
        raise ReadError("it is not DICOM, NIfTI, NRRD, MetaImage, a picture (PNG, JPEG, TIFF, BMP, PPM, GIF, WebP) "
                        "or a video (AVI, MP4, MOV, MKV, MPEG, WMV)", str(path))  # fmt: skip
    if name in _NOT_READ:
        raise ReadError(f"it is {_NOT_READ[name]}", str(path))
    return _FAMILY[name]


_FAMILY = {"dicom": "dicom", "dicom without preamble": "dicom", "nifti": "nifti", "gzip": "gzip", "png": "still",
           "jpeg": "still", "tiff": "still", "bmp": "still", "pnm": "still", "gif": "animation",
           "webp": "animation", "avi": "video", "mp4": "video", "mov": "video", "mkv": "video", "mpeg": "video",
           "wmv": "video", "nrrd": "itk", "metaimage": "itk"}  # fmt: skip
_NOT_READ = {
    "heif": "a HEIC or AVIF picture, which is not read: save it as PNG or TIFF (phones can be set to write JPEG)",
    "jpeg2000": "a JPEG 2000 picture outside of DICOM, which is not read: save it as PNG or TIFF",
    "jpegxl": "a JPEG XL picture, which is not read: save it as PNG or TIFF",
    "bigtiff": "a BigTIFF in big-endian order, which is not read: save it as an ordinary TIFF",
    "pdf": "a PDF, not an image",
}


def family_of(path: Path) -> str:
    """What reads a file: "dicom" (also gzipped), "nifti", "itk", "still", "animation" or "video"; "" for nothing."""
    name = kind_of(path)
    if name == "gzip":
        from scantune.io.gzipped import is_dicom

        return "dicom" if is_dicom(path) else "nifti"
    return _FAMILY.get(name, "")


def _dicom(path: Path, options: Options) -> Volume | Image | Video:
    from scantune.io.dicom_reading import read_file

    return read_file(path, options)


def _unpacked(path: Path, options: Options) -> Volume | Image | Video:
    """What a gzip file holds: NIfTI, NRRD and MetaImage are read as they are, DICOM unpacked first."""
    from scantune.io.gzipped import gunzipped, is_dicom
    from scantune.io.itk import is_header

    if not is_dicom(path):
        return _itk(path, options) if is_header(path) else _nifti(path, options)
    with gunzipped(path, options.limits) as plain:
        return _dicom(plain, options)


def _unpacked_loop(path: Path, options: Options) -> Loop:
    from scantune.io.gzipped import gunzipped, is_dicom

    if not is_dicom(path):
        raise ReadError("it is not a video", str(path))
    with gunzipped(path, options.limits) as plain:
        loop = _open(plain, options)
    decode, many = loop.decode, loop.many

    def one(index: int, grey: bool, scale: int) -> np.ndarray:
        with gunzipped(path, options.limits, plain):
            return decode(index, grey, scale)

    def several(indices: list[int], grey: bool, scale: int) -> Iterator[tuple[int, np.ndarray]]:
        with gunzipped(path, options.limits, plain):
            if many is not None:
                yield from many(indices, grey, scale)
            else:
                yield from ((index, decode(index, grey, scale)) for index in indices)

    loop.decode, loop.many = one, several
    return loop


def _animation(path: Path, options: Options) -> Image | Video:
    """A GIF or WebP file: a still where it has one frame, a loop where it has several."""
    from scantune.io.animation import ending_notes, n_frames, open_animation

    if options.kind == "image" or n_frames(path) == 1:
        still = _still(path, options)
        still.facts["notes"].extend(ending_notes(path))
        return still
    return open_animation(path, options).video(options)


def _nifti(path: Path, options: Options) -> Volume | Image:
    from scantune.io.nifti import read_nifti

    return read_nifti(path, options)


def _itk(path: Path, options: Options) -> Volume | Image:
    from scantune.io.itk import read_itk

    return read_itk(path, options)


def _still(path: Path, options: Options) -> Image:
    from scantune.io.still import read_still

    return read_still(path, options)


def _video(path: Path, options: Options) -> Video:
    from scantune.io.video import open_container

    return open_container(path, options).video(options)


_READERS: dict[str, Callable[[Path, Options], Volume | Image | Video]] = {
    "dicom": _dicom,
    "nifti": _nifti,
    "itk": _itk,
    "still": _still,
    "video": _video,
    "animation": _animation,
}
