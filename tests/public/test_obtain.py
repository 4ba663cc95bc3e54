"""Archives that were damaged on their way."""

from __future__ import annotations

import gzip
import io
import resource
import signal
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from scantune.public.entry import PublicData, RemoteFile
from scantune.public.obtain import _unpack, obtain
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


def zipped(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return content.getvalue()


def unpacked(folder: Path, content: bytes) -> list[str]:
    """The files that a zip archive gives."""
    (folder / "a.zip").write_bytes(content)
    data = PublicData("x", "", "", "", lambda source, out: (source, []), (RemoteFile("https://x", "a.zip"),))
    obtain(data, folder, folder / "out", lambda file: lambda received, total: None)
    return sorted(path.relative_to(folder / "out").as_posix() for path in folder.glob("out/**/*") if path.is_file())


def test_every_file_of_a_zip_is_there_whatever_its_name(tmp_path: Path) -> None:
    names = ["..b.png", "a..b.png", "deep/e..nii", "ü/肺.png", "with blank.png"]
    assert unpacked(tmp_path, zipped(*names)) == sorted(names)


@pytest.mark.parametrize("name", ["/tmp/absolute.png", "../up.png", "a/../../up.png"])
def test_a_zip_that_leads_out_of_the_folder_is_refused_as_a_whole(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScantuneError, match=r"a\.zip: cannot be unpacked .its entry .*leads out of the folder"):
        unpacked(tmp_path, zipped("good.png", name))
    assert not list(tmp_path.glob("out/*"))


def test_a_link_in_a_zip_is_no_file_with_its_target_as_content(tmp_path: Path) -> None:
    content = io.BytesIO(zipped("good.png"))
    with zipfile.ZipFile(content, "a") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "good.png")
    assert unpacked(tmp_path, content.getvalue()) == ["good.png"]


@pytest.mark.parametrize(
    ("local", "central", "value", "reason"), [(6, 8, 1, "encrypted"), (8, 10, 9, "compression method")]
)
def test_a_zip_that_this_program_cannot_read_is_a_reason(tmp_path, local, central, value, reason) -> None:
    content = bytearray(zipped("a.png"))
    content[content.find(b"PK\x03\x04") + local] = value
    content[content.find(b"PK\x01\x02") + central] = value
    with pytest.raises(ScantuneError, match=rf"a\.zip: cannot be unpacked here .*{reason}.*--from FOLDER"):
        unpacked(tmp_path, bytes(content))


def test_a_full_disk_is_not_the_archives_fault(tmp_path: Path) -> None:
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    (tmp_path / "a.zip").write_bytes(zipped("a" * 200))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))  # stands for the disk
    try:
        with pytest.raises(OSError, match="File too large"):
            _unpack(tmp_path / "a.zip", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_file_that_somebody_saved_is_not_deleted_for_being_another_one(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped("a.png"))
    file = RemoteFile("https://x", "a.zip", f"md5:{'0' * 32}")
    data = PublicData("x", "", "", "", lambda source, out: (source, []), (file,))
    with pytest.raises(ScantuneError, match=r"a\.zip: the MD5 of the file is .* published one is 0{32}; remove it to"):
        obtain(data, tmp_path, tmp_path / "out", lambda file: lambda received, total: None)
    assert (tmp_path / "a.zip").is_file()
