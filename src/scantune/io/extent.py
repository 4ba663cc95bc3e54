"""Size, spacing and depth of a file from its header, where a format has one: thousands of files cost seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scantune.io.arrays import Kind, Options, SeriesRule, Video, Volume, VolumeRule
from scantune.io.detect import file_head, format_of
from scantune.io.itk import header_of, is_header
from scantune.records import ReadError

_STILLS = ("png", "jpeg", "tiff", "bmp", "pnm", "gif", "webp")
_CONTAINERS = ("avi", "mp4", "mov", "mkv", "mpeg", "wmv")


@dataclass(frozen=True)
class Extent:
    """What a file contains.

    Attributes:
        kind: of image.
        shape: (height, width) in pixels, as `read` gives them: turned as an EXIF orientation says; of a volume voxels
            along x, y, z (right, anterior, superior).
        spacing: mm along the axes of ``shape`` of a volume; None for images and videos.
        frames: of a video.
        volumes: more than 1 for a 4D file or a series of several, of which one must be chosen.
        colour: stored with colour channels, which may still be equal.
        bits: per value.
        frame_time: milliseconds between the frames of a video; None where the header does not state it.
        turn: EXIF orientation of a picture (1 to 8); above 4 rows are stored as columns.
    """

    kind: Kind
    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None = None
    frames: int = 1
    volumes: int = 1
    colour: bool = False
    bits: int = 8
    frame_time: float | None = None
    turn: int = 1


def read_extent(path: Path, series: SeriesRule | None = None) -> Extent:
    """The extent of a file, or of a folder as one DICOM series.

    Args:
        path: file or folder.
        series: which series of a folder.

    Raises:
        ReadError: the file cannot be read.
    """
    from scantune.io.reading import guarded

    return guarded(lambda: _extent(path, series), str(path))


def _extent(path: Path, series: SeriesRule | None) -> Extent:
    name = "" if path.is_dir() else format_of(file_head(path))
    if name in _STILLS:
        return _still(path)
    if name in _CONTAINERS:
        return _container(path)
    if name == "nifti" or path.name.lower().endswith(".nii.gz"):
        return _nifti(path)
    if name and is_header(path):
        return _itk(path)
    if name.startswith("dicom"):
        from scantune.io.dicom_reading import loop_at

        loop = loop_at(path, Options())
        if loop is not None:
            size, bits = (loop.height, loop.width), int(loop.facts.get("bits") or 8)
            colour = loop.channels == 3
            return Extent("video", size, frames=loop.n_frames, colour=colour, bits=bits, frame_time=loop.frame_time)
    return _whole(path, series)


def _still(path: Path) -> Extent:
    from PIL import Image, UnidentifiedImageError

    from scantune.io.still import orientation_of
    from scantune.io.still_pixels import Stored

    try:
        with Image.open(path) as picture:
            frames = int(getattr(picture, "n_frames", 1)) if picture.format in ("GIF", "WEBP") else 1
            kind: Literal["image", "video"] = "video" if frames > 1 else "image"
            bits = Stored.of(picture, path).bits  # of colour too, of which Pillow would give eight
            colour = picture.mode in ("RGB", "RGBA", "P", "CMYK", "YCbCr", "LAB", "HSV")
            time = picture.info.get("duration") if frames > 1 else None  # of the first frame
            turn = orientation_of(picture, path) if frames == 1 else 1
            # Pillow turns the size of a TIFF, but not by an orientation in XMP: its tags have the size as stored
            tags: Any = getattr(picture, "tag_v2", {})
            height, width = int(tags.get(257, picture.height)), int(tags.get(256, picture.width))
            size = (width, height) if turn > 4 else (height, width)
            return Extent(kind, size, frames=frames, colour=colour, bits=bits, frame_time=time or None, turn=turn)
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise ReadError(f"the picture cannot be opened ({type(error).__name__})", str(path)) from error


def _container(path: Path) -> Extent:
    from scantune.io.video import open_container, stated

    size, frames, frame_time = stated(path)
    frames = frames if frames > 1 else open_container(path, Options()).n_frames
    return Extent("video", size, frames=frames, colour=True, frame_time=frame_time)


def _nifti(path: Path) -> Extent:
    import nibabel

    try:
        header: Any = nibabel.load(path).header  # type: ignore[attr-defined]
        affine, shape = header.get_best_affine(), header.get_data_shape()
    except Exception as error:  # nibabel raises many kinds on damaged headers
        raise ReadError(f"the NIfTI header cannot be read ({type(error).__name__})", str(path)) from error
    volumes = int(np.prod(shape[3:])) if len(shape) > 3 else 1
    return _grid(path, (*shape, 1, 1, 1)[:3], affine, volumes, int(header.get_data_dtype().itemsize) * 8)


def _itk(path: Path) -> Extent:
    header = header_of(path)
    if header.affine is None or header.colour:
        return replace(_whole(path), bits=header.dtype.itemsize * 8)
    return _grid(path, header.shape, header.affine, header.count, header.dtype.itemsize * 8)


def _grid(path: Path, sizes: tuple[int, ...], affine: np.ndarray, volumes: int, bits: int) -> Extent:
    """The extent of stored axes (i, j, k), in the order x, y, z."""
    import nibabel

    axes = nibabel.orientations.io_orientation(affine)[:, 0]
    order = np.argsort(np.where(np.isnan(axes), np.arange(3), axes))
    zooms = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if volumes == 1 and 1 in sizes:  # one slice is read as an image
        return replace(_whole(path), bits=bits)
    return Extent(
        "volume", tuple(int(sizes[i]) for i in order), tuple(float(zooms[i]) for i in order), volumes=volumes, bits=bits
    )


def _whole(path: Path, series: SeriesRule | None = None) -> Extent:
    from scantune.io.reading import read

    volumes = 1
    try:
        content = read(path, series=series)
    except ReadError:  # several volumes, of which one must be chosen, or a file that no choice makes readable
        content, volumes = read(path, series=series, volume=VolumeRule.of("first")), 2
    if isinstance(content, Volume):
        return Extent("volume", content.array.shape[::-1], content.spacing, volumes=volumes, bits=16)
    bits = int(content.facts.get("bits") or 8)
    if isinstance(content, Video):
        frames, height, width, channels = content.frames.shape
        time = content.frame_time
        return Extent("video", (height, width), frames=frames, colour=channels == 3, bits=bits, frame_time=time)
    channels, height, width = content.array.shape
    return Extent("image", (height, width), colour=channels == 3, bits=bits)
