"""One DICOM file: the header items that reading needs, and its frames as stored values."""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from scantune.io.arrays import Limits
from scantune.io.detect import HEAD
from scantune.io.dicom_numbers import NotANumberError, numbers
from scantune.io.dicom_scan import HeaderGoesOnError, Scanned, scan
from scantune.records import ReadError

_WORDS = """
SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID Modality Manufacturer SeriesDescription SeriesNumber
SeriesInstanceUID PatientID AcquisitionNumber InstanceNumber ImagePositionPatient ImageOrientationPatient
FrameOfReferenceUID TemporalPositionIdentifier
ConvolutionKernel KVP
StudyInstanceUID RepetitionTime SequenceName ScanOptions ContrastBolusAgent PatientPosition LossyImageCompression
EchoTime EchoNumbers TriggerTime DiffusionBValue DiffusionGradientOrientation InversionTime FlipAngle
SpacingBetweenSlices SliceThickness GantryDetectorTilt ImagesInAcquisition NumberOfSlices
SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows Columns BitsAllocated BitsStored
HighBit PixelRepresentation PixelSpacing ImagerPixelSpacing NominalScannedPixelSpacing
PatientOrientation ViewPosition ImageLaterality Laterality
PixelPaddingValue PixelPaddingRangeLimit FloatPixelPaddingValue FloatPixelPaddingRangeLimit
DoubleFloatPixelPaddingValue DoubleFloatPixelPaddingRangeLimit PresentationLUTShape
SmallestImagePixelValue LargestImagePixelValue RealWorldValueMappingSequence PixelAspectRatio
RescaleSlope RescaleIntercept RescaleType ModalityLUTSequence VOILUTSequence WindowCenter WindowWidth VOILUTFunction
RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor
RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData
SegmentedRedPaletteColorLookupTableData SegmentedGreenPaletteColorLookupTableData
SegmentedBluePaletteColorLookupTableData
ComplexImageComponent
FrameTime FrameTimeVector CineRate RecommendedDisplayFrameRate SequenceOfUltrasoundRegions
GridFrameOffsetVector DoseGridScaling DoseUnits DoseType DoseSummationType Units SUVType DecayCorrection CorrectedImage
SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence DimensionIndexSequence
"""
KEYWORDS = _WORDS.split()
TAGS = {keyword: int(tag_for_keyword(keyword) or 0) for keyword in KEYWORDS}
SEQUENCES = frozenset(tag for keyword, tag in TAGS.items() if keyword.endswith(("Sequence", "Regions")))
#: Private elements that tell volumes apart, as `dicom_keys` reads them, by their blocks' usual place.
PRIVATE = frozenset(
    (0x0019100A, 0x0019100C, 0x0019100E, 0x0019109C, 0x001910B3, 0x001910BB, 0x001910BC, 0x001910BD, 0x00431039,
     0x20011003, 0x200510B0, 0x200510B1, 0x200510B2, 0x2005100E, 0x20051429, 0x00651009, 0x00651037, 0x00651050)
)  # fmt: skip
_TAG_LIST = [Tag(tag) for tag in (*TAGS.values(), *PRIVATE)]
_TAG_SET = frozenset(TAGS.values()) | PRIVATE
#: Bytes of a header beyond the first ones, in turn.
_MORE = (1 << 18, 1 << 22, 1 << 26)
_DEFLATED = b"1.2.840.10008.1.2.1.99"
#: A deflated file may always grow to the first (bytes), and beyond that by the second: masks of zeros grow so, bombs
#: a thousandfold.
_SMALL, _GROWTH = 2**26, 100
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
        origin: of a file that was unpacked, the gzip file; else None.
        unpacked: what keeps the unpacked file for as long as it is in use.
    """

    path: Path
    items: dict[int, Any]
    syntax: str
    offset: int | None
    little: bool
    implicit: bool
    media_class: str = ""
    notes: list[str] = field(default_factory=list)
    origin: Path | None = None
    unpacked: object = None
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
        if isinstance(value, (list, tuple, MultiValue)):
            value = "\\".join(str(one) for one in value)
        return str(value).strip(" \0")

    def floats(self, keyword: str) -> list[float]:
        """A header item as numbers, [] where it is missing, empty or not numbers."""
        values = self._numbers.get(keyword)
        if values is None:
            try:
                values = numbers(self.item(keyword), TAGS[keyword], self.notes)
            except NotANumberError:
                values = []
            self._numbers[keyword] = values
        return values

    def item(self, keyword: str) -> Any:
        """A header item as it stands in the file, or None."""
        return self.items.get(TAGS[keyword])

    def one_number(self, keyword: str) -> float | None:
        """The number of a header item, None where it is absent or empty.

        Raises:
            ReadError: it says something else than one finite number.
        """
        values = self._numbers.get(keyword)
        if values is None:
            try:
                values = self._numbers[keyword] = numbers(self.item(keyword), TAGS[keyword], self.notes)
            except NotANumberError as error:
                raise ReadError(f"{keyword} is not a number: {error}", f"{self.path}: {self.text(keyword)}") from error
        if not values:
            if self.text(keyword):
                raise ReadError(f"{keyword} is not a number", f"{self.path}: {self.text(keyword)}")
            return None
        if len(values) > 1:
            raise ReadError(f"{keyword} has {len(values)} values where one belongs: {values[0]:g}, {values[1]:g} …")
        if not math.isfinite(values[0]):
            raise ReadError(f"{keyword} is {values[0]:g}", str(self.path))
        return values[0]

    def one_integer(self, keyword: str) -> int | None:
        """As `one_number`, of an item that holds whole numbers."""
        value = self.one_number(keyword)
        if value is None:
            return None
        if value != int(value):
            raise ReadError(f"{keyword} is {value:g}, and must be a whole number", str(self.path))
        return int(value)

    def number(self, keyword: str, default: float | None = None) -> float | None:
        """The first number of a header item."""
        values = self.floats(keyword)
        return values[0] if values else default

    def integer(self, keyword: str, default: int = 0) -> int:
        """The first number of a header item as an integer."""
        value = self.number(keyword)
        return int(value) if value is not None and abs(value) < 1e15 else default

    @property
    def sop_class(self) -> str:
        """SOP class UID, "" where neither the data set nor the meta header states one."""
        return self.text("SOPClassUID") or self.media_class

    @property
    def is_dose(self) -> bool:
        """Whether it is an RT Dose, by its class or its modality."""
        return self.sop_class == "1.2.840.10008.5.1.4.1.1.481.2" or self.modality == "RTDOSE"

    @property
    def is_parametric_map(self) -> bool:
        """Whether it is a Parametric Map, of floats or of integers with real-world value maps."""
        return self.sop_class == "1.2.840.10008.5.1.4.1.1.30"

    @property
    def rows(self) -> int:
        """Height in pixels."""
        return self.integer("Rows")

    @property
    def columns(self) -> int:
        """Width in pixels."""
        return self.integer("Columns")

    @property
    def samples(self) -> int:
        """Samples a pixel: 1 or 3; what is odd about them `dicom_meaning` finds."""
        return self.integer("SamplesPerPixel") or (3 if self.photometric.startswith(("RGB", "YBR")) else 1)

    @property
    def n_frames(self) -> int:
        """Frames in the file; 1 where it says nothing."""
        return max(1, self.integer("NumberOfFrames", 1))

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


def open_dicom(path: Path, limits: Limits) -> DicomFile:
    """Read the header of a DICOM file, with or without preamble and meta header.

    Raises:
        ReadError: it cannot be parsed, or is deflated to more than the limit.
    """
    with path.open("rb") as handle:
        return parse(handle, handle.read(HEAD), path, limits)


def parse(handle: BinaryIO, head: bytes, path: Path, limits: Limits) -> DicomFile:
    """As `open_dicom`, of a file that is open already and whose head is known."""
    scanned = _scanned(handle, head)
    if scanned is not None:
        at, media = scanned.offset, scanned.media_class
        return DicomFile(path, dict(scanned.items), scanned.syntax, at, True, scanned.implicit, media)
    return _parse_slowly(handle, head, path, limits)


def _scanned(handle: BinaryIO, head: bytes) -> Scanned | None:
    """The header by its bytes, of which more are read until it ends: private items, and frames, take much room."""
    for more in (*_MORE, None):
        try:
            return scan(head, _TAG_SET, SEQUENCES)
        except HeaderGoesOnError:
            if more is None or len(head) < HEAD:
                return None
            head += handle.read(more)
    return None


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
    """Refuse a deflated data set that grows beyond the limit, or as no picture does: pydicom inflates it at once."""
    raw = path.read_bytes()
    usual = max(_SMALL, _GROWTH * len(raw))
    at = raw.find(b"\x02\x00\x00\x00UL\x04\x00")
    start = at + 12 + int.from_bytes(raw[at + 8 : at + 12], "little") if at >= 0 else 0
    stream, size, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, raw[start:]
    try:
        while rest and not stream.eof:
            size += len(stream.decompress(rest, 1 << 24))
            rest = stream.unconsumed_tail
            if size > limits.max_bytes:
                raise ReadError(f"the deflated data set is larger than {limits.max_bytes:,} bytes (4 × max_voxels)")
            if size > usual:
                words = f"the deflated data set grows more than {_GROWTH}-fold, to over {_SMALL // 2**20} MB"
                raise ReadError(f"{words}; if you trust it, save it without deflation (gdcmconv --raw)")
    except zlib.error as error:
        raise ReadError("the deflated data set is damaged", repr(error)) from error


def vendor(file: DicomFile) -> str:
    """The manufacturer, as one of the known names or "other": what a header says there is free text."""
    words = re.findall(r"[a-z]+", file.text("Manufacturer").lower())
    vendors = [name for name in _VENDORS if all(part in words for part in name.split())]
    return vendors[0] if vendors else ("other" if words else "")
