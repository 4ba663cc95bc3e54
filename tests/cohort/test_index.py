import hashlib
import os

import pytest

from scantune.cohort.faults import CohortError
from scantune.cohort.index import read_index, write_index


def test_index_lists_files_with_digests_and_reads_only_what_changed(tmp_path):
    root, index = tmp_path / "raw", tmp_path / "index.csv"
    (root / "a").mkdir(parents=True)
    for name in ("a/1.dcm", "=2.dcm", ".hidden"):
        (root / name).write_bytes(name.encode())
    first = write_index(root, index)
    assert (first.files, first.hashed) == (2, 2)
    found = read_index(index, root)
    size, _, digest = found[str(root / "a/1.dcm")]
    assert (size, digest) == (7, hashlib.sha256(b"a/1.dcm").hexdigest())
    assert str(root / "=2.dcm") in found

    before = index.read_bytes()
    assert write_index(root, index).hashed == 0
    assert index.read_bytes() == before

    (root / "a/1.dcm").write_bytes(b"longer than it was")
    (root / "=2.dcm").unlink()
    again = write_index(root, index)
    assert (again.files, again.hashed, again.gone) == (1, 1, 1)


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "raw").mkdir()
    os.symlink("nowhere", tmp_path / "raw" / "dangling")
    assert "dangling" in write_index(tmp_path / "raw", tmp_path / "index.csv").unreadable[0]


def test_what_is_no_index_is_refused(tmp_path):
    with pytest.raises(CohortError, match="scantune index"):
        read_index(tmp_path / "none.csv", tmp_path)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CohortError, match="write it anew"):
        read_index(tmp_path / "t.csv", tmp_path)
