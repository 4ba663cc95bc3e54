"""Which of several series in one folder: by a rule, by a name, or refused with the list of series."""

from __future__ import annotations

import hashlib

from scantune.io.arrays import SeriesRule
from scantune.io.dicom_file import DicomFile
from scantune.records import ReadError


def choose_series(files: list[DicomFile], rule: SeriesRule | None) -> list[DicomFile]:
    """The files of one series, localizers and what is computed from images excluded where there is anything else.

    Raises:
        ReadError: several series and no rule that leaves one; two patients in one series.
    """
    groups: dict[str, list[DicomFile]] = {}
    for file in files:
        groups.setdefault(file.text("SeriesInstanceUID"), []).append(file)
    left = [uid for uid in groups if _matches(uid, groups[uid], rule)]
    if len(left) > 1:
        images = [uid for uid in left if not all(_is_beside(file) for file in groups[uid])]
        left = images or left
    if rule is not None and rule.largest and len(left) > 1:
        most = max(len(groups[uid]) for uid in left)
        left = [uid for uid in left if len(groups[uid]) == most]
    if len(left) != 1:
        listed = "; ".join(_line(uid, group) for uid, group in sorted(groups.items()))
        words = "; ".join(f"{digest(uid)}: {group[0].text('SeriesDescription')}" for uid, group in groups.items())
        verdict = f"the rule leaves {len(left)} of them" if rule else "no rule says which"
        if rule is not None and rule.names_one and not left:
            verdict = "none of them is the named one"
        raise ReadError(f"{len(groups)} series, and {verdict}: {listed}", words)
    series = groups[left[0]]
    patients = {file.text("PatientID") for file in series}
    if len(patients) > 1:
        digests = ", ".join(sorted(digest(left[0] + patient)[:8] for patient in patients))
        raise ReadError(f"{len(patients)} patients under one series UID (digests of their ids: {digests})")
    remaining = [file for file in series if not _is_beside(file)]
    if remaining and len(remaining) < len(series):
        localizers = sum(is_localizer(file) for file in series)
        others = len(series) - len(remaining) - localizers
        for file in remaining:
            file.notes += [f"{localizers} localizers excluded"] if localizers else []
            file.notes += [f"{others} dose grids or parametric maps excluded"] if others else []
        return remaining
    return series


def digest(text: str) -> str:
    """Twelve hexadecimal digits of the SHA-256 of a UID."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _matches(uid: str, files: list[DicomFile], rule: SeriesRule | None) -> bool:
    if rule is None:
        return True
    if rule.uid_digest is not None and not digest(uid).startswith(rule.uid_digest.lower()):
        return False
    if rule.uid is not None and not _is_uid(uid, rule.uid):
        return False
    if rule.title is not None and folded(rule.title) != folded(files[0].text("SeriesDescription")):
        return False
    if rule.number is not None and files[0].number("SeriesNumber") != rule.number:
        return False
    return rule.description is None or folded(rule.description) in folded(files[0].text("SeriesDescription"))


def _is_uid(uid: str, named: str) -> bool:
    return uid == named or (len(named) >= 6 and digest(uid).startswith(named.lower()))


def folded(text: str) -> str:
    """A description as it is compared: in lower case, each run of blanks as one."""
    return " ".join(text.split()).casefold()


def _line(uid: str, files: list[DicomFile]) -> str:
    number = files[0].number("SeriesNumber")
    return f"{digest(uid)} ({files[0].modality or 'no modality'}, {len(files)} files" + (
        f", number {int(number)})" if number is not None else ")"
    )


def _is_beside(file: DicomFile) -> bool:
    """Whether it is no scan of its own beside others: a localizer, a dose grid, a parametric map."""
    return is_localizer(file) or file.is_dose or file.is_parametric_map


def is_localizer(file: DicomFile) -> bool:
    """Whether its image type says that it is a localizer (a scout, a topogram)."""
    return "LOCALIZER" in file.text("ImageType").upper()
