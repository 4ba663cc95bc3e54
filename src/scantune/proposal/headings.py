"""What the names of columns say, in the words that tables of several languages and registries use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydicom.datadict import tag_for_keyword

from scantune.cohort.column_names import is_reader as is_reader
from scantune.statistics import ages

_SUBJECT = re.compile(
    r"(subject|patient(en)?|participant|case|person|proband|pa[cz]ient[ei]?|patiënt|pacjent|hasta|患者|病人|受试者|(?<![a-z])(pat|pt)(?![a-z]))"
    r"([ ._-]*(ids?|nos?|nr|num|number|nummer|name|code|key|编号|番号|号|识别号))?[ ._]*(/ ?\w+)?$|"
    r"^(hospital[ ._-]?number|mrn|pid|patid|patnr|fallnummer|ptid|rid|eid|empi)$|"
    r"^[a-z0-9]*(subject|patient)_?id$", re.I
)  # fmt: skip
_PEOPLE = 6  # values of a column that recur, from which on it is rather the subject than another one named so
#: REDCap's columns of events and repeated instruments, in its raw exports and in those with labels.
_REGISTRY = re.compile(
    r"^(redcap_(event_name|repeat_instrument|repeat_instance|data_access_group|survey_identifier)|event name|"
    r"repeat instrument|repeat instance|data access group)$", re.I
)  # fmt: skip
_RECORD = re.compile(r"^record[ ._-]?(id|no|nr|number)$", re.I)
_NOT_SUBJECT = re.compile(r"\b(age|sex|gender|comment|history|weight|height|position|birth|status)", re.I)
_UNIT = re.compile(r"(stud(y|ie)|exam(ination)?|lesion|accession|session|visit|series|stack|slide|specimen|scan|case)"
                   r"([ _-]?(instance)?[ _-]?(id|uid|no|number|key))", re.I)  # fmt: skip
_ID = re.compile(
    r"(^|[ ._-])(u?uid|guid|id|ids|nr|no|number|nummer|index|idx|code|key|accession|mrn|unnamed|row|#)([ ._:-]|$|\d)|"
    r"[a-z](ID|Id|UID)$|^unnamed.*$|(subject|patient|study|series|image|lesion|case|dicom)_?id", re.I
)  # fmt: skip
_CAMEL = re.compile(r"[a-z0-9](ID|UID|Nr|No)$")
GROUP = re.compile(
    rf"(?<![a-z])({'|'.join(ages.WORDS)}|sex|gender|m/f|male|female|geschlecht|sexe|sexo|sesso|geslacht|kön|køn|kjønn|"
    r"płeć|cinsiyet|性别|性別|site|centre|center|hospital|"
    r"klinik|clinic|institut(ion|e)?|scanner|modality|vendor|manufacturer|field strength|coil|station|view|projection|"
    r"device|ger(ä|ae)t|probe|machine|researcher|operators?|radiographer|technologist|technician|sonographer|laterality|"
    r"ethnicity|race)(?![a-z])", re.I
)  # fmt: skip
_SHORT = {
    "gender": "sex", "m/f": "sex", "male": "sex", "female": "sex", "geschlecht": "sex", "sexe": "sex", "sexo": "sex",
    **dict.fromkeys(("sesso", "geslacht", "kön", "køn", "kjønn", "płeć", "cinsiyet", "性别", "性別"), "sex"),
    **dict.fromkeys(ages.WORDS, "age"),
    "centre": "site", "center": "site", "hospital": "site", "klinik": "site",
    "clinic": "site", "institut": "institution", "institute": "institution", "operators": "operator",
    "field strength": "field_strength",
    "projection": "view", "gerät": "device", "geraet": "device",
}  # fmt: skip
_JOINED = re.compile(r"(?<=[a-z])(?=[A-Z])")
READER = re.compile(r"^(reader|rater|observer|annotator|radiologist|befunder|leser)[ _-]?\w+$", re.I)
TARGET = re.compile(
    r"(score|label|target|class|klasse|grad(e|ing)|quality|diagn|\bdx\b|befund|outcome|severity|schweregrad|finding|"
    r"pathology|birads|bi-rads|\bdr\b|^levels?$|^stage$|bone[ _]?age|ground ?_?truth|consensus|cs_?pca|kellgren|xrkl|"
    r"etiquette|clase|hallazgo|esito|referto|resultado|résultat|ergebnis|uitslag|rozpoznanie|tanı|诊断|診断|标签|类别|"
    r"病理)", re.I
)  # fmt: skip
_LABEL = re.compile(r"^(labels?|target|class|classes|y|ground[ _]?truth|consensus)$", re.I)
_BODY = re.compile(r"weight|gewicht|height|gr(ö|oe)(ß|ss)e|poids|peso|\bbsa\b", re.I)
_MEASURED = re.compile(
    r"^(lv|rv)?ef$|ejection|ejektion|auswurf|\bcdr\b|mmse|moca|updrs|edss|fev1|bmi|bone[ _]?age", re.I
)
_TECHNICAL = re.compile(
    r"width|height|frame|fps|\brows?\b|columns?$|resolution|spacing|format|bits|bytes|(?<![a-z])size|kvp|exposure|"
    r"tube|modality|series|description|protocol|procedure|url|link|licen[cs]e|version|path|file|folder|\bdir|date|time$|"
    r"datum|fecha|birth|geburt|\bdob\b|comment|note|remark|bemerkung|kommentar|report|text|doi\b|change|x_?min|y_?min|"
    r"x_?max|y_?max|bbox|^[xywh]\d?$|split|^fold|subset|partition|is_?(train|test|val)|type$|method|rad_?id|matrix|"
    r"echo[ _]?spacing|readout|dwell[ _]?time|phase[ _]?encoding|software|serial",
    re.I,
)
_DICOM = {0x0008, 0x0018, 0x0020, 0x0028, 0x0054}  # groups of elements: the series, its acquisition, the image
_CLINICAL = {"BodyPartExamined"}  # of these what may be learned  # fmt: skip
_OCCASION = re.compile(r"^(visit|session|ses|wave|time[ _-]?point|year|jahr|eye|auge|side|seite|run)s?$", re.I)
_MODALITY = re.compile(r"(?<![a-z])modalit(y|ies|ät|aet|é|e|à|a|ad)$", re.I)
_SPLIT = re.compile(r"^(split|set|subset|partition|dataset|usage|phase|is_?(train|val|valid|test)(ing)?|fold)s?$", re.I)


def subject_of(columns: Sequence[str], rows: Sequence[Mapping[str, str]] = ()) -> str | None:
    """The column that names the subject by its name; None where none does.

    Args:
        columns: of the table.
        rows: cells by column. Of several columns one whose cells recur is taken, since samples of one subject share
            them: ``mrn`` beside a ``case`` of its own in each row. One of two values, such as ``case`` beside
            controls, is none.

    A record of REDCap is a participant, with rows for events and repeated instruments: its id, the first column of an
    export, is the subject where no other column is named so.
    """
    fitting = [c for c in columns if _SUBJECT.search(c.strip()) and not _NOT_SUBJECT.search(c)] or _records(columns)
    if not rows:
        return next(iter(fitting), None)
    filled = {c: [row[c] for row in rows if row[c]] for c in fitting}
    people = {c: len(set(cells)) for c, cells in filled.items()}
    fitting = [c for c in fitting if people[c] > 2 or people[c] == len(rows)]
    return max(fitting, key=lambda c: _PEOPLE <= people[c] < len(filled[c]), default=None)


def _records(columns: Sequence[str]) -> list[str]:
    """The column of the record's id: by its name, or the first id beside REDCap's own columns."""
    named = [c for c in columns if _RECORD.match(c.strip())]
    registry = any(_REGISTRY.match(c.strip()) for c in columns)
    ids = (c for c in columns if registry and is_id(c) and c != "sample_id" and not _REGISTRY.match(c.strip()))
    first = next(ids, None)
    return named[:1] or ([first] if first else [])


def unit_of(columns: Sequence[str]) -> list[str]:
    """Columns that may name something that several samples share: a study, an examination, a lesion, or a bare id."""
    return [c for c in columns if _UNIT.search(c) or c.strip().lower() == "id"]


def is_id(column: str) -> bool:
    """Whether a column numbers or names things: no target and no group."""
    return bool(_ID.search(column) or _CAMEL.search(column) or _SUBJECT.search(column) or _UNIT.search(column))


def is_status(column: str) -> bool:
    """Whether a column of two values may say who is a patient, or a case, as its name is no id's: ``case``."""
    return bool(_SUBJECT.search(column) and not _ID.search(column))


