"""Rows that lead to DICOM files by what stands in their headers: ids that a spreadsheet changed, and the day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from scantune import cohort, io
from scantune.config.load import parse
from scantune.proposal.blocks import Proposed, propose

N = 16  # patients, each with two studies

Row = tuple[object, ...]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def patient(i: int) -> str:
    return f"{i // 2 + 1:07d}"


def day(i: int) -> str:
    return f"2019{1 + i % 9:02d}{10 + i % 2:02d}"


def diagnosis(i: int) -> str:
    return ("normal", "edema")[(i // 2 + i) % 2]  # another one in each study of a patient


def pacs_export(folder: str) -> None:
    """Two studies a patient as media are written: folders are numbered from 0, names have no ending."""
    for i in range(2 * N):
        path = Path("raw", folder, f"PT{i // 2:06d}/ST{i % 2:06d}/SE000000/IM000000")
        path.parent.mkdir(parents=True)
        pixels = np.random.default_rng(i).integers(0, 4000, (8, 8)).astype(np.uint16)
        tags = {"StudyDate": day(i), "AccessionNumber": f"00{9000 + i}", "StudyID": str(i)}
        io.write_dicom_image(path, pixels, patient_id=patient(i), seed=str(i), tags=tags)


def report(folder: str) -> None:
    """A file of a study without an image."""
    file = pydicom.dcmread(f"raw/{folder}/PT000000/ST000000/SE000000/IM000000")
    for name in ("PixelData", "Rows", "Columns"):
        delattr(file, name)
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = pydicom.uid.BasicTextSRStorage
    path = Path("raw", folder, "PT000000/ST000000/SE000001/SR000000")
    path.parent.mkdir(parents=True)
    file.save_as(path)


def proposal_of(folder: str, heading: str, rows: list[Row]) -> Proposed:
    Path("table.csv").write_text("\n".join([heading, *(";".join(map(str, row)) for row in rows)]) + "\n")
    return propose(Path("table.csv"), root=Path("raw", folder))


def targets(proposed: Proposed) -> dict[tuple[str, str], str]:
    """Patient and day of each file, as its header states them → the target of its sample."""
    for path, source in proposed.tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.written())
    (dataset,) = parse({"experiments": {}, **proposed.blocks}).datasets.values()
    found = {}
    for record in cohort.load(dataset, Path()):
        stated = io.read_texts(record.files[0], ("PatientID", "StudyDate"))
        found[stated["PatientID"], stated["StudyDate"]] = str(next(iter(record.targets.values())))
    return found


def test_folders_that_media_number_are_not_the_patients(home):
    pacs_export("numbered")
    report("numbered")
    rows: list[Row] = [(i // 2 + 1, diagnosis(i // 2 * 2)) for i in range(0, 2 * N, 2)]
    proposed = proposal_of("numbered", "PatID;diagnosis", rows)
    expected = {(patient(i), day(i)): diagnosis(i // 2 * 2) for i in range(2 * N)}
    assert targets(proposed) == expected
    notes = " ".join(proposed.notes)
    assert f"{N} rows of column 'PatID' have files of several days" in notes
    assert "1 DICOM files without an image" in notes


@pytest.mark.parametrize(
    ("folder", "written"),
    [
        ("points", lambda d: f"{d[6:]}.{d[4:6]}.{d[:4]}"),
        ("iso", lambda d: f"{d[:4]}-{d[4:6]}-{d[6:]}"),
        ("us", lambda d: f"{int(d[4:6])}/{int(d[6:])}/{d[:4]}"),
        ("british", lambda d: f"{d[6:]}/{d[4:6]}/{d[:4]}"),
        ("plain", lambda d: d),
        ("short", lambda d: f"{d[6:]}.{d[4:6]}.{d[2:4]}"),
    ],
)
@pytest.mark.parametrize("studies", [1, 2])
def test_a_patients_studies_are_told_apart_by_their_day(home, folder, written, studies):
    pacs_export(f"{folder}{studies}")
    chosen = [i for i in range(2 * N) if studies == 2 or i % 2 == 0]
    rows: list[Row] = [(i // 2 + 1, "1.1.1950", written(day(i)), diagnosis(i)) for i in chosen]
    proposed = proposal_of(f"{folder}{studies}", "PatID;birth;exam date;diagnosis", rows)
    assert targets(proposed) == {(patient(i), day(i)): diagnosis(i) for i in chosen}
    (dataset,) = proposed.blocks["datasets"].values()
    assert dataset["subject"] == "PatID"


def test_days_of_something_else_leave_a_patients_files_together(home):
    pacs_export("other")
    rows: list[Row] = [(i // 2 + 1, "3.3.2021", diagnosis(i)) for i in range(0, 2 * N, 2)]
    assert len(targets(proposal_of("other", "PatID;blood taken;diagnosis", rows))) == 2 * N


def test_accession_numbers_without_their_zeros(home):
    pacs_export("accession")
    rows: list[Row] = [(9000 + i, i // 2 + 1, diagnosis(i)) for i in range(2 * N)]
    proposed = proposal_of("accession", "Accession No;PatID;diagnosis", rows)
    assert targets(proposed) == {(patient(i), day(i)): diagnosis(i) for i in range(2 * N)}
    (dataset,) = proposed.blocks["datasets"].values()
    assert dataset["subject"] == "PatID"
