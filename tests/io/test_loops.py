"""Cine loops and videos: only what is asked for is decoded, colours are right, short and cut files are told."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import av
import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate

from scantune import io
from scantune.io.loop import Loop
from scantune.records import ReadError
from tests.io.files import PYDICOM_FILES, edit, refused


def moving(n: int = 12, colour: bool = False) -> np.ndarray:
    """A bright disc that moves over a gradient: uint8 [T, H, W(, 3)]."""
    y, x = np.mgrid[:48, :64]
    frames = []
    for t in range(n):
        disc = ((x - 10 - 4 * t) ** 2 + (y - 24) ** 2 < 64) * 120
        grey = np.clip(x + y + disc, 0, 255)
        frames.append(np.stack([grey, grey // 2, 255 - grey], axis=-1) if colour else grey)
    return np.array(frames, dtype=np.uint8)


def _cine(path: Path, frames: np.ndarray, **options: object) -> Path:
    settings: dict = {"patient_id": "phantom-1", "seed": "a"} | options
    return io.write_cine(path, frames, **settings)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("how", [{"encoding": "jpeg"}, {"encoding": "raw"}, {"encoding": "raw", "compression": "rle"}])
def test_a_loop_comes_back(tmp_path: Path, colour: bool, how: dict) -> None:
    frames = moving(colour=colour)
    path = _cine(tmp_path / "a", frames, frame_time=40, **how)
    loaded = io.read(path)
    assert isinstance(loaded, io.Video)
    assert loaded.frame_time == 40
    expected = frames if colour else frames[..., None]
    difference = np.abs(loaded.frames.astype(int) - expected)
    assert difference.max() <= (0 if how["encoding"] == "raw" else 90)
    assert np.median(difference) <= (0 if how["encoding"] == "raw" else 3)
    loop = io.open_video(path)
    assert (loop.n_frames, loop.height, loop.width, loop.channels) == (12, 48, 64, 3 if colour else 1)
    some = loop.frames([5, 0, 5], grey=True)
    assert some.shape == (3, 48, 64, 1)
    np.testing.assert_array_equal(some[0], some[2])
    reference = expected[5] if not colour else cv2.cvtColor(frames[5], cv2.COLOR_RGB2GRAY)[..., None]
    assert np.median(np.abs(some[0].astype(int) - reference)) <= 2
    assert loop.frames([1], scale=4).shape == (1, 12, 16, 3 if colour else 1)


def test_jpeg_frames_agree_with_pydicoms_own_decoding() -> None:
    path = PYDICOM_FILES / "examples_ybr_color.dcm"
    dataset = pydicom.dcmread(path)
    expected = pydicom.pixels.pixel_array(dataset)  # RGB
    loaded = io.read(path)
    difference = np.abs(loaded.frames.astype(int) - expected)
    assert difference.mean() < 1
    assert np.quantile(difference, 0.999) <= 8
    quarter = io.open_video(path).frames([0], scale=4)[0].astype(int)
    shrunk = cv2.resize(loaded.frames[0], (80, 60), interpolation=cv2.INTER_AREA)
    assert np.abs(quarter - shrunk).mean() < 2


def test_rgb_kept_as_rgb_in_jpeg_is_not_taken_for_ybr(tmp_path: Path) -> None:
    frames = moving(n=2, colour=True)
    path = _cine(tmp_path / "a", frames)
    streams = []
    for frame in frames:  # components are coded as they are: R in the place of Y
        buffer = BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=95, keep_rgb=True, subsampling=0)
        raw = buffer.getvalue()
        streams.append(raw + b"\0" * (len(raw) % 2))

    def change(dataset: pydicom.Dataset) -> None:
        dataset.PhotometricInterpretation = "RGB"
        dataset.PixelData = pydicom.encaps.encapsulate(streams)
        dataset["PixelData"].is_undefined_length = True

    edit(path, change)
    loaded = io.read(path).frames
    assert np.median(np.abs(loaded.astype(int) - frames)) <= 2


@pytest.mark.parametrize(
    "items, expected",
    [
        ({"FrameTimeVector": [0, 30, 30]}, 30.0),
        ({"FrameTimeVector": [99, 30, 40]}, 35.0),  # the first is from before the loop
        ({"CineRate": 25}, 40.0),
        ({"RecommendedDisplayFrameRate": 50}, 20.0),
        ({}, None),
    ],
)
def test_frame_time_comes_from_where_it_stands(tmp_path: Path, items: dict, expected: float | None) -> None:
    path = _cine(tmp_path / "a", moving(3), frame_time=None, encoding="raw", tags=items)
    loaded = io.read(path)
    assert loaded.frame_time == expected
    assert any("no frame time" in note for note in loaded.facts["notes"]) == (expected is None)


@pytest.mark.parametrize(
    "items, time, note",
    [
        ({"FrameTime": "33", "CineRate": 30}, 33, None),
        ({"FrameTime": "33", "CineRate": 15}, 33, "CineRate gives 66.67 ms a frame where FrameTime gives 33"),
        ({"FrameTime": "33", "RecommendedDisplayFrameRate": 15}, 33, None),
        ({"FrameTime": "33", "FrameTimeVector": [0, 50, 50]}, 33, "FrameTimeVector gives 50 ms a frame"),
        ({"FrameTimeVector": [0, 50]}, 50, "FrameTimeVector has 2 values for 3 frames"),
    ],
)
def test_frame_times_that_contradict_each_other_are_noted(
    tmp_path: Path, items: dict, time: float, note: str | None
) -> None:
    loaded = io.read(_cine(tmp_path / "a", moving(3), frame_time=None, encoding="raw", tags=items))
    assert loaded.frame_time == time
    assert [line[: len(note or "")] for line in loaded.facts["notes"]] == ([note] if note else [])


def test_a_video_whose_frame_times_vary_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for frame in moving(12, colour=True):
        writer.write(frame)
    writer.release()
    assert io.read(path).facts["notes"] == []
    content = bytearray(path.read_bytes())
    blocks = [at for at in range(len(content) - 4) if content[at] == 0x81 and content[at + 3] == 0x80]  # track 1, key
    for at in blocks:
        time = int.from_bytes(content[at + 1 : at + 3], "big")
        if 200 < time < 480:
            content[at + 1 : at + 3] = (4 * time - 600).to_bytes(2, "big")
    path.write_bytes(content)
    loaded = io.read(path)
    assert loaded.facts["notes"] == ["frame times vary from 40 to 160 ms; their mean is given"]
    assert 80 < loaded.frame_time < 120


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_monochrome1_of_a_loop_is_inverted_and_noted_or_kept(tmp_path: Path, encoding: str) -> None:
    plain = _cine(tmp_path / "a", moving(3), frame_time=40, encoding=encoding)
    frames = io.read(plain).frames
    edit(plain, lambda dataset: setattr(dataset, "PhotometricInterpretation", "MONOCHROME1"))
    loaded = io.read(plain)
    np.testing.assert_array_equal(loaded.frames, 255 - frames)
    assert loaded.facts["notes"] == ["MONOCHROME1 inverted"]
    np.testing.assert_array_equal(io.read(plain, monochrome1="keep").frames, frames)


def test_one_frame_is_a_loop_where_one_is_asked_for(tmp_path: Path) -> None:
    path = _cine(tmp_path / "a", moving(1), encoding="raw")
    assert isinstance(io.read(path), io.Image)
    loaded = io.read(path, kind="video")
    assert loaded.frames.shape == (1, 48, 64, 1)
    assert "one frame only" in loaded.facts["notes"]
    assert "is not an image" in refused(_cine(tmp_path / "b", moving(3)), kind="image").reason


def test_a_cut_cine_is_refused(tmp_path: Path) -> None:
    for encoding in ("raw", "jpeg"):
        path = _cine(tmp_path / encoding, moving(), encoding=encoding)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * 0.7)])
        refused(path)


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    path = _cine(tmp_path / "a", moving(4))

    def change(dataset: pydicom.Dataset) -> None:
        streams = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=4))
        _, other = cv2.imencode(".jpg", np.zeros((20, 20), np.uint8))
        streams[2] = other.tobytes()
        dataset.PixelData = pydicom.encaps.encapsulate(streams)
        dataset["PixelData"].is_undefined_length = True

    edit(path, change)
    assert "a compressed frame is 20×20 pixels where the header says 48×64" in refused(path).reason


def test_deeper_grey_is_brought_to_8_bits_by_the_window(tmp_path: Path) -> None:
    frames = (moving(3).astype(np.uint16) * 16) & 0xFFF
    path = _cine(tmp_path / "a", moving(3), encoding="raw", modality="XA")

    def change(dataset: pydicom.Dataset) -> None:
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset["PixelData"] = pydicom.DataElement(0x7FE00010, "OW", frames.tobytes())

    edit(path, change)
    assert np.abs(io.read(path).frames[..., 0].astype(float) - frames / 4095 * 255).max() <= 0.5
    windowed = io.read(path, window=(1000, 1001)).frames[..., 0]
    assert np.abs(windowed - np.clip((frames - 999.5) / 1000 + 0.5, 0, 1) * 255).max() <= 0.51


@pytest.mark.parametrize("suffix", ["avi", "mp4"])
def test_video_files(tmp_path: Path, suffix: str) -> None:
    frames = moving(colour=True)
    path = io.write_video(tmp_path / f"a 100%d.{suffix}", frames, frame_time=40)
    path = path.rename(tmp_path / "b%03d")
    loaded = io.read(path)
    assert loaded.frames.shape == frames.shape
    assert loaded.frame_time == pytest.approx(40)
    assert np.median(np.abs(loaded.frames.astype(int) - frames)) <= 6
    loop = io.open_video(path)
    some = loop.frames([7, 2], grey=True, scale=2)
    assert some.shape == (2, 24, 32, 1)
    np.testing.assert_array_equal(loop.frames([7])[0], loaded.frames[7])


def test_a_video_cut_short_gives_the_frames_that_decode(tmp_path: Path) -> None:
    path = io.write_video(tmp_path / "a.avi", moving(40, colour=True))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    opened = io.open_video(path)
    assert 5 < opened.n_frames < 40
    assert opened.frames().shape[0] == opened.n_frames
    path.write_bytes(whole[:400])
    refused(path)


def test_frames_that_are_not_there_are_refused(tmp_path: Path) -> None:
    from scantune.records import ReadError

    loop = io.open_video(_cine(tmp_path / "a", moving(3)))
    with pytest.raises(ReadError, match="frame 3 was asked for; there are 3 from 0"):
        loop.frames([0, 3])
    with pytest.raises(ReadError, match="scale"):
        loop.frames([0], scale=3)
    path = io.write_png(tmp_path / "p.png", moving(1)[0])
    with pytest.raises(ReadError, match="not a video"):
        io.open_video(path)


def test_limits_hold_for_loops(tmp_path: Path) -> None:
    path = _cine(tmp_path / "a", moving())
    assert "more than the limit" in refused(path, limits=io.Limits(max_bytes=1000)).reason
    avi = io.write_video(tmp_path / "a.avi", moving(colour=True))
    assert "more than the limit" in refused(avi, limits=io.Limits(max_bytes=20_000)).reason


@pytest.mark.parametrize(
    "suffix, codec",
    [("mov", "mp4v"), ("mkv", "mp4v"), ("mpg", "PIM1"), ("wmv", "WMV2"), ("avi", "MJPG"), ("mp4", "mp4v")],
)
def test_containers_are_told_by_their_bytes_and_counted_to_the_frame(tmp_path: Path, suffix: str, codec: str) -> None:
    frames = moving(9, colour=True)
    path = tmp_path / f"a.{suffix}"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), 25, (64, 48))
    if not writer.isOpened():
        pytest.skip(f"this OpenCV writes no {codec}")
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    loop = io.open_video(path.rename(tmp_path / "no_suffix"))
    assert loop.n_frames == len(frames)
    assert loop.frame_time == pytest.approx(40, abs=0.1)
    read = loop.frames()
    assert np.mean(np.abs(read.astype(int) - np.array(frames))) < 12
    assert not any("cut short" in note for note in loop.facts["notes"])


def _written(path: Path, frames: list[np.ndarray], codec: str, pixels: str, rate: int = 25, **options: str) -> Path:
    """A video of frames in RGB (or RGBA), as PyAV writes it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pixels
        for frame in frames:
            made = av.VideoFrame.from_ndarray(frame, format={3: "rgb24", 4: "rgba"}[frame.shape[2]])
            container.mux(stream.encode(made.reformat(format=pixels)))
        container.mux(stream.encode(None))
    return path