def is_occasion(column: str) -> bool:
    """Whether a column says which of a subject's samples a row is: the visit, the eye."""
    return bool(_OCCASION.match(column.strip()))


def is_technical(column: str) -> bool:
    """Whether a column describes the file, the device, a place or a date: by words, or as an attribute of DICOM."""
    return bool(_TECHNICAL.search(column)) or _is_attribute(column)


def _is_attribute(column: str) -> bool:
    """Whether a column is named as an attribute of the acquisition: ``EchoTime``, ``echo_time``, ``StationName``."""
    words = re.split(r"[ _-]+", column.strip())
    keywords = {column.strip(), "".join(word[:1].upper() + word[1:] for word in words)} - _CLINICAL
    tags = [tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None]
    return any(tag >> 16 in _DICOM for tag in tags)


def is_modality(column: str) -> bool:
    """Whether a column is named as one of kinds of images: X-ray, CT."""
    return bool(_MODALITY.search(column.strip()))


def is_split(column: str) -> bool:
    """Whether a column is named as one of partitions or folds."""
    return bool(_SPLIT.match(column.strip()))


def is_label(column: str) -> bool:
    """Whether a column is named as nothing but a target is."""
    return bool(_LABEL.match(column.strip()))


def is_body(column: str) -> bool:
    """Whether a column is a measure of the body, which is seldom what is to be learned."""
    return bool(_BODY.search(column))


def is_measured(column: str) -> bool:
    """Whether a column has the name of a measure that is usual as a target."""
    return bool(_MEASURED.search(column))


def group_of(column: str) -> str:
    """The usual name of a group, such as ``sex``; "" where the column's name says none."""
    match = GROUP.search(_JOINED.sub(" ", column).replace("_", " "))
    return _SHORT.get(match[1].lower(), match[1].lower()) if match else ""


def short_names(columns: Sequence[str], others: Mapping[str, str]) -> dict[str, str]:
    """Name of a group to its column: the usual name where one column alone has it."""
    named = dict(others)
    for column in columns:
        short = group_of(column) or column
        plain = column.lower() == short or short in named or short in columns
        named[column if plain else short] = column
    return named
