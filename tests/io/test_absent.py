"""A file that is not there: the one that was meant is named."""

import unicodedata
from pathlib import Path

import pytest

from tests.io.files import refused


@pytest.mark.parametrize(
    "there, requested, word",
    [
        (unicodedata.normalize("NFD", "Müller.png"), unicodedata.normalize("NFC", "Müller.png"), "Unicode form"),
        ("images/2.png", "images\\2.png", "backslashes"),
        ("Images/A.PNG", "images/a.png", "case only"),
        ("a.nii.gz", "a.nii", "extension"),
        ("b.png", "a.png", None),
    ],
)
def test_what_differs_is_said_and_the_file_that_is_there_is_named(
    tmp_path: Path, there: str, requested: str, word
) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_bytes(b"x")
    error = refused(tmp_path / requested)
    assert error.reason.startswith("there is no such file")
    if word is None:
        assert error.reason == "there is no such file"
    else:
        assert word in error.reason
        assert ascii(str(tmp_path / there)) in error.detail


@pytest.mark.parametrize(
    ("content", "command"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
        (b"/annex/objects/MD5E-s5663237--d41d8cd98f00b204e9800998ecf8427e.nii.gz\n", "datalad get"),
    ],
)
@pytest.mark.parametrize("name", ["a.nii.gz", "a.dcm", "a.png", "a.mp4", "a.nrrd"])
def test_a_pointer_in_the_place_of_a_file_is_told_with_the_command_that_fetches_it(tmp_path, content, command, name):
    (tmp_path / name).write_bytes(content)
    assert command in refused(tmp_path / name).reason


@pytest.mark.parametrize(
    ("target", "word"),
    [(".git/annex/objects/Xk/9w/MD5E-s9--d41d/MD5E-s9--d41d.nii.gz", "datalad get"), ("../gone.nii.gz", "link")],
)
def test_a_link_without_its_file_is_told(tmp_path: Path, target: str, word: str) -> None:
    (tmp_path / "a.nii.gz").symlink_to(target)
    error = refused(tmp_path / "a.nii.gz")
    assert word in error.reason
    assert target in error.detail