def test_the_extent_of_a_short_stream_is_what_decodes(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.mpg", moving(3, colour=True), "mpeg2video", "yuv420p")
    assert io.read_extent(path).frames == io.open_video(path).n_frames == 3


@pytest.mark.parametrize(
    ("suffix", "codec"), [("m2ts", "libx264"), ("ts", "mpeg2video"), ("webm", "libvpx-vp9"), ("avi", "libx264")]
)
def test_other_containers(tmp_path: Path, suffix: str, codec: str) -> None:
    path = _written(tmp_path / f"a.{suffix}", list(moving(9, colour=True)), codec, "yuv420p")
    loop = io.open_video(path.rename(tmp_path / "no_suffix"))
    assert (loop.n_frames, loop.times) == (9, None)  # an AVI with B-frames has no times of its own
    assert loop.frame_time == pytest.approx(40)
    assert np.abs(loop.frames().astype(int) - moving(9, colour=True)).mean() < 5


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("mpg", "mpeg2video", {"flags": "+ildct+ilme", "qscale": "1"}),
        ("mp4", "libx264", {"flags": "+ildct+ilme", "x264-params": "tff=1"}),
        ("avi", "mpeg4", {"flags": "+ildct+ilme"}),
    ],
)
def test_interlaced_frames_are_made_progressive(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str]
) -> None:
    ramp = np.linspace(0, 200, 64)[:, None, None].repeat(96, 1).repeat(3, 2).astype(np.uint8)
    shown = [ramp.copy() for _ in range(18)]
    for at, frame in enumerate(shown):
        frame[20:44, 2 + 4 * at : 26 + 4 * at] = 230
    woven = [shown[at].copy() for at in range(0, 18, 2)]
    for at, frame in enumerate(woven):  # the upper field is that of half a frame later
        frame[::2] = shown[2 * at + 1][::2]
    path = _written(tmp_path / f"a.{suffix}", woven, codec, "yuv420p", **options)
    loop = io.open_video(path)
    assert loop.n_frames == 9
    assert "interlaced frames, made progressive (bwdif)" in loop.facts["notes"]
    read, truth = loop.frames().astype(float), np.stack(shown[::2]).astype(float)
    combed = (np.abs(np.stack(woven) - truth)[1:-1] > 20).mean()
    assert (np.abs(read - truth)[1:-1] > 20).mean() < 0.5 * combed
    np.testing.assert_array_equal(loop.frames([7, 3]), read[[7, 3]])
    wrapped = io.open_video(_with_stream(tmp_path / "a.dcm", path.read_bytes())) if suffix != "avi" else loop
    np.testing.assert_array_equal(wrapped.frames(), read)


