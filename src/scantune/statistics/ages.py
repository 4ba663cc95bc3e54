"""Ages as tables and DICOM headers write them."""

from __future__ import annotations

import re

WORDS = ("age", "âge", "alter", "edad", "età", "idade", "leeftijd", "ålder", "alder", "wiek", "yaş", "年龄", "年齢")
"""What ages are called in tables of several languages."""
OLDEST = 120.0
"""An age above is none in years: another unit, or the code of an unknown one."""
_COLUMNS = {*WORDS, "age_years", "age_at_scan", "age_at_study", "patient_age", "patients_age", "patient's_age"}
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


def is_age(column: str) -> bool:
    """Whether a column of this name holds ages: ``age``, ``Patient Age``, ``age_years`` …, in any case."""
    words = re.sub(r"[\s._-]+", "_", re.sub(r"[(\[].*", "", column.casefold())).strip("_")
    return words in _COLUMNS


def years(text: str) -> float:
    """An age in years from ``63``, ``63.5``, ``90+`` or DICOM's ``063Y``, ``004M``; NaN where it is none."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([YMWD]?)\+?\s*", text, re.IGNORECASE)
    return float(match[1]) * _YEARS[match[2].upper() or "Y"] if match else float("nan")
