"""Files are whole or not there, whoever writes them and however the disk fills up."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from scantune import files
from scantune.files import DiskFullError
from scantune.records import ScantuneError


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    files.write_text(path, "first\n")
    files.write_text(path, "zweite – é\r\n")
    assert path.read_bytes() == "zweite – é\r\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_share_that_syncs_no_folders_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def of_files(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(handle)

    monkeypatch.setattr(os, "fsync", of_files)
    files.write_text(tmp_path / "a", "whole")
    assert (tmp_path / "a").read_text() == "whole"


def test_a_writer_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"value": None})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"value": float("nan")})
    files.write_json(path, files.finite({"value": [float("inf"), 1.5]}), sort_keys=True)
    assert path.read_text() == '{\n "value": [\n  null,\n  1.5\n ]\n}\n'


def test_a_full_disk_is_told_with_the_bytes_needed_and_leaves_what_was_whole(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "a.bin"
    files.write_bytes(path, b"first")
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(DiskFullError, match=r"a\.bin was not written \(2\.0 kB needed, .*free in"):
        files.write_bytes(path, b"x" * 2000)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_of_one_file_at_once_end_with_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    bodies = [bytes([k]) * 200_000 for k in range(8)]
    writers = [threading.Thread(target=files.write_bytes, args=(path, body)) for body in bodies]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in bodies
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_that_does_not_fit_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    files.append(path, "whole\n")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))  # stands for the disk: a write ends in the middle
    try:
        with pytest.raises(DiskFullError, match="disk is full, or a limit on the size of files"):
            files.append(path, "half of this line is written\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_text() == "whole\n"


def test_of_paths_and_addresses_among_settings_the_last_part_remains() -> None:
    settings = {
        "files": ["/home/jane/{id}.png", "pics/{id}.png", r"C:\\Users\\jane\\a.png"],
        "weights": {"source": "~/jane/net.pth"},
        "address": "https://jane.example/net.pth",
        "above": "../jane/x.csv",
        "epochs": 3,
        "name": "imagenet",
        "nothing": None,
    }
    assert files.without_paths(settings) == {
        "files": ["…/{id}.png", "pics/{id}.png", "…/a.png"],
        "weights": {"source": "…/net.pth"},
        "address": "…/net.pth",
        "above": "…/x.csv",
        "epochs": 3,
        "name": "imagenet",
        "nothing": None,
    }


def test_a_device_or_a_pipe_is_written_to_and_never_replaced(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    answers: list[str] = []
    reader = threading.Thread(target=lambda: answers.append(pipe.read_text()))
    reader.start()
    files.refuse_unwritable(pipe)
    files.write_text(pipe, "a,b\n1,2\n")
    reader.join(10)
    assert answers == ["a,b\n1,2\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    files.refuse_unwritable(link)
    files.write_text(link, "gone")
    assert link.is_symlink()
    assert stat.S_ISCHR(link.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] in (["pipe", "null"], ["null", "pipe"]), "no partial file"


def test_a_full_device_is_a_full_disk(tmp_path: Path):
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    with pytest.raises(DiskFullError, match="full"):
        files.write_text(link, "text")
    assert link.is_symlink()


def test_a_link_to_a_file_is_replaced_and_what_it_leads_to_is_kept(tmp_path: Path):
    """As DVC links files to its cache."""
    (tmp_path / "cached").write_text("before")
    (tmp_path / "out").symlink_to(tmp_path / "cached")
    files.write_text(tmp_path / "out", "after")
    assert (tmp_path / "cached").read_text() == "before"
    assert (tmp_path / "out").read_text() == "after"


def test_another_name_of_an_open_file_is_refused(tmp_path: Path):
    with (tmp_path / "open").open("w") as file:
        name = Path(f"/proc/self/fd/{file.fileno()}")
        for refuse in (files.refuse_unwritable, lambda path: files.write_text(path, "text")):
            with pytest.raises(ScantuneError, match="is an open file here; name the file itself"):
                refuse(name)
    assert (tmp_path / "open").read_text() == ""


def test_half_files_are_removed_and_nothing_else(tmp_path: Path):
    kept = [tmp_path / name for name in ("a.svg", "figures/.hidden", "figures/b.partial")]
    for path in (*kept, tmp_path / "figures" / ".roc.svg.0123.partial", tmp_path / ".a.svg.4567.partial"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    files.remove_half(tmp_path)
    files.remove_half(tmp_path / "absent")
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