def test_interlaced_frames_of_two_sizes_are_refused_and_not_stretched(tmp_path: Path) -> None:
    parts = []
    for name, end in (("a", 48), ("b", 32)):
        frames = [frame[:end] for frame in moving(9, colour=True)]
        made = _written(tmp_path / f"{name}.ts", frames, "mpeg2video", "yuv420p", flags="+ildct+ilme", qscale="1")
        parts.append(made.read_bytes())
    (tmp_path / "c.ts").write_bytes(b"".join(parts))
    with pytest.raises(ReadError, match="has another size"):
        io.open_video(tmp_path / "c.ts").frames()


def test_still_frames_and_progressive_ones_are_left_by_the_deinterlacer(tmp_path: Path) -> None:
    still = [moving(9, colour=True)[3]] * 5
    plain = _written(tmp_path / "a.mkv", still, "ffv1", "yuv420p")
    loop = io.open_video(plain)
    assert loop.n_frames == 5  # a video of one picture is one
    marked = _written(tmp_path / "b.mpg", still, "mpeg2video", "yuv420p", flags="+ildct+ilme", qscale="1")
    assert np.abs(io.read(marked).frames.astype(int) - loop.frames()).mean() < 3


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (141, 148)])
def test_grey_stays_grey_and_is_rounded_right(tmp_path: Path, size: tuple[int, int]) -> None:
    levels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    path = _written(tmp_path / "a.mkv", [levels[..., None].repeat(3, 2)] * 2, "ffv1", "yuv420p")
    loop = io.open_video(path)
    frames = loop.frames().astype(int)
    assert loop.facts["photometric"] == "MONOCHROME2"
    assert np.abs(frames - levels[..., None]).max() <= 1
    assert abs((frames - levels[..., None]).mean()) < 0.1


