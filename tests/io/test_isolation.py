"""Reading in a child: the same result, and a crash or a hang there is a refusal here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from scantune import io
from scantune.io import isolation
from scantune.records import ReadError
from tests.io.files import PYDICOM_FILES, series, volume
from tests.io.test_loops import moving


@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_volumes_come_back_the_same(tmp_path: Path, plane: str) -> None:
    series(tmp_path / "s", volume(turned=(5, 6, 7)), plane=plane)
    here, there = io.read(tmp_path / "s"), io.read(tmp_path / "s", isolated=True)
    np.testing.assert_array_equal(here.array, there.array)
    np.testing.assert_array_equal(here.affine, there.affine)
    assert here.array.strides == there.array.strides
    assert here.facts == there.facts


def test_images_and_loops_come_back_the_same(tmp_path: Path) -> None:
    picture = io.write_dicom_image(tmp_path / "a", moving(1)[0], patient_id="p", seed="a", spacing=(0.2, 0.1))
    here, there = io.read(picture, window=(99, 50)), io.read(picture, window=(99, 50), isolated=True)
    np.testing.assert_array_equal(here.array, there.array)
    assert here.spacing == there.spacing
    path = io.write_cine(tmp_path / "b", moving(6, colour=True), patient_id="p", seed="a")
    one, other = io.open_video(path), io.open_video(path, isolated=True)
    assert (one.n_frames, one.frame_time, one.facts) == (other.n_frames, other.frame_time, other.facts)
    for grey in (False, True):
        arguments: dict = {"grey": grey, "scale": 2}
        np.testing.assert_array_equal(one.frames([4, 0, 4], **arguments), other.frames([4, 0, 4], **arguments))


def test_a_refusal_in_the_child_is_the_same_refusal(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("nothing that can be read")
    reasons = []
    for isolated in (False, True):
        with pytest.raises(ReadError) as caught:
            io.read(tmp_path / "a", isolated=isolated)
        reasons.append(caught.value.reason)
    assert reasons[0] == reasons[1]


def test_a_crash_in_the_child_is_a_refusal_and_the_next_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = io.write_nifti(tmp_path / "a.nii", volume())
    io.read(path, isolated=True)
    exchange = isolation.exchange

    def crash(child, *arguments):
        os.kill(child.pid, signal.SIGSEGV)
        child.wait()
        return exchange(child, *arguments)

    monkeypatch.setattr(isolation, "exchange", crash)
    with pytest.raises(ReadError, match="crashed"):
        io.read(path, isolated=True)
    monkeypatch.setattr(isolation, "exchange", exchange)
    np.testing.assert_array_equal(io.read(path, isolated=True).array, volume().array)


def test_a_hang_in_the_child_ends_at_the_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = io.write_nifti(tmp_path / "a.nii", volume())
    io.read(path, isolated=True)
    exchange = isolation.exchange

    def hang(child, *arguments):
        os.kill(child.pid, signal.SIGSTOP)
        return exchange(child, *arguments)

    monkeypatch.setattr(isolation, "exchange", hang)
    with pytest.raises(ReadError, match=r"longer than 0\.5 s"):
        io.read(path, isolated=True, limits=io.Limits(seconds=0.5))
    monkeypatch.setattr(isolation, "exchange", exchange)
    np.testing.assert_array_equal(io.read(path, isolated=True).array, volume().array)


def test_jpeg_of_twelve_bits_is_decoded_in_the_child() -> None:
    path = PYDICOM_FILES / "JPEG-lossy.dcm"
    loaded = io.read(path, isolated=True)
    assert "simpleitk" in loaded.facts["decoder"]
    assert loaded.array.shape == (1, 1024, 256)
    assert loaded.array.max() == 264
    with pytest.raises(ReadError, match=r"JPEG Extended .* 12 bits. cannot be decoded"):
        io.read(path)


def test_ending_another_child_leaves_the_one_that_reads(tmp_path: Path) -> None:
    path = io.write_nifti(tmp_path / "a.nii", volume())
    io.read(path, isolated=True)
    reader = isolation._child()
    isolation.end(isolation.spawn("scantune.preprocess.child"))
    assert isolation._child() is reader
