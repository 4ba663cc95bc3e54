"""Damaged copies of real files are read or refused: no other exception, no crash, no hang."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from scantune import io
from scantune.records import ReadError
from tests.io.files import PYDICOM_FILES, series, volume
from tests.io.fuzz import mutant
from tests.io.test_loops import moving


def _dicoms() -> list[Path]:
    return sorted(path for path in PYDICOM_FILES.glob("*.dcm") if path.stat().st_size < 150_000)


def _others(folder: Path) -> list[Path]:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    return [
        io.write_nifti(folder / "a.nii.gz", volume()),
        io.write_nifti(folder / "a.nii", volume()),
        io.write_png(folder / "a.png", pixels),
        io.write_video(folder / "a.avi", moving(4, colour=True)),
        io.write_video(folder / "a.mp4", moving(4, colour=True)),
        io.write_cine(folder / "jpeg.dcm", moving(4, colour=True), patient_id="p", seed="a"),
        io.write_enhanced(folder / "enhanced.dcm", volume(), patient_id="p", seed="a"),
    ]


def _read_all(sources: list[Path], count: int, seed: int, folder: Path, *, isolated: bool) -> Counter[str]:
    rng, outcome = random.Random(seed), Counter[str]()
    bytes_of = {path: path.read_bytes() for path in sources}
    limits = io.Limits(max_bytes=1 << 28, seconds=20)
    for at in range(count):
        source = sources[at % len(sources)]
        path = folder / "mutant"
        path.write_bytes(mutant(bytes_of[source], rng))
        start = time.perf_counter()
        try:
            io.read(path, limits=limits, isolated=isolated)
        except ReadError as error:
            outcome["refused"] += 1
            outcome["crashed in the child"] += "crashed" in error.reason
        else:
            outcome["read"] += 1
        assert time.perf_counter() - start < 30, source.name
    return outcome


def test_damaged_dicom_files(tmp_path: Path) -> None:
    outcome = _read_all(_dicoms(), 300, 1, tmp_path, isolated=False)
    assert outcome["read"] + outcome["refused"] == 300
    assert outcome["read"] > 20
    assert outcome["refused"] > 100


def test_damaged_files_of_other_formats(tmp_path: Path) -> None:
    outcome = _read_all(_others(tmp_path), 140, 2, tmp_path, isolated=False)
    assert outcome["read"] + outcome["refused"] == 140


def test_damaged_slices_of_a_series(tmp_path: Path) -> None:
    paths, rng = series(tmp_path / "s"), random.Random(3)
    whole, done = paths[3].read_bytes(), 0
    for _ in range(60):
        paths[3].write_bytes(mutant(whole, rng))
        try:
            loaded = io.read(tmp_path / "s")
        except ReadError:
            done += 1
            continue
        done += 1
        assert loaded.array.dtype == np.float32
    assert done == 60


@pytest.mark.parametrize("depth", [50, 3_000, 100_000])
@pytest.mark.parametrize("length", ["undefined", "stated"])
def test_sequences_nested_beyond_reason_are_read_past_or_refused(tmp_path: Path, depth: int, length: str) -> None:
    path = io.write_dicom_image(tmp_path / "a.dcm", moving(1)[0], patient_id="p", seed="a")
    plain, raw = io.read(path), path.read_bytes()
    at = raw.index(b"\x10\x00\x10\x00PN")  # the patient's name: the sequence stands before it
    path.write_bytes(raw[:at] + _nested(depth, length) + raw[at:])
    start = time.perf_counter()
    try:
        np.testing.assert_array_equal(io.read(path).array, plain.array)
    except ReadError:
        assert depth > 50
    try:
        assert "PatientName" in io.identifying_in(path)
    except ReadError:
        assert depth > 50
    assert time.perf_counter() - start < 20


def _nested(depth: int, length: str) -> bytes:
    """Referenced image sequences, one within the other."""
    sequence, item = b"\x08\x00\x40\x11SQ\x00\x00", b"\xfe\xff\x00\xe0"
    if length == "undefined":
        end = b"\xfe\xff\x0d\xe0" + b"\0" * 4 + b"\xfe\xff\xdd\xe0" + b"\0" * 4
        return (sequence + b"\xff" * 4 + item + b"\xff" * 4) * depth + end * depth
    parts = []
    for inner in range(depth - 1, -1, -1):  # outermost first; each level is 20 bytes
        size = 20 * inner
        parts.append(sequence + (8 + size).to_bytes(4, "little") + item + size.to_bytes(4, "little"))
    return b"".join(parts)


@pytest.mark.heavy
@pytest.mark.parametrize("isolated", [False, True])
def test_ten_thousand_damaged_dicom_files(tmp_path: Path, isolated: bool) -> None:
    count = 10_000 if not isolated else 3_000
    outcome = _read_all(_dicoms(), count, 4, tmp_path, isolated=isolated)
    print(f"{count} damaged DICOM files: {dict(outcome)}")
    assert outcome["read"] + outcome["refused"] == count


@pytest.mark.heavy
def test_thousands_of_damaged_files_of_other_formats(tmp_path: Path) -> None:
    outcome = _read_all(_others(tmp_path), 4_000, 5, tmp_path, isolated=False)
    print(f"4000 damaged files of other formats: {dict(outcome)}")
    assert outcome["read"] + outcome["refused"] == 4_000