def test_lossless_colours_are_kept_and_transparent_ones_refused(tmp_path: Path) -> None:
    frames = list(moving(3, colour=True))
    np.testing.assert_array_equal(io.read(_written(tmp_path / "a.mkv", frames, "ffv1", "bgr0")).frames, frames)
    clear = [np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)]) for frame in frames]
    np.testing.assert_array_equal(io.read(_written(tmp_path / "b.mov", clear, "qtrle", "argb")).frames, frames)
    clear[1][3:9, 3:9, 3] = 0
    path = _written(tmp_path / "c.mov", clear, "qtrle", "argb")
    assert refused(path).reason == "parts of frame 1 are transparent"


def test_a_frame_of_an_avi_that_does_not_decode_is_left_out_and_counted(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.avi", list(moving(9, colour=True)), "png", "rgb24")
    content = bytearray(path.read_bytes())
    at = [place for place in range(len(content)) if content[place : place + 4] == b"IHDR"][4]
    content[at : at + 4] = b"XXXX"
    path.write_bytes(content)
    loop = io.open_video(path)
    np.testing.assert_array_equal(loop.frames(), np.delete(moving(9, colour=True), 4, axis=0))
    assert any(note.startswith("8 of 9 frames can be decoded") for note in loop.facts["notes"])


def test_damaged_frames_are_noted(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), dtype=np.uint8)
    path = _written(tmp_path / "a.ts", list(noise), "mpeg2video", "yuv420p", qscale="1")
    content = path.read_bytes()
    lost = len(content) // 188 // 2 * 188  # a packet of the transport stream
    path.write_bytes(content[:lost] + content[lost + 188 :])
    assert "damaged frames, completed by the decoder: 1" in io.read(path).facts["notes"]


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_animated_pictures_are_loops(tmp_path: Path, suffix: str) -> None:
    frames = moving(9, colour=True)
    pages = [Image.fromarray(frame) for frame in frames]
    options = {"lossless": True} if suffix == "webp" else {}
    pages[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=pages[1:], duration=40, loop=0, **options)
    path = (tmp_path / f"a.{suffix}").rename(tmp_path / "no_suffix")
    loop = io.open_video(path)
    assert (loop.n_frames, loop.height, loop.width, loop.frame_time) == (9, 48, 64, 40.0)
    assert np.abs(loop.frames([7, 2]).astype(int) - np.array(frames)[[7, 2]]).mean() <= 6
    assert isinstance(io.read(path), io.Video)
    assert "9 pages" in refused(path, kind="image").reason
    pages[0].save(tmp_path / f"b.{suffix}", **options)
    with pytest.raises(ReadError, match="one frame"):
        io.open_video(tmp_path / f"b.{suffix}")


