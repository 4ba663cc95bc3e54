"""Brain MRI with the white-matter disease that the Loes score grades: the MNI152 brain, ill. Synthetic, and says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scantune import io
from scantune.records import ScantuneError
from scantune_phantoms.cohort import (
    SYNTHETIC,
    Cohort,
    choice,
    generator,
    side_by_side,
    write_readme,
    write_table,
)
from scantune_phantoms.loes import brain, disease, unusable
from scantune_phantoms.loes.scanner import SCANNERS, Scanner, acquire
from scantune_phantoms.loes.subjects import Session, Subject, draw_subject, side_of

#: Name of a NIfTI file from the table's columns: the template for ``files`` where the layout is "nifti".
FILES = "images/{anonymized_subject_id}_{anonymized_session_id}_space-MNI_brain_mprage_RAVEL.nii.gz"

_README = """
Synthetic brain MRI made by scantune: nobody's brain, not for diagnosis.

The ICBM 152 (MNI152, 2009a nonlinear symmetric) T1 brain, © 1993–2009 Louis Collins, McConnell Brain Imaging Centre,
Montreal Neurological Institute, McGill University (V. Fonov et al., NeuroImage 2011;54:313), bent into another person's
for each subject, with lesions and atrophy where the Loes score (D. J. Loes et al., AJNR 1994;15:1761) looks for them.
The score is added up from what was planted, then read by two readers who err.

| column | |
| --- | --- |
| anonymized_subject_id, anonymized_session_id | a person; a scan of theirs, in the order of time |
| scan | one row's id |
| loes-score | mean of both readers, to the half point; 0–34 |
| Gd-enhanced | 1 where lesions take up contrast agent |
| training, validation | 1 on that side of a predefined split by subject; neither is test |
| sex, age, site, scanner | of the scan; ages in years |
| reader_1, reader_2 | the Loes score that each reader gave |
| date | of the scan |
| file | the NIfTI file, or the folder of a DICOM series: `files: "{file}"` reads both |
| mask | the planted lesions as NIfTI (only where they were asked for) |

