"""What the stored values of a DICOM image mean: the one place for every kind of source.

A still, a loop, a slice of a series and a frame of an enhanced file all ask here. What a file says is read, or refused
with the attribute and its value; a default stands only where the standard has one for an attribute that is absent.

PhotometricInterpretation: needed, one of those that can be read, fitting SamplesPerPixel (which follows from it where
that is absent) and PresentationLUTShape; the same in all slices of a volume.

BitsAllocated, BitsStored: needed (float pixels have no BitsStored). HighBit: BitsStored − 1 where it is absent; where
it lies higher, values are shifted. Bits outside of these are cleared: noted, unless an overlay is declared there.

PixelRepresentation: where it is absent, or another attribute contradicts it, a pixel with the sign bit set is refused.
The same in all slices. Colours have no sign.

PlanarConfiguration: needed for uncompressed colour, 0 of YBR_FULL_422.

NumberOfFrames: one where it is absent; refused where the pixel data holds more frames, or fewer.

RescaleSlope and RescaleIntercept: 1 and 0 where both are absent, but refused in CT and PET, whose unit they give. One
without the other is refused; so are slices with it beside slices without. Each slice by its own, which is noted.
RescaleType is the same in all slices.

DoseGridScaling, DoseUnits: of an RT Dose, in place of a rescale; needed.

ModalityLUTSequence: in place of a rescale; both are refused. Descriptor and data must fit. The same in all slices.

Palettes: descriptors of the three colours must be alike and fit their data.

PixelPaddingValue, PixelPaddingRangeLimit: no padding where both are absent. A limit alone is refused. The same in all
slices where a pixel is padding.

VOILUTSequence, WindowCenter, WindowWidth: asked for only where the file's own window is; half a window is refused.

RealWorldValueMappingSequence: where there is neither a rescale nor a modality LUT, its one map is applied; a stored
value outside of what it covers is refused, and so are several maps. Beside a rescale: noted where it differs.

SmallestImagePixelValue, LargestImagePixelValue: only their sign, where it contradicts PixelRepresentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from pydicom import Dataset

from scantune.io import dicom_real_world as real_worlds
from scantune.io.arrays import Options
from scantune.io.dicom_colour import colour_of
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_padding import padding_of
from scantune.io.dicom_rescale import rescale_needed_by, rescale_of, unit_of
from scantune.io.dicom_tables import Table, palette, sequence_table
from scantune.records import ReadError


@dataclass(frozen=True, eq=False)
class Meaning:
    """From stored values to values.

    Attributes:
        photometric: photometric interpretation.
        samples: a pixel, 1 or 3.
        allocated: bits of a stored value.
        stored: of them, bits that are used; None for float pixels.
        high: the highest bit that is used, or None where the file does not say.
        signed: two's complement; None where the file does not say.
        slope: rescale slope.
        intercept: rescale intercept.
        rescaled: whether the file states the two.
        unit: rescale type, dose unit, or that of a real-world value map.
        table: modality LUT in place of the rescale.
        padding: lowest and highest stored value that stand for no pixel at all, or None.
        covered: lowest and highest stored value that a real-world value map in place of the rescale covers, or None.
        measured: of CT or PET, in HU or Gray: values that are not turned round for the eye.
        doubt: why the sign is not known.
    """

    photometric: str
    samples: int
    allocated: int
    stored: int | None
    high: int | None
    signed: bool | None
    slope: float = 1.0
    intercept: float = 0.0
    rescaled: bool = False
    unit: str = ""
    table: Table | None = None
    padding: tuple[float, float] | None = None
    covered: tuple[float, float] | None = None
    measured: bool = False
    doubt: str = "PixelRepresentation is missing"

    @property
    def inverse(self) -> bool:
        """Whether low values are bright."""
        return self.photometric == "MONOCHROME1"

    def turned(self, options: Options, notes: list[str]) -> bool:
        """Whether values are turned round, so that high is bright; what is done about low that is bright is noted."""
        if not self.inverse or options.monochrome1 == "keep":
            return False
        kept = self.measured and options.window is None
        notes.append("MONOCHROME1, whose values are kept in their unit" if kept else "MONOCHROME1 inverted")
        return not kept

    @property
    def plain(self) -> bool:
        """Whether values are the stored ones."""
        return self.table is None and self.slope == 1 and self.intercept == 0

    @property
    def stored_range(self) -> tuple[int, int] | None:
        """Lowest and highest value that the stored bits can hold; None for float pixels."""
        if self.stored is None:
            return None
        low = -(1 << (self.stored - 1)) if self.signed else 0
        return low, low + (1 << self.stored) - 1

    @property
    def range(self) -> tuple[float, float] | None:
        """Lowest and highest value: MONOCHROME1 inverts within them. None for float pixels."""
        if self.table is not None:
            return self.table.range
        if self.stored_range is None:
            return None
        low, high = (end * self.slope + self.intercept for end in self.stored_range)
        return min(low, high), max(low, high)

    def values(self, raw: np.ndarray) -> np.ndarray:
        """Stored values to the modality's units, float32 (PS3.3 C.11.1)."""
        out = np.empty(raw.shape, dtype=np.float32)
        self.values_into(out, raw)
        return out

    def values_into(self, target: np.ndarray, raw: np.ndarray) -> bool:
        """As `values`, into an array of float32; rounded once. Always True.

        Raises:
            ReadError: a stored value that the real-world value map does not cover.
        """
        self._check_covered(raw)
        if self.table is not None:
            np.copyto(target, self.table.of(raw))
        elif self.plain:
            np.copyto(target, raw, casting="unsafe")
        elif self.slope == 1 and raw.dtype.kind in "iu" and raw.dtype.itemsize <= 2 and _exact(self.intercept):
            np.add(raw, np.float32(self.intercept), out=target, casting="unsafe", dtype=np.float32)
        else:
            np.copyto(target, raw.astype(np.float64) * self.slope + self.intercept, casting="same_kind")
        return True

    def integers_into(self, target: np.ndarray, raw: np.ndarray) -> bool:
        """``raw + intercept`` into an array of int16; False where that is not exact."""
        if self.table is not None or self.slope != 1 or not _exact(self.intercept) or self.covered is not None:
            return False
        if raw.dtype.kind not in "iu" or raw.dtype.itemsize > 2:
            return False
        added = int(self.intercept)
        if not -32768 <= int(raw.min()) + added <= int(raw.max()) + added <= 32767:
            return False
        np.copyto(target, raw.astype(np.int32) + added if added else raw, casting="unsafe")
        return True

    def _check_covered(self, raw: np.ndarray) -> None:
        if self.covered is None:
            return
        padding = self.is_padding(raw)
        inside = raw if padding is None else raw[~padding]
        inside = inside if inside.dtype.kind in "iu" else inside[np.isfinite(inside)]
        low, high = self.covered
        if inside.size and not low <= float(inside.min()) <= float(inside.max()) <= high:
            raise ReadError(
                f"stored values from {float(inside.min()):g} to {float(inside.max()):g}, and the real-world value map "
                f"covers {low:g} to {high:g}"
            )

    def is_padding(self, raw: np.ndarray) -> np.ndarray | None:
        """Which stored values stand for no pixel, or None where none does."""
        if self.padding is None:
            return None
        low, high = self.padding
        padding = raw == low if low == high else (raw >= low) & (raw <= high)
        return padding if padding.any() else None