@pytest.mark.parametrize("before", [2, 3])
def test_a_gif_frame_of_no_stated_disposal_stays(tmp_path: Path, before: int) -> None:
    """Frame 0 is disposed of and covered by frame 1, of disposal 0; frame 2 is drawn over a part of that."""
    path = tmp_path / "a.gif"
    pages = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (50, 100)]
    part = pages[1].copy()
    part.paste(200, (2, 2, 5, 5))
    pages[0].save(path, save_all=True, append_images=[pages[1], part], disposal=[before, 1, 1], optimize=False)
    content = bytearray(path.read_bytes())
    starts = [at for at in range(len(content)) if content[at : at + 3] == b"\x21\xf9\x04"]
    assert len(starts) == 3
    content[starts[1] + 3] &= 0b11100011  # disposal 0
    path.write_bytes(bytes(content))
    last = io.open_video(path).frames([2])[0][..., 0]
    expected = np.full((8, 8), 100)
    expected[2:5, 2:5] = 200
    np.testing.assert_array_equal(last, expected)


def test_gzipped_dicom_is_read_as_it_was(tmp_path: Path) -> None:
    plain = _cine(tmp_path / "a.dcm", moving(5))
    packed = tmp_path / "a.dcm.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    loop = io.open_video(packed)
    np.testing.assert_array_equal(loop.frames([4, 0]), io.open_video(plain).frames([4, 0]))
    np.testing.assert_array_equal(io.read(packed).frames, io.read(plain).frames)
    packed.write_bytes(packed.read_bytes()[:-40])
    assert "cut short" in refused(packed).reason
    assert "more than the limit" in refused(plain.parent / "a.dcm.gz", limits=io.Limits(max_bytes=100)).reason


