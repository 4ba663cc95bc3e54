"""Archives that were damaged on their way."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from scantune.public.entry import PublicData, RemoteFile
from scantune.public.obtain import obtain
from scantune.records import ScantuneError


def damaged_zip() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("image.bin", bytes(100))
    return content.getvalue().replace(bytes(100), bytes(99) + b"\1")


def damaged_tar() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        entry = tarfile.TarInfo("image.bin")
        entry.size = 100_000
        archive.addfile(entry, io.BytesIO(bytes(range(250)) * 400))
    packed = bytearray(gzip.compress(content.getvalue()))
    packed[len(packed) // 2 :] = bytes(b ^ 255 for b in packed[len(packed) // 2 :])
    return bytes(packed)


@pytest.mark.parametrize(("name", "content"), [("a.zip", damaged_zip), ("a.tar.gz", damaged_tar)])
def test_a_damaged_archive_is_a_reason_with_its_file(tmp_path: Path, name: str, content) -> None:
    (tmp_path / name).write_bytes(content())
    data = PublicData("x", "", "", "", prepare=lambda source, out: (source, []), files=(RemoteFile("https://x", name),))
    with pytest.raises(ScantuneError, match=rf"{name}: cannot be unpacked .*remove it"):
        obtain(data, tmp_path, tmp_path / "out", lambda file: lambda received, total: None)