def meaning_of(file: DicomFile, *, rescale_elsewhere: bool = False) -> Meaning:
    """What a file says of its stored values.

    Args:
        file: its header.
        rescale_elsewhere: functional groups state the rescale, frame by frame.

    Raises:
        ReadError: an attribute that is needed, with its value; see above.
    """
    if file.rows < 1 or file.columns < 1:
        raise ReadError("the header states no image size (rows, columns)", str(file.path))
    photometric, samples = colour_of(file)
    allocated, stored, high = _bits(file)
    sign = file.one_integer("PixelRepresentation")
    if sign not in (None, 0, 1):
        raise ReadError(f"PixelRepresentation is {sign}; 0 and 1 have a meaning")
    if sign == 1 and samples == 3:
        raise ReadError(
            f"PixelRepresentation is 1 where PhotometricInterpretation is {photometric}: no colour is below 0"
        )
    doubt = _sign_doubt(file, sign, allocated)
    frames = file.one_integer("NumberOfFrames")
    if frames is not None and frames < 0:
        raise ReadError(f"NumberOfFrames is {frames}")
    signed = None if doubt and samples == 1 else bool(sign)
    table = modality_table(file, bool(signed))
    slope, intercept = rescale_of(file, demanded=not rescale_elsewhere and table is None)
    if table is not None and (slope, intercept) not in ((None, None), (1.0, 0.0)):
        raise ReadError(f"there is a modality LUT and a rescale too (RescaleSlope {slope:g})")
    meaning = Meaning(
        photometric, samples, allocated, stored, high, signed,
        1.0 if slope is None else slope,
        0.0 if intercept is None else intercept,
        slope is not None,
        unit_of(file),
        table,
        padding_of(file, bool(signed), allocated),
        measured=rescale_needed_by(file) is not None or unit_of(file) in ("HU", "GY"),
        doubt=doubt,
    )  # fmt: skip
    if rescale_elsewhere or not file.has(real_worlds.SEQUENCE):
        return meaning
    return with_real_world(meaning, file.header.get(real_worlds.SEQUENCE) or [], file.notes)


