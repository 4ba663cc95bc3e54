"""AVI, MP4, MOV, MKV, MPEG and WMV through PyAV, which is FFmpeg."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.filter
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter

from scantune.io.arrays import Options
from scantune.io.detect import HEAD, file_head, format_of
from scantune.io.loop import Loop
from scantune.io.values import MOST_UNEQUAL, check_size, note_sides
from scantune.records import ReadError

#: Lists of other files (HLS, concat) are not among them, nor the streams of devices.
_DEMUXERS = "avi,mov,matroska,webm,mpeg,mpegts,mpegvideo,m4v,h264,hevc,asf"
#: Without the last two FFmpeg rounds down, by another amount in each colour where the height is odd.
_EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_FASTEST = 10_000  # frames a second; what states more states nothing
#: FFmpeg gives elementary streams 25 frames a second unless told another rate: one that counts as none is told.
_OPENING = {"format_whitelist": _DEMUXERS, "framerate": str(2 * _FASTEST)}


@dataclass
class _Seen:
    """What one run through the frames tells."""

    count: int = 0
    times: list[float] = field(default_factory=list)  # milliseconds
    interlaced: bool = False
    damaged: int = 0
    first: av.VideoFrame | None = None


class _Turn(NamedTuple):
    """How a frame is brought upright: rows and columns exchanged, then their order reversed."""

    exchanged: bool = False
    rows: bool = False
    columns: bool = False

    def __call__(self, frame: np.ndarray) -> np.ndarray:  # [H, W, C]
        frame = frame.swapaxes(0, 1) if self.exchanged else frame
        return np.ascontiguousarray(frame[:: -1 if self.rows else 1, :: -1 if self.columns else 1])


def open_container(source: Path | bytes, options: Options) -> Loop:
    """Open a video and find how many of its frames decode.

    Args:
        source: the file, or its bytes.
        options: of reading.

    Returns:
        A loop of RGB frames, turned and mirrored as the file states; interlaced ones are made progressive.

    Raises:
        ReadError: nothing decodes, or the frames are larger than the limit.
    """
    if options.kind not in (None, "video"):
        raise ReadError(f"a video is not {'an' if options.kind == 'image' else 'a'} {options.kind}")
    name = format_of(source[:HEAD] if isinstance(source, bytes) else file_head(source))
    with _opened(source) as container:
        stream = _stream(container)
        check_size((1, stream.height, stream.width, 3), 1, options.limits)
        frame_time, aspect, expected = _frame_time(stream), stream.sample_aspect_ratio, _expected(container, stream)
    seen = _counted(source)
    if seen.first is None:
        raise ReadError("no frame of the video can be decoded", _name(source))
    notes: list[str] = []
    if seen.count < expected and name != "mpeg":  # there FFmpeg guesses from the size of the stream
        why = "it is cut short, or counts dropped frames, hidden ones (edit list) or the time of a longer sound track"
        notes.append(f"{seen.count} of {expected} frames can be decoded: {why}")
    if seen.damaged:
        notes.append(f"damaged frames, completed by the decoder: {seen.damaged}")
    if seen.interlaced:
        notes.append("interlaced frames, made progressive (bwdif)")
    turn = _turn(seen.first, notes)
    measured, varying = _timing([] if name == "avi" else seen.times, notes)  # AVI has one rate and no times
    frame_time = measured or frame_time
    if frame_time is None:
        notes.append("no frame time is stated")
    picture = turn(_rgb(VideoReformatter(), seen.first, 0))
    facts: dict[str, Any] = {
        "format": "video",
        "photometric": "MONOCHROME2" if (picture == picture[..., :1]).all() else "RGB",
        "bits": 8,
        "decoder": f"PyAV {av.__version__} FFmpeg {av.ffmpeg_version_info}",
        "window": None,
        "notes": notes,
    }
    if aspect:  # width to height, of frames that are not yet turned
        sides = (aspect.numerator, aspect.denominator) if turn.exchanged else (aspect.denominator, aspect.numerator)
        note_sides(sides, f"sample aspect ratio {aspect.numerator}:{aspect.denominator}", facts, MOST_UNEQUAL)
    height, width = picture.shape[:2]

    def many(indices: list[int], grey: bool, scale: int) -> Iterator[tuple[int, np.ndarray]]:
        return _frames(source, indices, (height, width), turn)

    def one(index: int, grey: bool, scale: int) -> np.ndarray:
        return dict(many([index], grey, scale))[index]

    return Loop(seen.count, height, width, 3, frame_time, facts, one, many, varying)


def stated(path: Path) -> tuple[tuple[int, int], int, float | None]:
    """Height and width as shown, number of frames and milliseconds between them, as the header states them.

    Raises:
        ReadError: not a video.
    """
    with _opened(path) as container:
        stream = _stream(container)
        first = next(_decoded(container, stream), None)
        size = stream.height, stream.width
        exchanged = first is not None and _turn(first, []).exchanged
        return (size[::-1] if exchanged else size), _expected(container, stream), _frame_time(stream)


@contextmanager
def _opened(source: Path | bytes) -> Iterator[av.container.InputContainer]:
    # "file:" is named, so that a path is not taken for an address; what a hospital writes in titles is not always UTF-8
    file: Any = BytesIO(source) if isinstance(source, bytes) else f"file:{source.absolute()}"
    try:
        container = av.open(file, metadata_errors="replace", container_options=_OPENING)
    except FFmpegError as error:
        raise ReadError("the video cannot be opened", f"{_name(source)}: {error}") from error
    with container:
        yield container


def _name(source: Path | bytes) -> str:
    return "" if isinstance(source, bytes) else str(source)


def _stream(container: av.container.InputContainer) -> av.VideoStream:
    """The video of a file, which is not its cover."""
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.codec_context is None or min(stream.width, stream.height) < 1:
        raise ReadError("there is no video in the file, or none that FFmpeg knows")
    stream.thread_type = "AUTO"
    return stream


def _frame_time(stream: av.VideoStream) -> float | None:
    rates = (float(rate or 0) for rate in (stream.average_rate, stream.guessed_rate))
    return next((1000.0 / rate for rate in rates if 0 < rate < _FASTEST), None)


def _expected(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """Number of frames as the file states it, or as follows from its duration; 0 where it states neither."""
    if stream.frames:
        return int(stream.frames)
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    else:
        seconds = (container.duration or 0) / av.time_base
    return round(seconds * float(stream.guessed_rate or 0))


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Frames one after another; packets that do not decode are passed over."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:  # cut short
            packet = None
        with suppress(FFmpegError):
            yield from stream.decode(None) if packet is None else packet.decode()
        if packet is None:
            return


def _progressive(frames: Iterable[av.VideoFrame], stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """As many frames; from the first interlaced one on those that are interlaced get their lines between by bwdif.

    Raises:
        ReadError: from then on a frame has another size, to which FFmpeg would stretch it without a word.
    """
    graph, size = None, (0, 0)
    for at, frame in enumerate(frames):
        if graph is not None and (frame.width, frame.height) != size:
            raise ReadError(f"frame {at} has another size than those before it")
        if graph is None and frame.interlaced_frame:
            size = frame.width, frame.height
            graph = av.filter.Graph()
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=stream.time_base
            )
            graph.link_nodes(
                source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
            ).configure()
        if graph is None:
            yield frame
        else:
            graph.vpush(frame)
            yield from _pulled(graph)
    if graph is not None:
        graph.vpush(None)
        yield from _pulled(graph)


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _counted(source: Path | bytes) -> _Seen:
    seen = _Seen()
    with _opened(source) as container:
        stream = _stream(container)
        for frame in _decoded(container, stream):
            seen.first = seen.first or frame
            seen.count += 1
            seen.interlaced |= frame.interlaced_frame
            seen.damaged += frame.is_corrupt
            seen.times.append(float("nan") if frame.time is None else 1000 * frame.time)
    return seen


def _timing(times: list[float], notes: list[str]) -> tuple[float | None, np.ndarray | None]:
    """Milliseconds between frames, and those from the first frame to each where intervals vary, which is noted.

    Time starts anew where MPEG streams were joined: there the usual interval is taken.
    """
    steps = np.diff(times)
    known = steps[steps > 0]
    if known.size == 0:
        return None, None
    low, usual, high = float(known.min()), float(np.median(known)), float(known.max())
    if high - low <= 0.2 * usual + 1.5:  # containers round to milliseconds
        return float(known.mean()), None
    notes.append(f"frame times vary from {low:.4g} to {high:.4g} ms; their mean is given")
    at = np.concatenate([[0.0], np.cumsum(np.where(steps > 0, steps, usual))])
    return float(at[-1]) / steps.size, at


def _turn(frame: av.VideoFrame, notes: list[str]) -> _Turn:
    """What the display matrix of a file asks for (ISO/IEC 14496-12, 8.3.2)."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return _Turn()
    a, b, _, c, d = np.frombuffer(bytes(matrix), "=i4")[:5].astype(float)  # x' = a x + c y, y' = b x + d y
    angle = round(np.degrees(np.arctan2(b, a)))
    if a * d - b * c == 0 or not (a == d == 0 or b == c == 0):
        notes.append(f"the file states a turn by {angle}°, which is not applied")
        return _Turn()
    turn = _Turn(True, b < 0, c < 0) if a == d == 0 else _Turn(False, d < 0, a < 0)
    if a * d - b * c < 0:
        notes.append("mirrored as the file states")
    elif angle:
        notes.append(f"rotated by {angle % 360}° as the file states")
    return turn