def test_a_video_that_states_a_turn_is_turned_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    io.write_video(path, moving(colour=True), frame_time=40)
    whole = bytearray(path.read_bytes())
    at = whole.find(b"tkhd") + 4
    at += 40 if whole[at] == 0 else 52  # version 1 has longer times (ISO/IEC 14496-12, 8.3.2)
    whole[at : at + 36] = np.array([0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30], ">i4").tobytes()
    plain = io.read(path)
    path.write_bytes(whole)
    loaded = io.read(path)
    assert isinstance(loaded, io.Video)
    assert isinstance(plain, io.Video)
    assert loaded.frames.shape[1:3] == plain.frames.shape[2:0:-1]
    np.testing.assert_array_equal(loaded.frames, np.rot90(plain.frames, -1, (1, 2)))
    assert any("rotated by" in note for note in loaded.facts["notes"])


@pytest.mark.parametrize(
    ("matrix", "shown", "note"),
    [
        ((-1, 0, 0, 1), lambda a: a[:, :, ::-1], "mirrored"),
        ((1, 0, 0, -1), lambda a: a[:, ::-1], "mirrored"),
        ((0, 1, 1, 0), lambda a: a.swapaxes(1, 2), "mirrored"),
        ((-1, 0, 0, -1), lambda a: a[:, ::-1, ::-1], "rotated by 180°"),
        ((0, -1, 1, 0), lambda a: np.rot90(a, 1, (1, 2)), "rotated by 270°"),
        ((0.8, 0.6, -0.6, 0.8), lambda a: a, "a turn by 37°, which is not applied"),
    ],
)
def test_a_video_is_read_as_its_matrix_shows_it(
    tmp_path: Path, matrix: tuple[float, ...], shown: Callable[[np.ndarray], np.ndarray], note: str
) -> None:
    path = io.write_video(tmp_path / "a.mp4", moving(colour=True), frame_time=40)
    stored, whole = io.read(path).frames, bytearray(path.read_bytes())
    at = whole.find(b"tkhd") + 4
    at += 40 if whole[at] == 0 else 52
    a, b, c, d = (round(value * (1 << 16)) for value in matrix)
    whole[at : at + 20] = np.array([a, b, 0, c, d], ">i4").tobytes()
    path.write_bytes(whole)
    loaded = io.read(path)
    np.testing.assert_array_equal(loaded.frames, shown(stored))
    assert any(note in line for line in loaded.facts["notes"])
    assert io.read_extent(path).shape == loaded.frames.shape[1:3]


