"""Exports of a hospital's archive: patients with several series, radiographs and loops, in the usual folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest

from scantune import cohort, io
from scantune.config.load import parse
from scantune.proposal.blocks import Proposed, propose
from scantune.records import ScantuneError

Place = Callable[[str, int, str, int], str]  # patient, number and description of the series, slice → path
LAYOUTS: dict[str, Place] = {
    "folders named for series": lambda p, n, d, k: f"{p}/2020/{n}_{d.replace(' ', '_')}/{k:03d}.dcm",
    "folders of numbers": lambda p, n, d, k: f"DICOM/{abs(hash_of(p)):08X}/{n:08X}/{k:08X}",
    "all files of a patient in one folder": lambda p, n, d, k: f"{p}/{n}{k:03d}.dcm",
}
SERIES = [("Localizer", 3), ("T1  MPRAGE", 5), ("FLAIR", 4)]
_FIRST, *_OTHERS = (
    pytest.param(layout, marks=() if at == 0 else pytest.mark.slow) for at, layout in enumerate(LAYOUTS)
)
EVERY = pytest.mark.parametrize("layout", [_FIRST, *_OTHERS])
TWO = pytest.mark.parametrize("layout", [_FIRST, _OTHERS[-1]])
APART, TOGETHER = [*LAYOUTS][::2]


def hash_of(text: str) -> int:
    return sum(ord(letter) * 31**i for i, letter in enumerate(text))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def series(place: Callable[[int], str], patient: str, number: int, description: str, slices: int) -> None:
    """A series of MRI, each slice where ``place`` says."""
    volume = io.Volume(np.random.default_rng(number).random((slices, 8, 8), np.float32), np.diag([1, 1, 3, 1.0]))
    kind = "LOCALIZER" if "ocalizer" in description or "scout" in description else "M"
    tags = {"StudyInstanceUID": f"1.2.{hash_of(patient)}", "SeriesInstanceUID": f"1.2.{hash_of(patient)}.{number}"}
    tags |= {"SeriesDescription": description, "SeriesNumber": number, "ImageType": ["ORIGINAL", "PRIMARY", kind]}
    seed = f"{patient}{number}"
    for k, path in enumerate(io.write_dicom_series("one", volume, patient_id=patient, seed=seed, tags=tags)):
        target = Path("raw", place(k))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)


def export(layout: str, of: Callable[[int], Sequence[tuple[str, int]]] = lambda i: SERIES, patients: int = 6) -> None:
    """Patients with their series, and a table of labels."""
    for i in range(patients):
        for number, (description, slices) in enumerate(of(i), 1):
            patient = f"P{i:03d}"
            where = LAYOUTS[layout]
            series(lambda k: where(patient, number, description, k), patient, number, description, slices)  # noqa: B023
    table(patients)


def table(patients: int) -> None:
    lines = ["patient,responder", *(f"P{i:03d},{i % 2}" for i in range(patients))]
    Path("raw", "labels.csv").write_text("\n".join(lines) + "\n")


def prepared(proposed: Proposed) -> list[io.Volume | io.Image | io.Video]:
    """What each sample is read as, by the written blocks."""
    for path, source in proposed.tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.written())
    params = parse({"experiments": {}, **proposed.blocks}, "the blocks")
    (dataset,), (input_block,) = params.datasets.values(), params.inputs.values()
    words = getattr(input_block, "series", None)
    rule = io.SeriesRule(description=words) if words else None
    return [io.read(record.files[0], series=rule) for record in cohort.load(dataset, Path())]


@EVERY
def test_of_several_series_of_a_patient_one_kind_is_taken_and_no_localizer(home, layout):
    export(layout)
    proposed = propose(Path("raw"))
    assert [content.array.shape[0] for content in prepared(proposed)] == [5] * 6  # the one with the most slices
    assert any("'t1 mprage' is taken of 'flair' 6, 't1 mprage' 6" in note for note in proposed.notes)


@TWO
def test_words_name_another_series(home, layout):
    export(layout)
    assert [content.array.shape[0] for content in prepared(propose(Path("raw"), words="FLAIR"))] == [4] * 6


@TWO
def test_words_that_no_series_has_are_answered_with_those_there_are(home, layout):
    export(layout)
    with pytest.raises(ScantuneError, match=r"--series 'T2': no series has these words.*'flair' 6, 't1 mprage' 6"):
        propose(Path("raw"), words="T2")


@TWO
def test_descriptions_of_two_scanners_meet_in_a_word(home, layout):
    def of(i: int) -> list[tuple[str, int]]:
        return [("scout", 3), (("t2_tse", 3), ("Ax T2", 4))[i % 2], (("3D FLAIR fs", 5), ("t2_flair_tra", 5))[i % 2]]

    export(layout, of)
    proposed = propose(Path("raw"))
    assert [content.array.shape[0] for content in prepared(proposed)] == [5] * 6
    assert any("'flair' is taken of" in note for note in proposed.notes)


@TWO
def test_a_folder_of_many_series_is_no_folder_of_single_images(home, layout):
    names = ["scout", "t1", "t2", "flair", "dwi", "swi", "pd", "tof", "t1 gd"]
    export(layout, lambda i: [(name, 3 + n // 4) for n, name in enumerate(names)], patients=4)
    contents = prepared(propose(Path("raw"), words="t1 gd"))
    assert [content.array.shape[0] for content in contents] == [5] * 4


@TWO
def test_studies_without_the_series_are_left_out_and_told(home, layout):
    export(layout, lambda i: SERIES if i else SERIES[:1] + SERIES[2:])
    proposed = propose(Path("raw"), words="mprage")
    if layout == TOGETHER:  # told by `preprocess`, which reads each folder
        assert next(iter(proposed.blocks["inputs"].values()))["series"] == "mprage"
        return
    assert len(prepared(proposed)) == 5
    assert any("1 study without exactly one such series left out" in note for note in proposed.notes)


def test_series_alike_in_no_word_are_all_kept_and_told(home):
    export(APART, lambda i: [("", 4), ("", 5)])
    proposed = propose(Path("raw"))
    assert len(prepared(proposed)) == 12
    assert any("each is a sample: '(no description)' 6; --series WORDS" in note for note in proposed.notes)


def test_one_series_a_patient_needs_no_words(home):
    export(TOGETHER, lambda i: SERIES[:2])
    proposed = propose(Path("raw"))
    assert "series" not in next(iter(proposed.blocks["inputs"].values()))
    assert [content.array.shape[0] for content in prepared(proposed)] == [5] * 6


def test_class_folders_of_studies_keep_their_classes(home):
    def of(label: str, i: int, number: int, description: str) -> Callable[[int], str]:
        return lambda k: f"{label}/P{i:03d}/{number}_{description}/{k}.dcm"

    for i in range(8):
        for number, (description, slices) in enumerate(SERIES, 1):
            series(of("ab"[i % 2], i, number, description), f"P{i:03d}", number, description, slices)
    proposed = propose(Path("raw"))
    assert [content.array.shape[0] for content in prepared(proposed)] == [5] * 8
    (source,) = proposed.tables.values()
    assert [row["label"] for row in source.rows] == ["a"] * 4 + ["b"] * 4


def test_reports_beside_the_scans_are_left_out(home):
    export(APART, lambda i: SERIES[1:2])
    for i in range(6):
        report = pydicom.dcmread(next(Path("raw").glob(f"P{i:03d}/*/*/000.dcm")))
        del report.PixelData, report.Rows, report.Columns
        report.SeriesInstanceUID += "9"
        report.Modality = "SR"
        report.file_meta.MediaStorageSOPClassUID = report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
        path = Path("raw", f"P{i:03d}/2020/9_report/0.dcm")
        path.parent.mkdir()
        report.save_as(path)
    assert len(prepared(propose(Path("raw")))) == 6


@pytest.mark.parametrize("described", [True, False])
def test_scouts_and_captured_screens_of_single_files_are_left_out(home, described):
    texts = [("Topogram 0.6", 2), ("CHEST 3.0 B31f", 5), ("Patient Protocol", 1)]
    export(APART, lambda i: texts if described else [("", slices) for _, slices in texts])
    proposed = propose(Path("raw"))
    assert [content.array.shape[0] for content in prepared(proposed)] == [5] * 6
    assert any("18 series or files are localizers, single images" in note for note in proposed.notes)


def test_single_images_without_the_id_of_a_study_are_kept_beside_a_series(home):
    export(APART, lambda i: [("XR", 1)] if i else [("CT", 5)])
    for path in Path("raw").rglob("*.dcm"):
        header = pydicom.dcmread(path)
        header.StudyInstanceUID = header.PatientID = ""
        header.save_as(path)
    (source,) = propose(Path("raw")).tables.values()
    assert len(source.rows) == 6


@pytest.mark.parametrize("frames", [1, 6])
def test_files_of_one_series_that_are_no_slices_are_samples_each(home, frames):
    for i in range(6):
        for view in range(4):
            path = Path("raw", f"P{i:03d}", f"{view}.dcm")
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(4 * i + view).integers(0, 255, (frames, 24, 24), np.uint8)
            if frames == 1:
                io.write_dicom_image(path, pixels[0].astype(np.uint16), patient_id=f"P{i:03d}", seed=f"{i}{view}")
            else:
                io.write_cine(path, pixels[..., None], patient_id=f"P{i:03d}", seed=f"{i}{view}")
            file = pydicom.dcmread(path)
            file.SeriesInstanceUID = f"1.2.{i + 1}"
            file.save_as(path)
    table(6)
    proposed = propose(Path("raw"))
    assert len(prepared(proposed)) == 24
    assert next(iter(proposed.blocks["inputs"].values()))["modality"] == ("video" if frames > 1 else "image")


def bids(kinds: Sequence[tuple[str, str, int]], subjects: int = 6) -> None:
    """Files of BIDS, those of each kind with so many slices; the first subject lacks the last kind."""
    for i in range(subjects):
        for folder, kind, slices in kinds[: -1 if i == 0 else None]:
            path = Path("raw", f"sub-{i:02d}", "ses-1", folder, f"sub-{i:02d}_ses-1_{kind}.nii.gz")
            path.parent.mkdir(parents=True, exist_ok=True)
            io.write_nifti(path, io.Volume(np.random.default_rng(i).random((slices, 8, 8), np.float32), np.eye(4)))
    lines = ["participant_id\tgroup", *(f"sub-{i:02d}\t{'ab'[i % 2]}" for i in range(subjects))]
    Path("raw", "participants.tsv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(("words", "slices"), [("", [5] * 6), ("bold", [9] * 6), ("FLAIR", [4] * 5)])
def test_of_several_kinds_in_bids_one_is_taken(home, words, slices):
    bids([("func", "task-rest_bold", 9), ("anat", "acq-mp2rage_T1w", 5), ("anat", "FLAIR", 4)])
    proposed = propose(Path("raw"), words=words)
    assert [content.array.shape[0] for content in prepared(proposed)] == slices
    assert any("'acq-mp2rage_t1w' 6, 'task-rest_bold' 6, 'flair' 5; --series WORDS" in n for n in proposed.notes)


def test_one_kind_in_bids_needs_no_words(home):
    bids([("anat", "T1w", 5), ("anat", "FLAIR", 4)][:1] * 2)
    assert not any("--series" in note for note in propose(Path("raw")).notes)


def test_words_for_files_without_series_are_refused(home):
    for i in range(6):
        path = Path("raw", "ab"[i % 2], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        io.write_png(path, np.random.default_rng(i).integers(0, 255, (16, 16), np.uint8))
    with pytest.raises(ScantuneError, match="--series 't1': the files are neither DICOM series nor named as BIDS"):
        propose(Path("raw"), words="t1")
