import hashlib
import os

import pytest

from scantune.cohort.faults import CohortError
from scantune.cohort.index import check_links, index_of, read_index, write_digests, write_index


def test_index_lists_files_with_digests_and_reads_only_what_changed(tmp_path):
    root, index = tmp_path / "raw", tmp_path / "index.csv"
    (root / "a").mkdir(parents=True)
    for name in ("a/1.dcm", "=2.dcm", ".hidden"):
        (root / name).write_bytes(name.encode())
    first = write_index(root, index)
    assert (first.files, first.hashed) == (2, 2)
    result = read_index(index, root)
    size, _, digest = result[str(root / "a/1.dcm")]
    assert (size, digest) == (7, hashlib.sha256(b"a/1.dcm").hexdigest())
    assert str(root / "=2.dcm") in result

    before = index.read_bytes()
    assert write_index(root, index).hashed == 0
    assert index.read_bytes() == before

    (root / "a/1.dcm").write_bytes(b"longer than it was")
    (root / "=2.dcm").unlink()
    again = write_index(root, index)
    assert (again.files, again.hashed, again.removed) == (1, 1, 1)


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "raw").mkdir()
    os.symlink("nowhere", tmp_path / "raw" / "dangling")
    assert "dangling" in write_index(tmp_path / "raw", tmp_path / "index.csv").unreadable[0]


def test_what_is_no_index_is_refused(tmp_path):
    with pytest.raises(CohortError, match="scantune index"):
        read_index(tmp_path / "none.csv", tmp_path)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CohortError, match="write it again"):
        read_index(tmp_path / "t.csv", tmp_path)


def test_a_link_to_a_folder_elsewhere_is_refused_until_it_is_watched(tmp_path):
    root, elsewhere = tmp_path / "raw", tmp_path / "elsewhere"
    for folder in (root / "own", elsewhere / "part"):
        folder.mkdir(parents=True)
    (root / "inside").symlink_to(root / "own")
    check_links(root, "films", [])
    (root / "more").symlink_to(elsewhere / "part")
    with pytest.raises(CohortError) as caught:
        check_links(root, "films", [])
    assert f"watched: {{films_1: {{dataset: films, path: {elsewhere / 'part'}}}}}" in str(caught.value)
    check_links(root, "films", [str(elsewhere)])


def test_digests_say_neither_names_nor_times_and_follow_content_and_place(tmp_path):
    def digests(path):
        write_digests(index_of(path, tmp_path / "timed.csv"), path, tmp_path / "out.csv")
        return (tmp_path / "out.csv").read_text()

    folder = tmp_path / "Folderson"
    folder.mkdir()
    (folder / "Filemanova.png").write_bytes(b"a")
    first = digests(folder)
    assert "Filemanova" not in first
    os.utime(folder / "Filemanova.png", (1, 1))
    assert digests(folder) == first
    (folder / "Filemanova.png").rename(folder / "other.png")
    moved = digests(folder)
    assert moved != first
    (folder / "other.png").write_bytes(b"b")
    assert digests(folder) != moved
    table = tmp_path / "Tabletown.csv"
    table.write_text("a\n1\n")
    assert "Tabletown" not in digests(table)
    with pytest.raises(CohortError, match=r"no file or folder .*none"):
        index_of(tmp_path / "none", tmp_path / "timed.csv")


def test_a_name_that_is_not_in_utf_8_is_indexed_as_it_is(tmp_path):
    root, index = tmp_path / "raw", tmp_path / "index.csv"
    root.mkdir()
    old = os.fsdecode(os.fsencode(root) + b"/M\xfcller.dcm")
    for name in (old, root / "Müller.dcm"):
        with open(name, "wb") as file:
            file.write(b"1")
    assert write_index(root, index).hashed == 2
    assert set(read_index(index, root)) == {old, str(root / "Müller.dcm")}
    assert write_index(root, index).hashed == 0
    write_digests(read_index(index, root), root, tmp_path / "digests.csv")
    assert len({line.split(",")[0] for line in (tmp_path / "digests.csv").read_text().splitlines()}) == 3
