"""AVI, MP4, MOV, MKV, MPEG and WMV through OpenCV's FFmpeg."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from scantune.io.arrays import Options
from scantune.io.detect import file_head, format_of
from scantune.io.loop import Loop
from scantune.io.values import MOST_UNEQUAL, check_size, note_sides
from scantune.records import ReadError

_MOST_MOVIE = 1 << 26  # bytes of the header of an MP4
_NOT_YUV = (b"BGR", b"RGB", b"ABGR", b"BGRA", b"RGBA", b"G3", b"G4", b"Y8", b"Y1", b"PAL")  # FFmpeg's tags of formats


def open_container(path: Path, options: Options) -> Loop:
    """Open a video file and find how many of its frames decode.

    Raises:
        ReadError: nothing decodes, the frames are larger than the limit, or are interlaced
            or shown mirrored.
    """
    if options.kind not in (None, "video"):
        raise ReadError(f"a video is not {'an' if options.kind == 'image' else 'a'} {options.kind}")
    capture = _open(path)
    width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    expected, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    check_size((1, height, width, 3), 1, options.limits)
    notes: list[str] = []
    aspect = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
    turned = int(capture.get(cv2.CAP_PROP_ORIENTATION_META))
    count, times = _decodable(capture, path, int(expected) if 0 < expected < 1e8 else 0)
    capture.release()
    if count == 0:
        raise ReadError("no frame of the video can be decoded", str(path))
    if count < expected and not _guessed(path):
        why = "it is cut short, or counts dropped frames, hidden ones (edit list) or the time of a longer sound track"
        notes.append(f"{count} of {int(expected)} frames can be decoded: {why}")
    if turned:
        notes.append(f"rotated by {turned}° as the file states")
    _refuse_unconverted(path)
    if _is_mirrored(path):
        raise ReadError("it is shown mirrored, which OpenCV overlooks: ffmpeg -i IN OUT.mp4 writes it as it is shown")
    grey = _is_grey(path)
    frame_time = 1000.0 / rate if np.isfinite(rate) and 0 < rate < 10_000 else None
    varying = _varying(times, notes)
    frame_time = frame_time if varying is None else float(varying[-1]) / (count - 1)
    if frame_time is None:
        notes.append("no frame time is stated")
    facts: dict[str, Any] = {
        "format": "video",
        "photometric": "MONOCHROME2" if grey else "RGB",
        "bits": 8,
        "decoder": f"opencv {cv2.__version__} FFmpeg",
        "window": None,
        "notes": notes,
    }
    if min(aspect) > 0:  # width to height, of frames that are not yet turned
        sides = aspect if turned % 180 else aspect[::-1]
        note_sides(sides, f"sample aspect ratio {aspect[0]:g}:{aspect[1]:g}", facts, MOST_UNEQUAL)

    def many(indices: list[int], grey: bool, scale: int) -> dict[int, np.ndarray]:
        return _frames(path, indices, (height, width))

    def one(index: int, grey: bool, scale: int) -> np.ndarray:
        return many([index], grey, scale)[index]

    return Loop(count, height, width, 3, frame_time, facts, one, many, varying)


def _open(path: Path) -> cv2.VideoCapture:
    # FFmpeg is named, so that a % in a path is not taken for a sequence of pictures
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise ReadError("the video cannot be opened", str(path))
    return capture


def _guessed(path: Path) -> bool:
    """Whether the stated number of frames is FFmpeg's guess from the size of the stream."""
    return format_of(file_head(path)) == "mpeg"


def _varying(times: list[float], notes: list[str]) -> np.ndarray | None:
    """Milliseconds from the first frame to each, where their intervals vary, which is noted; else None.

    Time starts anew where MPEG streams were joined: there the usual interval is taken.
    """
    steps = np.diff(times)
    known = steps[steps > 0]
    if known.size < 2:
        return None
    low, usual, high = float(known.min()), float(np.median(known)), float(known.max())
    if high - low <= 0.2 * usual + 1.5:  # containers round to milliseconds
        return None
    notes.append(f"frame times vary from {low:.4g} to {high:.4g} ms; their mean is given")
    return np.concatenate([[0.0], np.cumsum(np.where(steps > 0, steps, usual))])


