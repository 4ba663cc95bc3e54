"""Real DICOM files through preprocess: decoded right, with their geometry and frames, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from scantune import preprocess
from scantune.config.input import ImageInput, VideoInput, VolumeInput
from scantune.records import ReadError, Record


def bundled(name: str) -> Path:
    return Path(str(get_testdata_file(name)))


def test_the_echo_cine_has_its_thirty_frames_in_grey_and_in_place():
    path = bundled("examples_ybr_color.dcm")
    made = preprocess.prepare([path], [], VideoInput(dataset="d", modality="video", frames=30, shape=[240, 320]))
    assert made.tensor.shape == (1, 30, 240, 320)
    assert made.tensor.dtype == np.uint8
    assert made.facts["frame_time"] == pytest.approx(33.333)
    dataset = dcmread(path)
    rgb = dataset.pixel_array[[0, 17]].astype(float)  # pydicom gives RGB
    grey = rgb @ [0.299, 0.587, 0.114]  # T, H, W
    difference = np.abs(made.tensor[0, [0, 17]].astype(float) - grey)
    assert difference.mean() < 1.0, "decoders of JPEG differ by a few grey levels at most"
    assert difference.max() <= 8


def test_every_second_frame_and_a_loop_that_is_too_short_goes_round():
    path = bundled("examples_ybr_color.dcm")
    settings = VideoInput(dataset="d", modality="video", frames=20, period=2, shape=[240, 320])
    made = preprocess.prepare([path], [], settings)
    whole = preprocess.prepare([path], [], VideoInput(dataset="d", modality="video", frames=30, shape=[240, 320]))
    assert np.array_equal(made.tensor[0, 3], whole.tensor[0, 6])
    assert np.array_equal(made.tensor[0, 16], whole.tensor[0, 2]), "frame 32 of 30 is frame 2: looped, not black"


def test_the_ct_slice_is_in_hounsfield_units_with_its_pixel_spacing():
    path = bundled("CT_small.dcm")
    made = preprocess.prepare([path], [], ImageInput(dataset="d", modality="image", intensity="none", dtype="float32"))
    dataset = dcmread(path)
    expected = dataset.pixel_array.astype(float) * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    assert made.tensor.shape == (1, 128, 128)
    assert np.array_equal(made.tensor[0], expected.astype(np.float32))
    assert made.spacing == pytest.approx((0.661468, 0.661468))


def test_an_enhanced_mr_without_positions_is_no_volume_and_its_reason_names_nobody(tmp_path):
    path = bundled("emri_small.dcm")
    with pytest.raises(ReadError, match="10 frames without positions") as caught:
        preprocess.prepare([path], [], VolumeInput(dataset="d", modality="volume"))
    assert str(path) not in caught.value.reason
    made = preprocess.prepare([path], [], VideoInput(dataset="d", modality="video", frames=10, shape=[64, 64]))
    assert made.tensor.shape == (1, 10, 64, 64)
    assert made.tensor.std() > 0


def test_a_cohort_of_them_keeps_the_good_and_names_the_bad(tmp_path):
    names = ["examples_ybr_color.dcm", "MR_truncated.dcm"]
    records = [Record(f"s{i}", f"p{i}", (bundled(name),)) for i, name in enumerate(names)]
    settings = VideoInput(dataset="d", modality="video", frames=8, shape=[32, 32], workers=1)
    summary = preprocess.run(
        records, settings, tmp_path / "out", tmp_path / "store", max_excluded_fraction=0.9, progress=False
    )
    assert summary.prepared == 1
    assert list(summary.excluded) == ["s1"]
    text = (tmp_path / "out" / "excluded.csv").read_text()
    assert "s1," in text
    assert "MR_truncated" not in text
