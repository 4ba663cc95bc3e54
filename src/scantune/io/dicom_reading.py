"""A DICOM file or a folder of them: passed to the reader of stills, volumes or cine loops that fits its content."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from scantune.io.arrays import Image, Options, SeriesRule, Video, Volume, VolumeRule
from scantune.io.dicom_apart import choose
from scantune.io.dicom_choice import choose_series
from scantune.io.dicom_enhanced import enhanced_frames, has_places, loop_frames, read_enhanced
from scantune.io.dicom_file import DicomFile, open_dicom
from scantune.io.dicom_image import read_image
from scantune.io.dicom_mosaic import is_mosaic
from scantune.io.dicom_series import counts_of, frames_of, has_planes, not_an_image, read_series, scan, series_facts
from scantune.io.dicom_stack import Stack
from scantune.io.loop import Loop
from scantune.records import ReadError

#: Modalities whose multi-frame files are loops, not stacks of slices.
CINE = frozenset({"US", "XA", "RF", "IVUS", "IVOCT", "ES", "XC", "GM", "OPT", "OT", "SC", "DX", "CR", "MG", "PX", "IO"})

#: What an object without an image is given as instead, by modality.
_INSTEAD = {"SEG": "; name it under 'masks'", "RTSTRUCT": "; name it under 'masks'"}


def read_file(path: Path, options: Options) -> Volume | Image | Video:
    """Read one DICOM file of any kind.

    Raises:
        ReadError: also where it is not of the series that is named.
    """
    file = open_dicom(path, options.limits)
    if options.series is not None and options.series.names_one:
        choose_series([file], options.series)
    return read_opened(file, options, Counter())


def read_opened(file: DicomFile, options: Options, aside: Counter[str]) -> Volume | Image | Video:
    """Read a file whose header is known.

    Raises:
        ReadError: no image in it, or not of the kind that was asked for.
    """
    kind = not_an_image(file)
    if kind:
        modality = f" (modality {file.modality})" if file.modality else ""
        raise ReadError(f"{kind}{modality}{_INSTEAD.get(file.modality, '')}", str(file.path))
    if not file.rows:
        raise ReadError("the header states no image size; the file is cut short or holds no image", str(file.path))
    if file.modality == "SEG":
        raise ReadError(f"a file of modality SEG is not an image{_INSTEAD['SEG']}")
    if _as_loop(file, options):
        return open_loop(file, options).video(options)
    if file.has("PerFrameFunctionalGroupsSequence"):
        return read_enhanced([file], options, series_facts(file, 1, aside, []))
    if has_planes(file) and options.kind != "image":
        return read_series([file], options, aside)
    if file.n_frames > 1 and options.kind != "image":
        raise ReadError(f"{file.n_frames} frames without positions: no geometry is made up")
    if file.n_frames > 1:
        raise ReadError(f"it has {file.n_frames} frames and is not an image")
    if options.kind != "image" and is_mosaic(file):
        return read_series([file], options, aside)
    if options.kind == "volume":
        raise ReadError("one slice only: this is an image, not a volume")
    return read_image(file, options, aside)


def open_loop(file: DicomFile, options: Options) -> Loop:
    """A loop whose header is known; the frames of an enhanced file are in the order in which they are stored.

    Raises:
        ReadError: see `open_cine` and `dicom_video`; functional groups that do not fit the frames; an RT Dose.
    """
    from scantune.io import dicom_video
    from scantune.io.dicom_cine import open_cine  # OpenCV is loaded for loops alone

    if file.is_dose:
        raise ReadError("an RT Dose is a volume and not a video")
    if dicom_video.is_video(file):
        return dicom_video.open_stream(file, options)
    if file.has("PerFrameFunctionalGroupsSequence"):
        shown, meanings = loop_frames(file)
        return open_cine(shown, options, meanings)
    return open_cine(file, options)


def loop_at(path: Path, options: Options) -> Loop | None:
    """The loop that a file is read as, none of its frames decoded; None for any other.

    Raises:
        ReadError: as opening it does.
    """
    file = open_dicom(path, options.limits)
    nothing = not_an_image(file) or not file.rows or file.modality == "SEG"
    return None if nothing or not _as_loop(file, options) else open_loop(file, options)


def _as_loop(file: DicomFile, options: Options) -> bool:
    if options.kind is not None:
        return options.kind == "video"
    if file.has("PerFrameFunctionalGroupsSequence"):
        return file.modality in CINE and not has_places(file)
    moves = file.modality in CINE or file.samples == 3 or bool(file.floats("FrameTime"))
    return file.n_frames > 1 and moves


def read_folder(folder: Path, options: Options) -> Volume | Image | Video:
    """Read the one DICOM series that a folder (with its subfolders) holds, or that the rule names.

    Raises:
        ReadError: see `dicom_stack` for what a series can be refused for.
    """
    aside: Counter[str] = Counter()
    files = scan(folder, options, aside)
    if not files:
        raise ReadError(f"the folder holds no DICOM image ({counts_of(aside) or 'it is empty'})", str(folder))
    chosen = choose_series(files, options.series)
    if len(chosen) == 1:
        return read_opened(chosen[0], options, aside)
    if options.kind in ("image", "video"):
        raise ReadError(f"a series of {len(chosen)} DICOM files is not one {options.kind}")
    if any(file.has("PerFrameFunctionalGroupsSequence") for file in chosen):
        return read_enhanced(chosen, options, series_facts(chosen[0], len(chosen), aside, []))
    if any(file.n_frames > 1 and not file.is_dose for file in chosen):
        raise ReadError(f"the series has {len(chosen)} multi-frame files without positions; name one of them")
    return read_series(chosen, options, aside)


def loop_of(folder: Path, options: Options) -> DicomFile:
    """The one multi-frame file of the series that a folder holds, or that the rule names.

    Raises:
        ReadError: no DICOM image, several series, a series of several files.
    """
    aside: Counter[str] = Counter()
    files = scan(folder, options, aside)
    if not files:
        joined = "; frames that are files of their own must be joined to one: a lossless video (FFV1 in .mkv or .avi)"
        words = f"{counts_of(aside) or 'it is empty'}){joined if aside['not DICOM'] > 1 else ''}"
        raise ReadError(f"the folder holds no DICOM image ({words}", str(folder))
    chosen = choose_series(files, options.series)
    if len(chosen) != 1:
        raise ReadError(f"a series of {len(chosen)} DICOM files is not one video")
    return chosen[0]


def stacks_of(source: Path, options: Options) -> list[Stack]:
    """The stack, or those to take the mean of, that a folder or an enhanced file stands for.

    Raises:
        ReadError: as reading it does.
    """
    if source.is_dir():
        files = choose_series(scan(source, options, Counter()), options.series)
    else:
        files = [open_dicom(source, options.limits)]
    if any(file.has("PerFrameFunctionalGroupsSequence") for file in files):
        return choose(enhanced_frames(files, options), options, [])
    return choose(frames_of(files, options), options, [])


def files_read(
    source: Path, *, series: SeriesRule | None = None, volume: VolumeRule | None = None, stacked: bool = True
) -> list[Path]:
    """The files that a volume, or an image or loop, is read from: of a folder those of the series that is meant.

    Args:
        source: a DICOM file or a folder of them.
        series: which series of the folder.
        volume: which volume of the series.
        stacked: it is read as a volume.

    Raises:
        ReadError: as reading it does.
    """
    if not source.is_dir():
        return [source]
    options = Options(series=series, volume=volume)
    if not stacked:
        return [file.origin or file.path for file in choose_series(scan(source, options, Counter()), series)]
    frames = [frame for stack in stacks_of(source, options) for frame in stack.frames]
    return list(dict.fromkeys(frame.source.origin or frame.source.path for frame in frames))
