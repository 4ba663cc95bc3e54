"""The unit of an image's values, where the header states it in a word of the standard."""

from __future__ import annotations

from scantune.io.dicom_file import DicomFile

#: Units of PET (PS3.3 C.8.9.1.1.3) and RescaleType (C.11.1.1.2); other texts are written to no output.
_PET = frozenset((
    "CNTS", "NONE", "CM2", "CM2ML", "PCNT", "CPS", "BQML", "MGMINML", "UMOLMINML", "MLMING", "MLG", "1CM", "UMOLML",
    "PROPCNTS", "PROPCPS", "MLMINML", "MLML", "GML", "STDDEV",
))  # fmt: skip
_RESCALE = frozenset(("HU", "US", "OD", "HU_MOD", "MGML", "Z_EFF", "ED", "EDW", "PCT"))
_SUV = frozenset(("BW", "LBM", "BSA", "IBW", "LBMJAMES128", "LBMJANMA"))
_OTHER = "another text"


def stated_unit(file: DicomFile) -> str | None:
    """The unit of CT, PET or a dose, "not stated" or "another text"; None of other kinds, whose values have none.

    A plain CT without a RescaleType is in HU (PS3.3 C.8.2.1, RescaleType).
    """
    if file.is_dose:
        return _word(file.text("DoseUnits"), frozenset(("GY", "RELATIVE")))
    if file.modality == "PT":
        unit, kind = _word(file.text("Units"), _PET), _word(file.text("SUVType"), _SUV)
        return f"{unit} (SUV by {kind})" if unit == "GML" and kind in _SUV else unit
    if file.modality != "CT" or (file.n_frames > 1 and not file.text("RescaleType")):
        return None  # enhanced files state it by frame
    return unit_word(file.text("RescaleType") or "HU")


def unit_word(text: str) -> str:
    """A RescaleType as it may be written to outputs."""
    return _word(text, _RESCALE)


def unit_notes(unit: str | None) -> list[str]:
    """A line for the manifest where values of CT are not in HU."""
    return [] if unit in (None, "HU") else [f"values of CT in {unit}, not HU (RescaleType)"]


def _word(text: str, known: frozenset[str]) -> str:
    word = text.strip().upper()
    return (word if word in known else _OTHER) if word else "not stated"
