"""Slices of one volume must have values of one meaning; else they are refused or, where each states its own, noted."""

from __future__ import annotations

from typing import Any

import numpy as np

from scantune.io.dicom_choice import digest
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_meaning import Meaning
from scantune.io.dicom_unit import stated_unit
from scantune.records import ReadError


def differences(meanings: list[Meaning], names: list[str]) -> None:
    """Refuse slices of one volume whose values mean different things.

    Raises:
        ReadError: with attribute, values and slices.
    """
    for what, of in _ALIKE.items():
        values = [of(meaning) for meaning in meanings]
        if len(set(values)) == 1:
            continue
        common = max(set(values), key=values.count)
        odd = [(name, value) for name, value in zip(names, values, strict=True) if value != common]
        listed = ", ".join(f"{name} has {value}" for name, value in odd[:4])
        more = f" and {len(odd) - 4} more" if len(odd) > 4 else ""
        raise ReadError(f"{what} differs by slice: {listed}{more}, the others have {common}")


def _table_words(meaning: Meaning) -> Any:
    table = meaning.table
    if table is None:
        return "none"
    return f"one of {len(table.entries)} entries that sum to {float(table.entries.sum(dtype=np.float64)):.12g}"


_UNITS = ("", "HU", "US", "OD", "GY", "RELATIVE")
_ALIKE: dict[str, Any] = {
    "PhotometricInterpretation": lambda meaning: meaning.photometric,
    "PixelRepresentation": lambda meaning: {None: "none", False: 0, True: 1}[meaning.signed],
    "a rescale (RescaleSlope, RescaleIntercept)": lambda meaning: "one" if meaning.rescaled else "none",
    "RealWorldValueMappingSequence": lambda meaning: "none" if meaning.covered is None else "one",
    "RescaleType": lambda meaning: (
        meaning.unit if meaning.unit in _UNITS else f"another text ({digest(meaning.unit)[:6]})"
    ),
    "ModalityLUTSequence": _table_words,
    "the range of MONOCHROME1 pixels": lambda meaning: meaning.range if meaning.inverse else "no matter",
}


#: What is alike in ordinary volumes, and may differ in gated ones or those that were joined by hand: numbers, texts.
_NUMBERS = ("RepetitionTime", "SliceThickness")
_TEXTS = ("StudyInstanceUID", "Modality", "SequenceName", "ScanOptions", "ContrastBolusAgent", "PatientPosition",
          "LossyImageCompression", "DecayCorrection", "CorrectedImage")  # fmt: skip


def check_units(files: list[DicomFile]) -> None:
    """Refuse slices of one volume of PET in several units.

    Raises:
        ReadError: with the units.
    """
    units = {str(stated_unit(file)) for file in files if file.modality == "PT"}
    if len(units) > 1:
        raise ReadError(f"the unit of PET (Units, SUVType) differs by slice: {', '.join(sorted(units))}")


def attribute_notes(files: list[DicomFile]) -> list[str]:
    """Lines for the manifest: attributes of the acquisition that differ among the files of one volume."""
    notes = []
    for keyword in _NUMBERS:
        values = sorted({value for file in files for value in file.floats(keyword)[:1]})
        if len(values) > 1:
            notes.append(f"{keyword} differs by slice: {values[0]:g} … {values[-1]:g} ({len(values)} values)")
    for keyword in _TEXTS:  # counted only: some are free text
        texts = {file.text(keyword) for file in files}
        if len(texts) > 1:
            notes.append(f"{keyword} differs by slice ({len(texts)} values{', one empty' if '' in texts else ''})")
    return notes


def rescale_note(meanings: list[Meaning]) -> str | None:
    """A line for the manifest where the rescale differs by slice."""
    slopes, intercepts = ({getattr(meaning, name) for meaning in meanings} for name in ("slope", "intercept"))
    if len(slopes) == 1 and len(intercepts) == 1:
        return None
    parts = [
        f"{name} {min(values):g} … {max(values):g} ({len(values)} values)"
        for name, values in (("slope", slopes), ("intercept", intercepts))
        if len(values) > 1
    ]
    return f"the rescale differs by slice: {', '.join(parts)}"
