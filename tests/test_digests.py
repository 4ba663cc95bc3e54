"""Digests are SHA-256, of a file as of its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scantune.digests import SHORT, file_digest, text_digest


def test_a_text_and_a_file_of_it_have_one_digest(tmp_path: Path) -> None:
    assert text_digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a", SHORT) == text_digest("abc")[:16]


def test_a_file_of_several_chunks_is_read_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    (tmp_path / "a").write_bytes(content)
    assert file_digest(tmp_path / "a") == hashlib.sha256(content).hexdigest()