def _rgb(reformatter: VideoReformatter, frame: av.VideoFrame, index: int) -> np.ndarray:
    """A frame as it is stored, [H, W, 3].

    Raises:
        ReadError: parts of it are transparent, or FFmpeg does not convert its colours.
    """
    clear = any(component.is_alpha for component in frame.format.components)
    try:
        converted = reformatter.reformat(frame, format="rgba" if clear else "rgb24", interpolation=_EXACT)
        pixels = converted.to_ndarray()
    except (FFmpegError, ValueError) as error:
        raise ReadError(f"frame {index} cannot be converted to RGB", f"{frame.format.name}: {error}") from error
    if clear and (pixels[..., 3] != 255).any():
        raise ReadError(f"parts of frame {index} are transparent")
    return pixels[..., :3]


def _frames(
    source: Path | bytes, indices: list[int], size: tuple[int, int], turn: _Turn
) -> Iterator[tuple[int, np.ndarray]]:
    """Indices and RGB frames, decoded in one run from the start: seeking lands on key frames only."""
    missing, last, reformatter = set(indices), max(indices), VideoReformatter()
    with _opened(source) as container:
        stream = _stream(container)
        for at, frame in enumerate(_progressive(_decoded(container, stream), stream)):
            if at in missing:
                picture = turn(_rgb(reformatter, frame, at))
                if picture.shape[:2] != size:
                    raise ReadError(f"frame {at} has another size than the first")
                missing.remove(at)
                yield at, picture
            if at >= last:
                break
    if missing:
        raise ReadError(f"frame {min(missing)} cannot be decoded", _name(source))