def test_a_folder_of_pictures_is_not_a_loop_and_what_to_do_is_told(tmp_path: Path) -> None:
    for at in range(3):
        io.write_png(tmp_path / f"{at}.png", np.full((8, 8), at, np.uint8))
    with pytest.raises(ReadError, match=r"3 × not DICOM.*must be joined to one: a lossless video"):
        io.open_video(tmp_path)


def _with_stream(path: Path, stream: bytes, **items: object) -> Path:
    """A cine loop whose pixel data is a video."""
    io.write_cine(path, np.zeros((6, 48, 64), np.uint8), patient_id="phantom-1", seed="a", encoding="raw")

    def change(dataset: pydicom.Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.MPEG4HP41
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "YBR_PARTIAL_420"
        dataset.PixelData = encapsulate([stream + b"\0" * (len(stream) % 2)], fragments_per_frame=2, has_bot=False)
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        dataset.FrameTime = 40
        for keyword, value in items.items():
            setattr(dataset, keyword, value)

    edit(path, change)
    return path


@pytest.fixture
def mp4(tmp_path: Path) -> Path:
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 50, (64, 48))
    for at in range(6):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[10:30, 5 + 5 * at : 25 + 5 * at] = (20, 120, 220)
        writer.write(frame)
    writer.release()
    return tmp_path / "a.mp4"


def test_a_video_in_dicom_is_the_video(tmp_path: Path, mp4: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _with_stream(tmp_path / "a.dcm", mp4.read_bytes())
    loop = io.open_video(path)
    np.testing.assert_array_equal(loop.frames(), io.open_video(mp4).frames())
    assert (loop.frame_time, loop.facts["format"], loop.facts["notes"]) == (40, "dicom", [])
    assert io.read(path).frames.shape == io.read(path, isolated=True).frames.shape == (6, 48, 64, 3)
    monkeypatch.setattr(Loop, "frames", None)  # no frame is decoded for its size
    extent = io.read_extent(path)
    assert (extent.kind, extent.shape, extent.frames, extent.frame_time) == ("video", (48, 64), 6, 40)
    other = io.open_video(_with_stream(tmp_path / "b.dcm", mp4.read_bytes(), NumberOfFrames=9, FrameTime=None))
    assert (other.n_frames, other.frame_time) == (6, 20)
    assert any("6 frames where the header states 9" in note for note in other.facts["notes"])


@pytest.mark.parametrize(("options", "expected"), [({}, 20), ({"x265-params": "no-vui-timing-info=1"}, None)])
def test_a_stream_by_itself_has_the_rate_that_it_states_and_no_other(
    tmp_path: Path, options: dict[str, str], expected: float | None
) -> None:
    codec = "libx265" if options else "libx264"
    ending = {"libx264": "h264", "libx265": "hevc"}[codec]
    stream = _written(tmp_path / f"a.{ending}", list(moving(6, colour=True)), codec, "yuv420p", rate=50, **options)
    loop = io.open_video(_with_stream(tmp_path / "a.dcm", stream.read_bytes(), FrameTime=None))
    assert (loop.n_frames, loop.frame_time) == (6, expected)
    assert any(
        note.startswith("no frame time" if expected is None else "the frame time is") for note in loop.facts["notes"]
    )


@pytest.mark.parametrize(
    ("stream", "words"), [(b"#EXTM3U\nother.ts\n", "no video of MPEG"), (b"\0\0\0\1" + b"x" * 99, "cannot be opened")]
)
def test_a_stream_in_dicom_that_is_no_video_is_refused(tmp_path: Path, stream: bytes, words: str) -> None:
    assert words in refused(_with_stream(tmp_path / "a.dcm", stream)).reason


def test_the_tiles_of_a_slide_are_no_loop(tmp_path: Path) -> None:
    path = io.write_cine(tmp_path / "a.dcm", np.zeros((6, 48, 64, 3), np.uint8), patient_id="phantom-1", seed="a")
    edit(path, lambda dataset: setattr(dataset, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.77.1.6"))
    assert "slide in tiles, which is not read" in refused(path).reason
    with pytest.raises(ReadError, match="slide in tiles"):
        io.open_video(path)
