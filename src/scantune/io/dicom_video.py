"""Videos in DICOM: one stream of MPEG-2, MPEG-4 AVC or HEVC in place of frames (PS3.5, 8.2.5 to 8.2.8)."""

from __future__ import annotations

import re
from collections import Counter
from io import BytesIO

import pydicom
from pydicom.encaps import generate_fragments, parse_basic_offsets

from scantune.io.arrays import Options
from scantune.io.detect import HEAD, format_of
from scantune.io.dicom_cine import frame_time_of
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_image import image_spacing
from scantune.io.dicom_native import encapsulated
from scantune.io.dicom_series import series_facts
from scantune.io.loop import Loop
from scantune.io.video import open_container
from scantune.records import ReadError

_CONTAINERS = ("mp4", "mov", "mpeg")
_ELEMENTARY = (b"\0\0\1", b"\0\0\0\1")  # a stream by itself
_SYNTAXES = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?")


def is_video(file: DicomFile) -> bool:
    """Whether its transfer syntax is that of a video."""
    return _SYNTAXES.fullmatch(file.syntax) is not None


def open_stream(file: DicomFile, options: Options) -> Loop:
    """A loop from the stream, which stays in memory for as long as the loop is in use.

    Raises:
        ReadError: no stream, or none that decodes.
    """
    data = encapsulated(file) or pydicom.dcmread(file.path, specific_tags=["PixelData"]).get("PixelData")
    if not data:
        raise ReadError("the file has no pixel data, or is cut before it", str(file.path))
    items = BytesIO(data)
    parse_basic_offsets(items)
    stream = b"".join(generate_fragments(items))
    if format_of(stream[:HEAD]) not in _CONTAINERS and not stream.startswith(_ELEMENTARY):
        raise ReadError("its pixel data is no video of MPEG")
    try:
        loop = open_container(stream, options)
    except ReadError as error:
        raise ReadError(error.reason, str(file.path)) from error
    facts = series_facts(file, 1, Counter(), file.notes)
    notes = [note for note in loop.facts["notes"] if note != "no frame time is stated"]
    if loop.n_frames != file.n_frames:
        notes.append(f"the video has {loop.n_frames} frames where the header states {file.n_frames}")
    stated = frame_time_of(file, facts["notes"])
    if stated is None and loop.frame_time is not None:
        facts["notes"][-1] = "the frame time is that of the video, the header states none"
    facts["notes"] += notes
    image_spacing(file, facts)
    if stated is not None:
        loop.frame_time, loop.times = stated, None
    loop.facts = {**loop.facts, **facts, "photometric": loop.facts["photometric"], "decoder": loop.facts["decoder"]}
    return loop
