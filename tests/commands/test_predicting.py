"""What ``scantune predict FOLDER`` takes for a sample: every file below it is a row, or is counted with the reason."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from scantune.commands.predicting import samples_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that are no pictures beside one that is, in two folders, with links and a pipe."""
    home = tmp_path / "in"
    (home / "sub 1").mkdir(parents=True)
    for name, content in {
        "a.png": b"\x89PNG\r\n\x1a\n",
        "empty.dcm": b"",
        "zeros.dcm": bytes(256),
        "login.dcm": b"<html>please log in</html>",
        ".DS_Store": b"x",
        "sub 1/bad.dcm": b"no",
    }.items():
        (home / name).write_bytes(content)
    (home / "round").symlink_to(home)
    os.mkfifo(home / "pipe")
    return home


@pytest.mark.parametrize("series", [False, True])
def test_every_file_is_a_row_and_what_is_none_is_counted(folder: Path, series: bool) -> None:
    samples, aside = samples_of(folder, series)
    names = [path.relative_to(folder).as_posix() for path in samples]
    assert names == ["a.png", "empty.dcm", "login.dcm", "sub 1/bad.dcm", "zeros.dcm"]
    assert aside == Counter({"hidden": 1, "links to folders": 1, "neither files nor folders": 1})


def test_an_empty_folder_is_a_row_itself(tmp_path: Path) -> None:
    assert samples_of(tmp_path) == ([tmp_path], Counter())