def _sign_doubt(file: DicomFile, sign: int | None, allocated: int) -> str:
    """Why the sign of stored values is not known, "" where it is."""
    if sign is None:
        return "PixelRepresentation is missing"
    for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue"):
        value = file.number(keyword)
        if value is not None and (value < 0 if sign == 0 else value >= 1 << (max(16, allocated) - 1)):
            return f"PixelRepresentation is {sign} where {keyword} is {value:g}"
    return ""


def with_real_world(meaning: Meaning, items: Sequence[Dataset], notes: list[str]) -> Meaning:
    """The meaning by the items of a real-world value map where there is no rescale; else a note where the two differ.

    Raises:
        ReadError: a map that is needed and cannot be read.
    """
    signed = bool(meaning.signed) or meaning.stored is None  # floats have a sign
    if meaning.rescaled or meaning.table is not None:
        rescale = meaning.slope, meaning.intercept
        note = real_worlds.beside_rescale(items, signed, meaning.allocated, rescale)
        if note and note not in notes:
            notes.append(note)
        return meaning
    value_map = real_worlds.real_world(items, signed, meaning.allocated)
    if meaning.stored is None and value_map.entries is not None:
        raise ReadError("RealWorldValueLUTData gives values of whole numbers, and the stored values are floats")
    notes.append(f"values by a real-world value map ({value_map.unit or 'no unit'})")
    covered = value_map.low, value_map.high
    return replace(
        meaning,
        slope=value_map.slope,
        intercept=value_map.intercept,
        table=value_map.table,
        covered=covered,
        unit=value_map.unit,
    )


def _bits(file: DicomFile) -> tuple[int, int | None, int | None]:
    allocated, stored, high = (file.one_integer(k) for k in ("BitsAllocated", "BitsStored", "HighBit"))
    if allocated not in (1, 8, 16, 32, 64) or (stored is not None and not 0 < stored <= allocated):
        raise ReadError(f"the header states {stored} stored of {allocated} allocated bits", str(file.path))
    if stored is None and (high is not None or allocated < 32):
        raise ReadError(f"BitsStored is missing (BitsAllocated {allocated})", str(file.path))
    if stored is not None and high is not None and not stored - 1 <= high < allocated:
        raise ReadError(f"HighBit is {high} where BitsStored is {stored} of {allocated} allocated bits")
    return allocated, stored, high


def modality_table(file: DicomFile, signed: bool) -> Table | None:
    """The modality LUT, or None where there is none."""
    if not file.has("ModalityLUTSequence"):
        return None
    return sequence_table(file.header.get("ModalityLUTSequence"), "ModalityLUTSequence", signed)


@lru_cache(4)  # every frame of a loop asks
def palette_of(file: DicomFile, meaning: Meaning) -> Table:
    """The palette of PALETTE COLOR pixels."""
    return palette(file, bool(meaning.signed))


def precise(meaning: Meaning, scale_slope: float | None) -> Meaning:
    """Philips' precise values in place of the displayed ones (Chenevert 2014, Transl Oncol 7:65).

    Displayed values are scaled anew for each series, or volume, so that they fill the screen; precise ones, (stored ×
    slope + intercept) / (slope × scale slope), are comparable between them.

    Raises:
        ReadError: the file does not state the scale slope, or no rescale.
    """
    if not scale_slope or not meaning.rescaled:
        raise ReadError(
            "'philips_values: precise' needs a rescale and Philips' scale slope (2005,100E), which is missing"
        )
    return replace(meaning, slope=1 / scale_slope, intercept=meaning.intercept / (meaning.slope * scale_slope))


def _exact(number: float) -> bool:
    """Whether a sum with a 16-bit integer is exact in float32."""
    return number == int(number) and abs(number) < 1 << 23
