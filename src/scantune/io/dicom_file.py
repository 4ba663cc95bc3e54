"""One DICOM file: the header items that reading needs, and its frames as stored values."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from scantune.io.arrays import Limits
from scantune.io.detect import HEAD
from scantune.io.dicom_scan import scan
from scantune.records import ReadError

_WORDS = """
SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID Modality Manufacturer SeriesDescription SeriesNumber
SeriesInstanceUID PatientID AcquisitionNumber InstanceNumber ImagePositionPatient ImageOrientationPatient
FrameOfReferenceUID TemporalPositionIdentifier
EchoTime EchoNumbers TriggerTime DiffusionBValue DiffusionGradientOrientation InversionTime FlipAngle
SpacingBetweenSlices SliceThickness GantryDetectorTilt ImagesInAcquisition
SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows Columns BitsAllocated BitsStored
HighBit PixelRepresentation PixelSpacing ImagerPixelSpacing NominalScannedPixelSpacing
PatientOrientation ViewPosition ImageLaterality Laterality
RescaleSlope RescaleIntercept RescaleType ModalityLUTSequence VOILUTSequence WindowCenter WindowWidth VOILUTFunction
RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor
RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData
SegmentedRedPaletteColorLookupTableData SegmentedGreenPaletteColorLookupTableData
SegmentedBluePaletteColorLookupTableData
FrameTime FrameTimeVector CineRate RecommendedDisplayFrameRate SequenceOfUltrasoundRegions
SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
"""
KEYWORDS = _WORDS.split()
TAGS = {keyword: int(tag_for_keyword(keyword) or 0) for keyword in KEYWORDS}
_TAG_LIST = [Tag(tag) for tag in TAGS.values()]
_TAG_SET = frozenset(TAGS.values())
_LONG_HEAD = 1 << 18
_LITTLE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
_BIG = "1.2.840.10008.1.2.2"
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_PIXEL_TAGS = {0x7FE00010: "PixelData", 0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData"}
_VENDOR_WORDS = """
siemens ge philips canon toshiba hitachi fujifilm agfa carestream samsung hologic konica kodak mindray esaote bruker
acuson atl sonosite
"""
_VENDORS = _VENDOR_WORDS.split()


@dataclass(eq=False)
class DicomFile:
    """The header of one DICOM image and where its pixels lie.

    Attributes:
        path: of the file.
        items: the items of `KEYWORDS` by tag, as pydicom's raw or converted elements.
        syntax: transfer syntax UID, or "" where the file states none.
        offset: byte at which the pixel data element starts, or None (deflated).
        little: byte order of the data set.
        implicit: whether value representations are left out.
        media_class: SOP class of the meta header, "" where there is none.
        notes: what was odd.
    """

    path: Path
    items: dict[int, Any]
    syntax: str
    offset: int | None
    little: bool
    implicit: bool
    media_class: str = ""
    notes: list[str] = field(default_factory=list)
    _numbers: dict[str, list[float]] = field(
        default_factory=dict, init=False, repr=False
    )  # parsed once: each is asked many times

    @cached_property
    def header(self) -> pydicom.Dataset:
        """The items as a data set."""
        dataset = pydicom.Dataset({BaseTag(tag): item for tag, item in self.items.items()})
        dataset.set_original_encoding(self.implicit, self.little)
        return dataset

    def has(self, keyword: str) -> bool:
        """Whether the header has an item, be it empty."""
        return TAGS[keyword] in self.items

    def text(self, keyword: str) -> str:
        """A header item as text, "" where it is missing or empty."""
        item = self.items.get(TAGS[keyword])
        if item is None or item.value is None:
            return ""
        value = item.value
        if isinstance(value, bytes):
            return value.decode("latin-1").strip(" \0")
        return str(value).strip(" \0")

    def floats(self, keyword: str) -> list[float]:
        """A header item as numbers, [] where it is missing, empty or not numbers."""
        found = self._numbers.get(keyword)
        if found is None:
            found = self._numbers[keyword] = floats(self.items.get(TAGS[keyword]), TAGS[keyword])
        return found

    def number(self, keyword: str, default: float | None = None) -> float | None:
        """The first number of a header item."""
        found = self.floats(keyword)
        return found[0] if found else default

    def whole(self, keyword: str, default: int = 0) -> int:
        """The first number of a header item as an integer."""
        found = self.number(keyword)
        return int(found) if found is not None and abs(found) < 1e15 else default

    @property
    def rows(self) -> int:
        """Height in pixels."""
        return self.whole("Rows")

    @property
    def columns(self) -> int:
        """Width in pixels."""
        return self.whole("Columns")

    @property
    def samples(self) -> int:
        """Samples a pixel: 1 or 3."""
        return self.whole("SamplesPerPixel", 1) or 1

    @property
    def n_frames(self) -> int:
        """Frames in the file; 1 where it says nothing."""
        return max(1, self.whole("NumberOfFrames", 1))

    @property
    def photometric(self) -> str:
        """Photometric interpretation, upper case."""
        return self.text("PhotometricInterpretation").upper()

    @property
    def modality(self) -> str:
        """Two to sixteen capital letters; "" for anything else."""
        text = self.text("Modality").upper()
        return text if re.fullmatch(r"[A-Z]{2,16}", text) else ""

    @property
    def compressed(self) -> bool:
        """Whether pixels are encapsulated."""
        return _encapsulated(self.syntax)


@lru_cache(256)
def _encapsulated(syntax: str) -> bool:
    return bool(syntax) and UID(syntax).is_transfer_syntax and UID(syntax).is_encapsulated


def floats(item: Any, tag: int) -> list[float]:
    """Numbers of a DS, IS, US, FD … element, [] where there are none.

    Texts and shorts are parsed from raw bytes: every slice is asked, and pydicom's conversion is ten times slower.
    """
    if item is None or item.value is None:
        return []
    if not isinstance(item, RawDataElement) or not isinstance(item.value, bytes):
        return _converted(item)
    if item.VR in ("DS", "IS") or (item.VR is None and tag in _TEXT_NUMBERS):
        try:
            return [float(piece) for piece in item.value.rstrip(b" \0").split(b"\\")]
        except ValueError:
            return []
    if item.VR == "US" or (item.VR is None and tag in _SHORTS):
        order = "<u2" if item.is_little_endian else ">u2"
        return [float(value) for value in np.frombuffer(item.value[: len(item.value) // 2 * 2], order)]
    return _converted(item)


def _converted(item: Any) -> list[float]:
    if isinstance(item, RawDataElement):
        item = convert_raw_data_element(item)
    value = item.value
    if value is None or isinstance(value, (str, bytes)):
        return []
    try:
        return [float(one) for one in (value if hasattr(value, "__iter__") else [value])]
    except (TypeError, ValueError):
        return []


_SHORT_WORDS = "Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation SamplesPerPixel PlanarConfiguration"
_SHORTS = {TAGS[keyword] for keyword in _SHORT_WORDS.split()}
_TEXT_NUMBER_WORDS = """
ImagePositionPatient ImageOrientationPatient PixelSpacing ImagerPixelSpacing RescaleSlope RescaleIntercept EchoTime
EchoNumbers InstanceNumber SeriesNumber AcquisitionNumber TriggerTime WindowCenter WindowWidth NumberOfFrames FrameTime
CineRate TemporalPositionIdentifier SpacingBetweenSlices SliceThickness GantryDetectorTilt NominalScannedPixelSpacing
FlipAngle InversionTime RecommendedDisplayFrameRate ImagesInAcquisition FrameTimeVector
"""
_TEXT_NUMBERS = {TAGS[keyword] for keyword in _TEXT_NUMBER_WORDS.split()}


def open_dicom(path: Path, limits: Limits) -> DicomFile:
    """Read the header of a DICOM file, with or without preamble and meta header.

    Raises:
        ReadError: it cannot be parsed, or is deflated to more than the limit.
    """
    with path.open("rb") as handle:
        return parse(handle, handle.read(HEAD), path, limits)


def parse(handle: BinaryIO, head: bytes, path: Path, limits: Limits) -> DicomFile:
    """As `open_dicom`, of a file that is open already and whose head is known."""
    scanned = scan(head, _TAG_SET)
    if scanned is None and len(head) == HEAD:
        scanned = scan(head + handle.read(_LONG_HEAD), _TAG_SET)  # private items of some vendors take much room
    if scanned is not None:
        at, media = scanned.offset, scanned.media_class
        return DicomFile(path, dict(scanned.items), scanned.syntax, at, True, scanned.implicit, media)
    return _parse_slowly(handle, head, path, limits)


def _parse_slowly(handle: BinaryIO, head: bytes, path: Path, limits: Limits) -> DicomFile:
    if _DEFLATED in head:
        _check_deflated(path, limits)
    handle.seek(0)
    try:
        header = pydicom.dcmread(handle, stop_before_pixels=True, specific_tags=_TAG_LIST, force=True)
    except Exception as error:
        raise ReadError("the DICOM header cannot be read", f"{path}: {error!r}") from error
    offset = None if _DEFLATED.decode() in str(header.file_meta.get("TransferSyntaxUID", "")) else handle.tell()
    syntax = str(header.file_meta.get("TransferSyntaxUID", "") or "")
    media = str(header.file_meta.get("MediaStorageSOPClassUID", "") or "")
    notes = [] if syntax else ["no meta header with a transfer syntax; the encoding was found by looking"]
    implicit, little = header.original_encoding
    items = {int(tag): item for tag, item in header.items()}
    return DicomFile(path, items, syntax, offset, little is not False, bool(implicit), media, notes)


def _check_deflated(path: Path, limits: Limits) -> None:
    """Refuse a deflated data set that grows beyond the limit: pydicom inflates it at once."""
    raw = path.read_bytes()
    at = raw.find(b"\x02\x00\x00\x00UL\x04\x00")
    start = at + 12 + int.from_bytes(raw[at + 8 : at + 12], "little") if at >= 0 else 0
    stream, size, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, raw[start:]
    try:
        while rest and not stream.eof:
            size += len(stream.decompress(rest, 1 << 24))
            rest = stream.unconsumed_tail
            if size > limits.max_bytes:
                raise ReadError("the deflated data set is larger than the limit")
    except zlib.error as error:
        raise ReadError("the deflated data set is damaged", repr(error)) from error


def vendor(file: DicomFile) -> str:
    """The manufacturer, as one of the known names or "other": what a header says there is free text."""
    words = re.findall(r"[a-z]+", file.text("Manufacturer").lower())
    found = [name for name in _VENDORS if all(part in words for part in name.split())]
    return found[0] if found else ("other" if words else "")


def native_frames(file: DicomFile) -> tuple[int, int, np.dtype] | None:
    """Start of the first frame, bytes of a frame and dtype, for uncompressed pixels that need no unpacking; else None.

    Raises:
        ReadError: no pixel data, or less of it than the header says.
    """
    if file.offset is None or file.syntax not in (*_LITTLE, _BIG, ""):
        return None
    with file.path.open("rb") as handle:
        handle.seek(file.offset)
        element = handle.read(12)
        size = handle.seek(0, 2)
    order: Literal["little", "big"] = "little" if file.little else "big"
    if len(element) < 8:
        raise ReadError("the file has no pixel data, or is cut before it", str(file.path))
    tag = int.from_bytes(element[0:2], order) << 16 | int.from_bytes(element[2:4], order)
    if tag not in _PIXEL_TAGS:
        raise ReadError("the file has no pixel data", str(file.path))
    explicit = element[4:6] in (b"OW", b"OB", b"OF", b"OD", b"UN", b"OL")
    length = int.from_bytes(element[8:12] if explicit else element[4:8], order)
    start = file.offset + (12 if explicit else 8)
    if not file.little and element[4:6] == b"OW" and file.whole("BitsAllocated") == 8:
        return None  # bytes lie swapped in words of two
    allocated = file.whole("BitsAllocated")
    dtype = _stored_dtype(file, tag, allocated)
    if length == 0xFFFFFFFF or dtype is None or file.samples not in (1, 3) or file.photometric == "YBR_FULL_422":
        return None
    frame = file.rows * file.columns * file.samples * dtype.itemsize
    needed = frame * file.n_frames
    available = min(length, size - start)
    if available < needed:
        raise ReadError(f"the pixel data is cut short: {max(0, available)} of {needed} bytes are there", str(file.path))
    return start, frame, dtype


def _stored_dtype(file: DicomFile, tag: int, allocated: int) -> np.dtype | None:
    order = "<" if file.little else ">"
    if tag != 0x7FE00010:
        return np.dtype(f"{order}f{4 if tag == 0x7FE00008 else 8}")
    if allocated not in (8, 16, 32):
        return None
    return np.dtype(f"{order}{'i' if file.whole('PixelRepresentation') else 'u'}{allocated // 8}")


def read_native(file: DicomFile, place: tuple[int, int, np.dtype], index: int) -> np.ndarray:
    """One uncompressed frame as stored: [H, W] or [H, W, 3]."""
    start, frame, dtype = place
    flat = np.fromfile(file.path, dtype=dtype, count=frame // dtype.itemsize, offset=start + index * frame)
    if flat.size * dtype.itemsize != frame:
        raise ReadError("the pixel data is cut short", str(file.path))
    if file.samples == 1:
        return in_stored_bits(flat.reshape(file.rows, file.columns), file)
    if file.whole("PlanarConfiguration") == 1:
        return np.moveaxis(flat.reshape(3, file.rows, file.columns), 0, -1)
    return flat.reshape(file.rows, file.columns, 3)


def in_stored_bits(values: np.ndarray, file: DicomFile) -> np.ndarray:
    """Clear what lies above the highest stored bit (overlays in old files), where there is anything."""
    stored = file.whole("BitsStored")
    allocated = values.dtype.itemsize * 8
    if values.dtype.kind not in "iu" or not 0 < stored < allocated or values.size == 0:
        return values
    if values.dtype.kind == "u":
        return values if int(values.max()) >> stored == 0 else values & values.dtype.type((1 << stored) - 1)
    if -(1 << (stored - 1)) <= int(values.min()) and int(values.max()) < 1 << (stored - 1):
        return values
    shift = allocated - stored
    return (values << shift) >> shift  # the sign from the highest stored bit
