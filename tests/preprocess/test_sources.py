"""What is read of a path is what its digest counts and what is served of it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from scantune import io
from scantune.preprocess.parallel import outcomes
from scantune.preprocess.sample import Job, process
from scantune.preprocess.within import Within, opened, prepare_within
from scantune.records import ReadError, Source

HEADER = """ObjectType = Image
NDims = 3
DimSize = 4 4 2
ElementType = MET_UCHAR
ElementSpacing = 1 1 1
Offset = 0 0 0
TransformMatrix = 1 0 0 0 1 0 0 0 1
ElementDataFile = LIST
first.raw
second.raw
"""


@pytest.fixture
def settings(inputs) -> dict:
    return inputs["volume"](intensity="none").model_dump(mode="json")


def series(folder: Path, slices: int = 6) -> list[Path]:
    values = np.random.default_rng(0).integers(0, 100, (slices, 5, 4)).astype(np.float32)
    return io.write_dicom_series(folder, io.Volume(values, np.diag([1.0, 1.0, 2.0, 1.0])), patient_id="p", seed="s")


@pytest.mark.parametrize("hidden", [".0003.dcm", ".old/0003.dcm"])
def test_hidden_files_are_no_slices_wherever_a_folder_is_read(tmp_path, settings, hidden):
    """They are not in the digest: a slice among them could change and the cached volume would not."""
    folder = tmp_path / "series"
    slices = series(folder)
    (folder / hidden).parent.mkdir(exist_ok=True)
    slices[2].rename(folder / hidden)
    missing = "1 slice is missing of 6"
    assert missing in process(Job("a", (folder,), ()), settings, tmp_path / "store").reason
    with pytest.raises(ReadError, match=missing):
        prepare_within(Source((folder,)), settings, Within((str(tmp_path),)))
    (folder / hidden).rename(slices[2])
    assert process(Job("a", (folder,), ()), settings, tmp_path / "store").key


def test_data_files_that_change_places_are_another_image(tmp_path, settings):
    (tmp_path / "x.mhd").write_text(HEADER)
    low, high = bytes(range(16)), bytes(range(100, 116))

    def prepared(first: bytes, second: bytes) -> tuple[str | None, float]:
        (tmp_path / "first.raw").write_bytes(first)
        (tmp_path / "second.raw").write_bytes(second)
        outcome = process(Job("a", (tmp_path / "x.mhd",), ()), settings, tmp_path / "store")
        return outcome.key, float(io.read(tmp_path / "x.mhd").array[0].mean())

    one, other, again = prepared(low, high), prepared(high, low), prepared(low, high)
    assert one[1] < other[1]
    assert one[0] != other[0]
    assert one == again


def test_the_names_of_a_folder_s_files_are_not_part_of_the_image(tmp_path, settings):
    series(tmp_path / "series")
    first = process(Job("a", (tmp_path / "series",), ()), settings, tmp_path / "store")
    for number, path in enumerate(sorted((tmp_path / "series").iterdir(), reverse=True)):
        path.rename(tmp_path / "series" / f"x{number}")
    second = process(Job("a", (tmp_path / "series",), ()), settings, tmp_path / "store")
    assert (first.key, first.is_new, second.is_new) == (second.key, True, False)


def test_a_folder_that_cannot_be_listed_costs_its_sample_alone(tmp_path, settings, monkeypatch):
    """Without an error the slices in it would be missing, at the end of a stack without a gap."""
    slices = series(tmp_path / "series")
    (tmp_path / "series" / "more").mkdir()
    for path in slices[3:]:
        path.rename(tmp_path / "series" / "more" / path.name)
    series(tmp_path / "other")
    real = os.scandir

    def refusing(path):
        if str(path).endswith("more"):
            raise PermissionError(13, "denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    jobs = [Job("a", (tmp_path / "series",), ()), Job("b", (tmp_path / "other",), ())]
    index = {"somewhere/else.dcm": (1, 1, "0")}
    reasons = {one.sample_id: one.reason for one in outcomes(jobs, settings, tmp_path / "store", index)}
    assert reasons == {"a": "a folder cannot be listed (PermissionError)", "b": ""}


def test_links_to_folders_are_passed_over_in_what_is_served_too(tmp_path, settings):
    series(tmp_path / "series")
    series(tmp_path / "other")
    (tmp_path / "series" / "link").symlink_to(tmp_path / "other")
    within = Within((str(tmp_path),))
    own = prepare_within(Source((tmp_path / "series",)), settings, None)
    served = prepare_within(Source((tmp_path / "series",)), settings, within)
    np.testing.assert_array_equal(served.tensor, own.tensor)


def test_a_series_may_have_more_slices_than_files_may_be_open(tmp_path, settings):
    series(tmp_path / "series", slices=80)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 60, hard))
    try:
        served = prepare_within(Source((tmp_path / "series",)), settings, Within((str(tmp_path),)))
        with opened([tmp_path / "series"], Within((str(tmp_path),))) as (folder,):
            assert len(list(folder.iterdir())) == 80
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert served.tensor.shape == (1, 80, 5, 4)
    assert len(os.listdir("/proc/self/fd")) <= used + 2
