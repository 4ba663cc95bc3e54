from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from scantune import io
from scantune.preprocess import prepare
from scantune.preprocess.sector import sector_mask
from scantune.preprocess.video import frame_indices
from scantune.records import ReadError


def echo(n: int = 12, text: str = "DOE JOHN 1961-02-14") -> tuple[np.ndarray, np.ndarray]:
    """Frames [T, 240, 320] of a moving sector with text burned in beside it, and the sector."""
    rng = np.random.default_rng(0)
    sector = np.zeros((240, 320), np.uint8)
    cv2.ellipse(sector, (160, 30), (190, 190), 90, -40, 40, 1, -1)
    y, x = np.mgrid[0:240, 0:320]
    speckle = rng.integers(0, 60, (240, 320))
    frames = []
    for t in range(n):
        wall = 90 + 70 * np.sin(np.hypot(x - 160, y - 30) / 9 + t)
        frame = ((wall + speckle) * sector).clip(0, 255).astype(np.uint8)
        cv2.putText(frame, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1)
        frames.append(frame)
    return np.stack(frames), sector.astype(bool)


def test_frames_are_taken_at_their_period_and_short_loops_go_round():
    assert frame_indices(10, 4, 2) == [0, 2, 4, 6]
    assert frame_indices(10, 4, 2, "center") == [1, 3, 5, 7]
    assert frame_indices(3, 8, 1) == [0, 1, 2, 0, 1, 2, 0, 1]
    assert frame_indices(1, 3, 5) == [0, 0, 0]


def test_loops_of_different_rates_are_brought_to_one(tmp_path, inputs):
    frames, _ = echo(24)
    for name, every, time in (("fast", 1, 20.0), ("slow", 2, 40.0)):
        io.write_cine(tmp_path / name, frames[::every], patient_id="p", seed="1", encoding="raw", frame_time=time)
    settings = inputs["video"](frames=6, shape=[240, 320], frame_rate=12.5)
    fast, slow = (prepare([tmp_path / name], [], settings) for name in ("fast", "slow"))
    np.testing.assert_array_equal(fast.tensor[0], frames[::4])  # every 80 ms
    np.testing.assert_array_equal(slow.tensor, fast.tensor)
    assert not fast.facts["looped"]
    higher = prepare([tmp_path / "slow"], [], inputs["video"](frames=6, shape=[240, 320], frame_rate=50))
    np.testing.assert_array_equal(higher.tensor[0], frames[[0, 2, 2, 4, 4, 6]])  # the nearest of 40 ms, later on a tie


def test_a_loop_whose_frame_times_vary_is_brought_to_one_rate_by_them(tmp_path, inputs):
    frames, _ = echo(24)
    kept = [*range(9), 12, 16, 20, 23]  # 20 ms, then 80
    steps = np.diff(kept, prepend=kept[0]) * 20.0
    io.write_cine(tmp_path / "a", frames[kept], patient_id="p", seed="1", encoding="raw", frame_time=None,
                  tags={"FrameTimeVector": [f"{step:g}" for step in steps]})  # fmt: skip
    result = prepare([tmp_path / "a"], [], inputs["video"](frames=6, shape=[240, 320], frame_rate=12.5))
    np.testing.assert_array_equal(result.tensor[0], frames[::4])  # every 80 ms
    pages = [Image.fromarray(frame) for frame in frames[kept]]
    shown = [int(step) for step in steps[1:]] + [20]
    pages[0].save(tmp_path / "a.webp", save_all=True, append_images=pages[1:], duration=shown, lossless=True)
    result = prepare([tmp_path / "a.webp"], [], inputs["video"](frames=6, shape=[240, 320], frame_rate=12.5))
    assert np.abs(result.tensor[0].astype(int) - frames[::4]).max() <= 1


def test_a_loop_of_unknown_rate_is_excluded_where_the_rate_matters(tmp_path, inputs):
    frames, _ = echo(6)
    io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding="raw", frame_time=None)
    with pytest.raises(ReadError, match="frame_rate"):
        prepare([tmp_path / "a.dcm"], [], inputs["video"](frames=4, frame_rate=25))


def test_a_loop_becomes_channel_time_rows_columns(tmp_path, inputs):
    frames, _ = echo(6)
    io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding="raw")
    prepared = prepare([tmp_path / "a.dcm"], [], inputs["video"](frames=8, shape=[240, 320]))
    assert prepared.tensor.shape == (1, 8, 240, 320)
    assert prepared.tensor.dtype == np.uint8
    np.testing.assert_array_equal(prepared.tensor[0, :6], frames)
    np.testing.assert_array_equal(prepared.tensor[0, 6], frames[0])  # looped, not padded
    assert prepared.facts["looped"]


def test_decoding_at_a_smaller_scale_is_close_to_shrinking_whole_frames(tmp_path, inputs):
    frames, _ = echo(4)
    io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding="jpeg", quality=95)
    result = prepare([tmp_path / "a.dcm"], [], inputs["video"](frames=4, shape=[56, 56])).tensor[0]
    whole = io.open_video(tmp_path / "a.dcm").frames(grey=True)[..., 0]
    expected = [cv2.resize(frame, (56, 42), interpolation=cv2.INTER_AREA) for frame in whole]
    assert np.abs(result[:, 7:49].astype(int) - np.stack(expected)).mean() < 2.0
    assert (result[:, :7] == 0).all()


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_outside_of_the_sector_is_blanked_with_its_text(tmp_path, inputs, encoding):
    frames, sector = echo()
    io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding=encoding)
    result = prepare([tmp_path / "a.dcm"], [], inputs["video"](frames=12, shape=[240, 320], sector=True)).tensor[0]
    assert (result[:, :20, :140] == 0).all()
    assert (result[:, sector] > 0).mean() > 0.9


