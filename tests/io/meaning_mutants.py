"""Copies of DICOM files whose pixels' meaning was touched: an attribute dropped, emptied, retyped, made to differ.

Not among them is what leaves another file that is whole: an optional attribute dropped from every file, and another
rescale in a series where it differs by slice already.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from scantune import io
from tests.io.files import PYDICOM_FILES, edit, series, volume

_WORDS = """
PhotometricInterpretation SamplesPerPixel PlanarConfiguration BitsAllocated BitsStored HighBit PixelRepresentation
NumberOfFrames Rows Columns RescaleSlope RescaleIntercept RescaleType ModalityLUTSequence PixelPaddingValue
PixelPaddingRangeLimit PresentationLUTShape RedPaletteColorLookupTableDescriptor
GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor RedPaletteColorLookupTableData
GreenPaletteColorLookupTableData BluePaletteColorLookupTableData PixelSpacing ImagePositionPatient
ImageOrientationPatient EchoTime ImageType RealWorldValueMappingSequence ConvolutionKernel KVP SmallestImagePixelValue
"""
MEANING = _WORDS.split()
_TEXTS = ("LO", "UT", "CS", "IS", "DS", "SH")
_NUMBERS = ("US", "SS", "UL", "FD", "FL", "UN", "OB", "OW")
_NONSENSE = (b"abc ", b"1,5 ", b"1,500 ", b"--", b"1.5.2 ", b"\xff\xfe")


def sources(folder: Path) -> list[Path]:
    """Files and series of many kinds of meaning."""
    ct = folder / "ct"
    for path in series(ct, volume(), modality="CT", seed="ct"):
        edit(path, _shifted)
    padded = folder / "padded"
    for path in series(padded, volume(), modality="CT", seed="padded"):
        edit(path, _padded)
    series(folder / "mr", volume(), rescale="slice", seed="mr", tags={"EchoTime": "4.92"})
    grey = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    mapped = folder / "mapped"
    for path in series(mapped, volume(), seed="mapped"):
        edit(path, _mapped)
    paths = [ct, padded, folder / "mr", mapped]
    for name, change, options in (
        ("table", _tabled, {"modality": "CR", "photometric": "MONOCHROME1"}),
        ("high", _high, {}),
        ("palette", _palette, {"modality": "US"}),
        ("polarity", lambda dataset: None, {"photometric": "MONOCHROME1", "tags": {"PresentationLUTShape": "INVERSE"}}),
    ):
        path = io.write_dicom_image(folder / f"{name}.dcm", grey, patient_id="p", seed=name, bits=12, **options)
        edit(path, change)
        paths.append(path)
    colour = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    options = {"modality": "US", "photometric": "RGB"}
    paths.append(io.write_dicom_image(folder / "rgb.dcm", colour, patient_id="p", seed="rgb", **options))
    names = "CT_small MR_small 693_J2KR MR_small_RLE examples_palette SC_rgb_rle_2frame rtplan emri_small"
    for name in names.split():
        if (PYDICOM_FILES / f"{name}.dcm").is_file():
            paths.append(PYDICOM_FILES / f"{name}.dcm")
    return [source for source in paths if _readable(source)]


def _readable(source: Path) -> bool:
    try:
        io.read(source)
    except Exception:
        return False
    return True


def _shifted(dataset: Dataset) -> None:
    dataset.RescaleSlope, dataset.RescaleIntercept = "2", "-1024"
    dataset.ConvolutionKernel, dataset.KVP = "B30f", "120"
    dataset.add_new("SmallestImagePixelValue", "SS", -1000)


def _mapped(dataset: Dataset) -> None:
    item = Dataset()
    item.add_new("RealWorldValueFirstValueMapped", "SS", -2000)
    item.add_new("RealWorldValueLastValueMapped", "SS", 2000)
    item.RealWorldValueSlope, item.RealWorldValueIntercept = 0.5, 3.0
    dataset.RealWorldValueMappingSequence = Sequence([item])


def _padded(dataset: Dataset) -> None:
    pixels = dataset.pixel_array.copy()
    pixels[:2, :3] = -2000
    dataset.PixelData = pixels.tobytes()
    dataset.add_new("PixelPaddingValue", "SS", -2000)


def _tabled(dataset: Dataset) -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 16])
    item.add_new("LUTData", "OW", (np.arange(4096) * 2 + 100).astype(np.uint16).tobytes())
    dataset.ModalityLUTSequence = Sequence([item])


def _high(dataset: Dataset) -> None:
    dataset.PixelData = (dataset.pixel_array << 4).tobytes()
    dataset.HighBit = 15


def _palette(dataset: Dataset) -> None:
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for at, colour in enumerate(("Red", "Green", "Blue")):
        entries = (np.arange(4096) * 13 + at * 999).astype(np.uint16)
        dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [4096, 0, 16])
        dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", entries.tobytes())


def mutate(source: Path, place: Path, rng: random.Random) -> str:
    """A copy of a source with one attribute of one file (or of all) touched.

    Args:
        source: a file, or a folder of a series.
        place: where the copy goes; emptied first.
        rng: chooses.

    Returns:
        What was done.
    """
    if place.exists():
        shutil.rmtree(place)
    place.mkdir()
    for path in sorted(source.iterdir()) if source.is_dir() else [source]:
        shutil.copy(path, place / path.name)
    files = sorted(place.iterdir())
    one = [rng.choice(files)]
    first = pydicom.dcmread(files[0])
    keyword = rng.choice([keyword for keyword in MEANING if keyword in first])
    kinds = ["drop", "empty", "retype", "nonsense", *(["other"] * 2 if len(files) > 1 else [])]
    kind = rng.choice(kinds)
    if kind == "other" and keyword.startswith("Rescale") and source.name == "mr":
        kind = "nonsense"
    chosen = files if len(files) > 1 and kind != "other" and rng.random() < 0.3 else one
    if kind == "drop" and keyword in _OPTIONAL and len(chosen) == len(files):
        kind = "nonsense"
    seed = rng.random()
    for path in chosen:
        dataset = pydicom.dcmread(path)
        _KINDS[kind](dataset, keyword, random.Random(seed))
        try:
            dataset.save_as(path)
        except Exception:  # pydicom itself does not write it
            return "not written"
    return f"{source.name}: {kind} {keyword} in {len(chosen)} of {len(files)}"


def _drop(dataset: Dataset, keyword: str, rng: random.Random) -> None:
    dataset.pop(keyword, None)


def _empty(dataset: Dataset, keyword: str, rng: random.Random) -> None:
    _put(dataset, keyword, b"", None)


def _retype(dataset: Dataset, keyword: str, rng: random.Random) -> None:
    if dataset[keyword].VR == "SQ":
        return
    _put(dataset, keyword, _bytes(dataset, keyword), rng.choice((*_TEXTS, *_NUMBERS)))


def _nonsense(dataset: Dataset, keyword: str, rng: random.Random) -> None:
    if dataset[keyword].VR == "SQ":
        dataset[keyword].value = Sequence([])
    else:
        least = 2 if dataset[keyword].VR in _TEXTS else 3  # two bytes of any kind are a number in US
        _put(dataset, keyword, rng.choice([value for value in _NONSENSE if len(value) >= least]), None)


def _other(dataset: Dataset, keyword: str, rng: random.Random) -> None:
    value: Any = dataset[keyword].value
    if dataset[keyword].VR == "SQ":
        dataset.pop(keyword)
    elif isinstance(value, bytes):
        dataset[keyword].value = bytes(reversed(value))
    elif keyword in _OTHERS:
        dataset[keyword].value = next(other for other in _OTHERS[keyword] if other != value)
    elif isinstance(value, (int, float)):
        dataset[keyword].value = type(value)(float(value) + rng.choice((1, -1, 4)))
    elif value is not None and not isinstance(value, str):
        dataset[keyword].value = [float(part) + 0.5 for part in value] if keyword != "ImageType" else ["A", "B"]


_OPTIONAL = frozenset(
    ("ModalityLUTSequence", "PixelPaddingValue", "PixelPaddingRangeLimit", "RealWorldValueMappingSequence")
)
_OTHERS = {
    "PhotometricInterpretation": ("MONOCHROME1", "MONOCHROME2"),
    "RescaleType": ("OD", "US"),
    "PresentationLUTShape": ("IDENTITY", "INVERSE"),
    "PixelRepresentation": (0, 1),
    "BitsStored": (12, 16),
    "HighBit": (11, 15),
    "ConvolutionKernel": ("B30f", "B70f"),
}
_KINDS: dict[str, Callable[[Dataset, str, random.Random], None]] = {
    "drop": _drop,
    "empty": _empty,
    "retype": _retype,
    "nonsense": _nonsense,
    "other": _other,
}


def _bytes(dataset: Dataset, keyword: str) -> bytes:
    element = dataset.get_item(keyword)
    if isinstance(element, RawDataElement):
        return element.value or b""
    whole = Dataset()
    whole.add(element)
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_data_element

    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_data_element(buffer, element)
    return buffer.getvalue()[8:]


def _put(dataset: Dataset, keyword: str, value: bytes, vr: str | None) -> None:
    tag = Tag(keyword)
    vr = vr or str(dataset[keyword].VR)
    if vr == "SQ":
        dataset[keyword].value = Sequence([])
        return
    value += b" " * (len(value) % 2)
    implicit, little = dataset.original_encoding
    dataset._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, bool(implicit), bool(little))
