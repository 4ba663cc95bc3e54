"""What a file is, by its first bytes and never by its name."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from scantune.io.absent import missing, pointer
from scantune.records import ReadError

HEAD = 1 << 15  # the headers of most single-frame DICOM files end within it


def file_head(path: Path) -> bytes:
    """The first 32 KiB of a file.

    Raises:
        ReadError: missing, empty, a pointer of Git LFS or git-annex, or not a file that may be read.
    """
    try:
        if not path.is_file():
            raise missing(path)
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise ReadError(f"the file cannot be opened ({type(error).__name__})", str(error)) from error
    if not head:
        raise ReadError("the file is empty", str(path))
    if reason := pointer(head):
        raise ReadError(reason, str(path))
    return head


def format_of(head: bytes) -> str:
    """The format by its magic bytes.

    Returns:
        A key of the table at the end of this module, or "unknown".
    """
    for name, matches in _MAGIC.items():
        if matches(head):
            return name
    return "unknown"


def archive_of(head: bytes) -> str:
    """The name of an archive by its magic bytes, such as "ZIP"; "" for other files."""
    return next((name for name, at, magic in _ARCHIVES if head[at : at + len(magic)] == magic), "")


def kind_of(path: Path) -> str:
    """The format of a file, as :func:`format_of` names it; "unknown" also where it cannot be opened."""
    try:
        return format_of(file_head(path))
    except ReadError:
        return "unknown"


def is_nifti(head: bytes) -> bool:
    """NIfTI-1 or NIfTI-2, single file or the header of a pair, either byte order."""
    if len(head) < 348:
        return False
    size = struct.unpack("<i", head[:4])[0]
    if size in (348, _swapped(348)):
        return head[344:348] in (b"n+1\0", b"ni1\0")
    return size in (540, _swapped(540)) and head[4:8] in (b"n+2\0", b"ni2\0")


def _swapped(number: int) -> int:
    return struct.unpack("<i", struct.pack(">i", number))[0]


def _bare_dicom(head: bytes) -> bool:
    """A data set without preamble: it starts with a low group in either byte order, and its first length is sane."""
    if len(head) < 16:
        return False
    for order in "<>":
        group, element, length = struct.unpack(order + "HHI", head[:8])
        if group not in (0x0002, 0x0008) or element > 0x0120:
            continue
        explicit = head[4:6].isalpha() and head[4:6].isupper()
        if explicit or length <= 1024:
            return True
    return False


def _metaimage(head: bytes) -> bool:
    """Lines ``name = value``, among them the size and, last, the place of the data."""
    return _META_START.match(head) is not None and b"DimSize" in head and b"ElementType" in head


def _transport_stream(head: bytes) -> bool:
    """MPEG-2 transport stream: a sync byte at the start of each packet of 188 bytes, or after its time (AVCHD)."""
    if len(head) < 581:
        return False
    return any(all(head[first + size * at] == 0x47 for at in range(4)) for first, size in ((0, 188), (4, 192)))


_META_START = re.compile(rb"\s*(ObjectType|ObjectSubType|NDims|Comment|Name|ID)\s*=")
_ARCHIVES = (
    ("ZIP", 0, b"PK\x03\x04"),
    ("tar", 257, b"ustar"),
    ("RAR", 0, b"Rar!\x1a\x07"),
    ("7z", 0, b"7z\xbc\xaf\x27\x1c"),
)
_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")

_MAGIC = {
    "dicom": lambda head: head[128:132] == b"DICM",
    "nifti": is_nifti,
    "gzip": lambda head: head[:2] == b"\x1f\x8b",
    "png": lambda head: head[:8] == b"\x89PNG\r\n\x1a\n",
    "jpeg": lambda head: head[:3] == b"\xff\xd8\xff",
    "tiff": lambda head: head[:4] in (b"II*\0", b"MM\0*", b"II+\0"),
    "bigtiff": lambda head: head[:4] == b"MM\0+",
    "bmp": lambda head: head[:2] == b"BM" and head[14:18] in _BMP_HEADERS,
    "pnm": lambda head: head[:2] in (b"P5", b"P6") and head[2:3].isspace(),
    "gif": lambda head: head[:6] in (b"GIF87a", b"GIF89a"),
    "webp": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "avi": lambda head: head[:4] == b"RIFF" and head[8:12] == b"AVI ",
    "heif": lambda head: head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS,
    "mp4": lambda head: head[4:8] == b"ftyp",
    "mov": lambda head: head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"),
    "mkv": lambda head: head[:4] == b"\x1aE\xdf\xa3",
    "mpeg": lambda head: head[:4] in (b"\0\0\1\xba", b"\0\0\1\xb3") or _transport_stream(head),
    "wmv": lambda head: head[:4] == b"0&\xb2u",
    "jpeg2000": lambda head: head[:12] == b"\0\0\0\x0cjP  \r\n\x87\n" or head[:4] == b"\xff\x4f\xff\x51",
    "jpegxl": lambda head: head[:12] == b"\0\0\0\x0cJXL \r\n\x87\n" or head[:2] == b"\xff\x0a",
    "nrrd": lambda head: head[:7] == b"NRRD000",
    "metaimage": _metaimage,
    "pdf": lambda head: head[:5] == b"%PDF-",
    "dicom without preamble": _bare_dicom,
}