def _decodable(capture: cv2.VideoCapture, path: Path, expected: int) -> tuple[int, list[float]]:
    """Number of frames that decode one after another, and their times in milliseconds where they were looked at.

    An AVI's index is believed where its last frame decodes and none follows. Elsewhere what is stated is a guess (MPEG)
    or counts frames that an edit list hides (MOV, MP4), and seeking to them lands beside.
    """
    if expected > 0 and format_of(file_head(path)) == "avi":
        capture.set(cv2.CAP_PROP_POS_FRAMES, expected - 1)
        last = capture.grab() and int(capture.get(cv2.CAP_PROP_POS_FRAMES)) == expected
        if last and not capture.grab():
            return expected, []
    again, times = _open(path), []
    while again.grab():
        times.append(float(again.get(cv2.CAP_PROP_POS_MSEC)))
    again.release()
    return len(times), times


def _refuse_unconverted(path: Path) -> None:
    """Refuse a video whose frames are all one picture, as interlaced ones are to OpenCV from 4.13.

    FFmpeg's converter refuses these, and colour spaces such as YCgCo; OpenCV ignores that and returns what its memory
    held, such as a frame of the video before. RGB and grey are not looked at: lossless masks, which may stand still,
    are stored so.
    """
    capture = _open(path)
    stored = int(capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)).to_bytes(4, "little", signed=False)
    first, count = None, 0
    while not stored.startswith(_NOT_YUV) and capture.grab():
        ok, frame = capture.retrieve()
        if not ok or (first is not None and not np.array_equal(frame, first)):
            return
        first, count = frame, count + 1
    capture.release()
    if count > 1:
        raise ReadError(
            f"its {count} frames are one picture to the last bit: a still, or interlaced (ffmpeg -i IN -vf yadif "
            "OUT.mp4 makes it progressive) or of an unusual colour space, which OpenCV cannot convert"
        )


def _is_mirrored(path: Path) -> bool:
    """Whether a track of an MP4 or MOV file has a matrix that mirrors it (ISO/IEC 14496-12, 8.3.2)."""
    movie = b""
    if format_of(file_head(path)) not in ("mp4", "mov"):
        return False
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[:4], "big") - 8
            size = int.from_bytes(file.read(8), "big") - 16 if size == -7 else size
            if size < 0:
                break
            if head[4:] == b"moov":
                movie = file.read(min(size, _MOST_MOVIE))
                break
            file.seek(size, 1)
    for found in re.finditer(b"tkhd", movie):
        matrix = movie[found.end() + (40 if movie[found.end() : found.end() + 1] == b"\0" else 52) :][:20]
        if len(matrix) == 20:
            a, b, _, c, d = np.frombuffer(matrix, ">i4").astype(float)
            if a * d - b * c < 0:
                return True
    return False


def _is_grey(path: Path) -> bool:
    frame = next(iter(_frames(path, [0], None).values()))
    return bool((frame[..., 0] == frame[..., 1]).all() and (frame[..., 1] == frame[..., 2]).all())


def _frames(path: Path, indices: list[int], size: tuple[int, int] | None) -> dict[int, np.ndarray]:
    """RGB frames by index, decoded in one run from the start: seeking lands on key frames only."""
    capture, remaining, frames = _open(path), set(indices), {}
    for at in range(max(indices) + 1):
        if not capture.grab():
            break
        if at in remaining:
            ok, frame = capture.retrieve()
            if not ok:
                break
            if size is not None and frame.shape[:2] != size:
                raise ReadError(f"frame {at} has another size than the first")
            frames[at] = np.ascontiguousarray(frame[..., ::-1])  # BGR -> RGB
    capture.release()
    missing = remaining - set(frames)
    if missing:
        raise ReadError(f"frame {min(missing)} cannot be decoded", str(path))
    return frames
