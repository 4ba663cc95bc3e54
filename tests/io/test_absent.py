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
