"""Headers and the data files that they name, where files are counted, digested and served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from scantune import io
from scantune.io.data_files import only_data, with_data_files
from scantune.preprocess.sources import digest_of, parts, remember, remembered, unchanged
from scantune.preprocess.within import Within, opened
from scantune.records import ReadError


def _write(path: Path, seed: int = 0, compressed: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 100, (4, 5, 6)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path), useCompression=compressed)
    return path


@pytest.mark.parametrize(("name", "data"), [("a.mhd", "a.raw"), ("a.mhd", "a.zraw"), ("a.nhdr", "a.raw.gz")])
def test_a_header_goes_with_its_data_and_other_files_go_alone(tmp_path: Path, name: str, data: str) -> None:
    header = _write(tmp_path / name, compressed=data != "a.raw")
    assert with_data_files(header) == parts(header) == [header, tmp_path / data]
    assert only_data(tmp_path.iterdir()) == {tmp_path / data}
    for other in (_write(tmp_path / "b.mha"), _write(tmp_path / "b.nrrd"), tmp_path / data, tmp_path / "none"):
        assert with_data_files(other) == [other]


def test_a_changed_data_file_changes_the_digest(tmp_path: Path) -> None:
    header, raw = _write(tmp_path / "a.mhd"), tmp_path / "a.raw"
    before, learned = digest_of(header, {})
    assert set(learned) == {str(header), str(raw)}
    remember(tmp_path / "digests.sqlite", learned)
    known = remembered(tmp_path / "digests.sqlite", [header])
    assert digest_of(header, known) == (before, {})
    assert unchanged([header], known)
    raw.write_bytes(raw.read_bytes()[::-1])
    assert not unchanged([header], known)
    after, learned = digest_of(header, known)
    assert after != before
    assert set(learned) == {str(raw)}
    raw.unlink()
    with pytest.raises(ReadError, match="no such file"):
        digest_of(header, known)


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
def test_data_of_a_served_header_are_opened_with_it(tmp_path: Path, name: str) -> None:
    header = _write(tmp_path / "in" / name)
    with opened([header, _write(tmp_path / "in" / "b.mha")], Within((str(tmp_path / "in"),))) as paths:
        for path, original in zip(paths, (header, tmp_path / "in" / "b.mha"), strict=True):
            np.testing.assert_array_equal(io.read(path).array, io.read(original).array)


def test_data_of_a_served_header_that_lie_outside_are_refused(tmp_path: Path) -> None:
    header = _write(tmp_path / "in" / "a.mhd")
    (tmp_path / "in" / "a.raw").rename(tmp_path / "secret.raw")
    (tmp_path / "in" / "a.raw").symlink_to(tmp_path / "secret.raw")
    within = Within((str(tmp_path / "in"),))
    with pytest.raises(ReadError, match="outside the served folders"), opened([header], within):
        pass
    text = header.read_text()
    for name in (str(tmp_path / "secret.raw"), "../secret.raw"):
        header.write_text(text.replace("a.raw", name))
        with opened([header], within) as (path,), pytest.raises(ReadError, match="its header names a data file"):
            io.read(path)


def test_served_data_count_among_bytes_and_files(tmp_path: Path) -> None:
    header = _write(tmp_path / "a.mhd")
    size = header.stat().st_size + 10
    with pytest.raises(ReadError, match="larger than"), opened([header], Within((str(tmp_path),), max_bytes=size)):
        pass
    with pytest.raises(ReadError, match="more than 0 files"), opened([header], Within((str(tmp_path),), max_files=0)):
        pass