def test_sector_is_found_about_where_it_is():
    frames, sector = echo()
    result = sector_mask(frames)
    assert (result & sector).sum() > 0.97 * sector.sum()
    assert (result & ~sector).sum() < 0.12 * sector.sum()


def slow_lung(moving: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Frames [T, 240, 320] of a sector through which a narrow band moves from left to right, and the sector.

    Args:
        moving: share of its width through which the band moves; the rest stands still.
    """
    frames, sector = echo(1)
    x = np.mgrid[0:240, 0:320][1]
    places = np.linspace(30, 30 + 260 * moving, 60)
    loop = [np.where(sector & (abs(x - place) < 12), 250, frames[0]) for place in places]
    return np.stack(loop).astype(np.uint8), sector


def test_the_sector_is_what_moves_in_the_whole_loop_and_not_in_the_few_frames_that_are_taken(tmp_path, inputs):
    frames, sector = slow_lung()
    assert sector_mask(frames[27:33]).sum() < 0.5 * sector.sum()
    io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding="raw")
    prepared = prepare([tmp_path / "a.dcm"], [], inputs["video"](frames=6, shape=[240, 320], sector=True))
    assert (prepared.tensor[0][:, sector] == frames[:6][:, sector]).mean() > 0.95
    assert (prepared.tensor[0][:, :20, :140] == 0).all()
    assert not any("stands still" in note for note in prepared.facts["notes"])


def test_what_stands_still_around_the_sector_and_is_blanked_is_told(tmp_path, inputs):
    frames, _ = slow_lung(0.4)
    io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding="raw")
    prepared = prepare([tmp_path / "a.dcm"], [], inputs["video"](frames=6, shape=[240, 320], sector=True))
    (note,) = [note for note in prepared.facts["notes"] if "stands still" in note]
    assert "of the lit picture around the ultrasound sector stands still and is blanked" in note


def test_without_a_sector_nothing_is_guessed(tmp_path, inputs):
    still = np.zeros((5, 64, 64), np.uint8)
    still[:, 30:33, 30:60] = 255
    with pytest.raises(ReadError, match="no ultrasound sector"):
        sector_mask(still)
    io.write_cine(tmp_path / "a.dcm", still, patient_id="p", seed="1", encoding="raw")
    with pytest.raises(ReadError, match="no ultrasound sector"):
        prepare([tmp_path / "a.dcm"], [], inputs["video"](sector=True))


def test_too_few_frames_are_refused_by_key(tmp_path, inputs):
    frames, _ = echo(3)
    io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding="raw")
    with pytest.raises(ReadError, match="3 frames"):
        prepare([tmp_path / "a.dcm"], [], inputs["video"](min_frames=4))


def test_an_avi_and_colour(tmp_path, inputs):
    frames, _ = echo(5)
    io.write_video(tmp_path / "a.avi", frames)
    prepared = prepare(
        [tmp_path / "a.avi"], [], inputs["video"](frames=4, shape=[64, 64], channels=3, intensity="zscore")
    )
    assert prepared.tensor.shape == (3, 4, 64, 64)
    assert prepared.tensor.dtype == np.float16
    assert abs(float(prepared.tensor.astype(np.float32).mean())) < 2


def outlines(frames: int, label: int = 255) -> np.ndarray:
    """uint8 [T, 240, 320]: a disc that moves."""
    masks = np.zeros((frames, 240, 320), np.uint8)
    for t in range(frames):
        cv2.circle(masks[t], (100 + 8 * t, 120), 30, label, -1)
    return masks


def lossless(path: Path, masks: np.ndarray) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), 25.0, (320, 240))
    for mask in masks:
        writer.write(cv2.cvtColor(mask, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


@pytest.mark.parametrize("kind", ["avi", "dicom", "dicom labels"])
def test_a_mask_that_is_a_loop_marks_each_frame(tmp_path, inputs, kind):
    frames, _ = echo(12)
    loop = io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding="raw")
    masks = outlines(12, 2 if kind == "dicom labels" else 255)
    if kind == "avi":
        path = lossless(tmp_path / "mask.avi", masks)
    else:
        path = io.write_cine(tmp_path / "mask.dcm", masks, patient_id="p", seed="2", encoding="raw")
    prepared = prepare([loop], [path], inputs["video"](frames=5, period=2, shape=[240, 320]))
    expected = masks[[0, 2, 4, 6, 8]]
    np.testing.assert_array_equal(prepared.mask[0], expected if kind == "dicom labels" else expected > 0)
    assert "mask_lossy" not in prepared.facts


def test_a_loop_of_masks_has_as_many_frames_as_its_video(tmp_path, inputs):
    frames, _ = echo(12)
    loop = io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding="raw")
    path = lossless(tmp_path / "mask.avi", outlines(10))
    with pytest.raises(ReadError, match=r"its mask: it has 10 frames where the video has 12: a frame for each, or one"):
        prepare([loop], [path], inputs["video"](frames=5, shape=[240, 320]))


def test_masks_in_a_lossy_video_are_read_by_a_threshold(tmp_path, inputs):
    frames, _ = echo(12)
    loop = io.write_cine(tmp_path / "a.dcm", frames, patient_id="p", seed="1", encoding="raw")
    path = io.write_video(tmp_path / "mask.mp4", outlines(12))
    keys = {"frames": 5, "shape": [240, 320]}
    assert prepare([loop], [path], inputs["video"](**keys)).facts["mask_lossy"]
    mask = prepare([loop], [path], inputs["video"](**keys, mask_threshold=128)).mask[0]
    assert (mask != (outlines(5) > 0)).mean() < 0.002