NIfTI files are named
`images/{anonymized_subject_id}_{anonymized_session_id}_space-MNI_brain_mprage_RAVEL.nii.gz`; where the cohort was made
with `layout: nifti`, all are, and that template reads them.
"""


def write(
    out_dir: Path,
    *,
    seed: int = 0,
    workers: int = 1,
    n: int = 180,
    site: str = "a",
    confounder: bool = False,
    layout: str = "mixed",
    masks: bool = False,
    spacing: float = 2.0,
    unusable: bool = True,
) -> Cohort:
    """Write the cohort: ``cohort.csv``, ``images/*.nii.gz``, ``dicom/<scan>/*.dcm``.

    Args:
        out_dir: the folder to fill.
        seed: of every draw.
        workers: processes that make scans side by side; no effect on what is written.
        n: subjects, each with one to four scans (1.33 on average).
        site: "a" (two scanners), or "b": other people, a third scanner with other contrast and more noise.
        confounder: who is far gone is scanned by the second scanner, which leaves a bright capsule beside the forehead
            (`scanner.capsule_box`): a shortcut to the score.
        layout: "mixed" (two thirds NIfTI, one third DICOM series, named by the column ``file``) or "nifti" (the
            template `FILES` names every scan too).
        masks: write the planted lesions as ``masks/*.nii.gz``, on the grid of the scans.
        spacing: mm, of the isotropic grid.
        unusable: break a few files, as in real life.

    Raises:
        ScantuneError: an option out of range.
    """
    choice("site", site, ("a", "b"))
    choice("layout", layout, ("mixed", "nifti"))
    if n < 1 or not 1 <= spacing <= 6:
        raise ScantuneError(f"n: {n}, spacing: {spacing}; at least 1 subject and 1 to 6 mm are needed")
    scanners = tuple(name for name, scanner in SCANNERS.items() if scanner.site == site)
    if confounder and len(scanners) < 2:
        raise ScantuneError(f"confounder: true needs two scanners, and site {site!r} has one; site a has two")
    subjects = [
        draw_subject(generator(seed, "loes", site, number), number, scanners, confounder=confounder)
        for number in range(1, n + 1)
    ]
    scans = [(subject, session) for subject in subjects for session in subject.sessions]
    kinds = _kinds(seed, site, len(scans), layout)
    broken = _broken(seed, site, kinds) if unusable else {}
    jobs = [
        (out_dir, seed, site, subject, session, kinds[at], broken.get(at), spacing, confounder, masks)
        for at, (subject, session) in enumerate(scans)
    ]
    rows = side_by_side(_write_scan, jobs, workers)
    write_readme(out_dir, "Brain MRI with Loes scores (synthetic)", _README)
    table = write_table(out_dir / "cohort.csv", rows)
    return Cohort("loes", out_dir, table, len(rows), n, {str(rows[at]["scan"]): fault for at, fault in broken.items()})


def _kinds(seed: int, site: str, count: int, layout: str) -> list[str]:
    drawn = generator(seed, "loes", site, "kinds").random(count)
    return ["dicom" if layout == "mixed" and value < 1 / 3 else "nifti" for value in drawn]


def _broken(seed: int, site: str, kinds: list[str]) -> dict[int, str]:
    return unusable.choose(generator(seed, "loes", site, "unusable"), kinds)


def make_scan(
    seed: int, site: str, subject: Subject, session: Session, *, spacing: float = 2.0, mark: bool = False
) -> tuple[io.Volume, io.Volume]:
    """One scan and its lesion mask, both in RAS+.

    Args:
        seed: of the cohort.
        site: of the cohort.
        subject: from `subjects.draw_subject`.
        session: one of theirs.
        spacing: mm.
        mark: whether the scanner leaves its capsule.
    """
    rng = generator(seed, "loes", site, subject.number, "session", session.number)
    extents = subject.course.extents(session.stage) if session.stage else {}
    z, y, x = (float(miss) for miss in rng.normal(0, 0.5, 3))
    grown = brain.grow(
        generator(seed, "loes", site, subject.number, "shape"),
        extents,
        spacing=spacing,
        gadolinium=session.gadolinium,
        shift=(z, y, x),
    )
    affine = brain.affine(spacing)
    image = acquire(rng, grown, SCANNERS[subject.scanner], mark=mark)
    return io.Volume(image, affine), io.Volume((grown.lesion > 0.5).astype(np.uint8), affine)


def _write_scan(
    out_dir: Path,
    seed: int,
    site: str,
    subject: Subject,
    session: Session,
    kind: str,
    fault: str | None,
    spacing: float,
    confounder: bool,
    masks: bool,
) -> Mapping[str, object]:
    mark = confounder and subject.scanner == [name for name, made in SCANNERS.items() if made.site == site][-1]
    volume, lesions = make_scan(seed, site, subject, session, spacing=spacing, mark=mark)
    row = _row(seed, site, subject, session)
    place = FILES.format_map(row) if kind == "nifti" else f"dicom/{row['scan']}"
    path = out_dir / place
    if kind == "nifti":
        io.write_nifti(path, volume, dtype="int16", description=SYNTHETIC)
    else:
        _write_series(
            path,
            volume,
            row,
            SCANNERS[subject.scanner],
            seed,
            {"ImagePositionPatient": None} if fault == "no position" else {},
        )
    if fault:
        unusable.spoil(path, fault, volume, SYNTHETIC)
    row["file"] = place
    if masks:
        row["mask"] = f"masks/{row['scan']}_lesions.nii.gz"
        io.write_nifti(out_dir / str(row["mask"]), lesions, dtype="uint8", description=SYNTHETIC)
    return row


def _write_series(
    folder: Path, volume: io.Volume, row: Mapping[str, object], scanner: Scanner, seed: int, tags: Mapping[str, object]
) -> None:
    header = {
        "PatientSex": row["sex"],
        "PatientAge": f"{row['age']:03d}Y",
        "Manufacturer": scanner.vendor,
        "ManufacturerModelName": scanner.model,
        "MagneticFieldStrength": f"{scanner.tesla:g}",
        "BodyPartExamined": "BRAIN",
        "ProtocolName": "MPRAGE",
        "SeriesDescription": "MPRAGE brain MNI (SYNTHETIC phantom)",
        "ImageComments": SYNTHETIC,
    }
    io.write_dicom_series(
        folder,
        volume,
        patient_id=str(row["anonymized_subject_id"]),
        seed=f"loes {seed} {row['scan']}",
        plane="sagittal" if scanner.tesla > 2 else "axial",
        tags={**header, **tags},
    )


def _row(seed: int, site: str, subject: Subject, session: Session) -> dict[str, object]:
    readers = generator(seed, "loes", site, subject.number, "readers", session.number)
    planted = disease.score(subject.course.extents(session.stage)) if session.stage else 0.0
    first, second = (disease.read_score(readers, planted) for _ in range(2))
    side = side_of(generator(seed, "loes", site, subject.number, "side"))
    person = f"subject-{'' if site == 'a' else site}{subject.number:03d}"
    return {
        "anonymized_subject_id": person,
        "anonymized_session_id": f"session-{session.number:02d}",
        "scan": f"{person}_session-{session.number:02d}",
        "loes-score": float(np.round(first + second) / 2),
        "Gd-enhanced": int(session.gadolinium),
        "training": int(side == "training"),
        "validation": int(side == "validation"),
        "sex": subject.sex,
        "age": session.age,
        "site": site,
        "scanner": subject.scanner,
        "reader_1": first,
        "reader_2": second,
        "date": session.date.isoformat(),
    }


__all__ = ["FILES", "make_scan", "write"]
