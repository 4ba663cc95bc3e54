"""Which column says the subject, and which ids are of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scantune import cohort
from scantune.config.dataset import PartOf
from scantune.config.load import parse
from scantune.proposal.blocks import propose
from tests.proposal.test_layouts import picture

N = 48


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for i in range(N):
        picture(f"images/img_{i:03d}.png", i)
    return tmp_path


def read(head: str, cells: Callable[[int], str]):
    """Records, the dataset and notes for a table of two images a subject."""
    lines = [f"image,{head}", *(f"img_{i:03d}.png,{cells(i)}" for i in range(N))]
    Path("raw/labels.csv").write_text("\n".join(lines) + "\n")
    proposed = propose(Path("raw"))
    params = parse(proposed.blocks)
    ((_, dataset),) = params.datasets.items()
    return cohort.load(dataset, Path()), params, proposed.notes


LABEL = ("edema", "normal")


@pytest.mark.parametrize("head", ["case_id,mrn", "case,patient_name", "study_id,hospital_number", "mrn,case_no"])
def test_of_two_columns_of_subjects_the_one_that_images_share_is_taken(home, head):
    records, params, _ = read(f"{head},diagnosis", lambda i: f"C{i},77{i // 2},{LABEL[i // 4 % 2]}")
    assert len({record.subject_id for record in records}) == N // 2
    assert not params.datasets["labels"].groups


@pytest.mark.parametrize("form", [lambda n, odd: f"{n:03d}" if odd else n, lambda n, odd: f"{n}.0" if odd else n,
                                  lambda n, odd: f"{'Pp'[odd]}{n:02d}"])  # fmt: skip
def test_ids_of_several_forms_are_one_subject(home, form):
    records, _, notes = read("patient,diagnosis", lambda i: f"{form(i // 2, i % 2)},{LABEL[i // 4 % 2]}")
    assert len({record.subject_id for record in records}) == N // 2
    assert any("join_ids" in note for note in notes)


def test_ids_of_one_form_need_no_key(home):
    _, params, _ = read("patient,diagnosis", lambda i: f"{i // 2:03d},{LABEL[i // 4 % 2]}")
    assert "join_ids" not in params.datasets["labels"].model_fields_set


@pytest.mark.parametrize("empty", ["", "NA", "nan"])
def test_samples_without_a_subject_are_each_of_one_of_their_own(home, empty):
    ids = [empty if i in (3, 7, 8) else f"{i // 2:03d}" for i in range(N)]
    lines = [f"img_{i:03d}.png,{ids[i]},{LABEL[i // 4 % 2]}" for i in range(N)]
    Path("raw/labels.csv").write_text("\n".join(["image,patient,diagnosis", *lines]) + "\n")
    proposed = propose(Path("raw"))
    (table,) = proposed.tables.values()
    assert len({row["patient"] for row in table.rows}) == N // 2 + 3
    assert any("3 rows have no 'patient': each is a subject of its own" in note for note in proposed.notes)


@pytest.mark.parametrize("words", [("yes", "no"), ("1", "0")])
def test_who_is_a_patient_is_a_class_and_no_subject(home, words):
    records, params, _ = read("Patient,age", lambda i: f"{words[i // 2 % 2]},{40 + i % 31}")
    assert params.experiments["labels"].task.target == "patient"
    assert len({record.subject_id for record in records}) == N


@pytest.mark.parametrize(("identifier", "subjects"), [
    (lambda i: f"COVID-{i // 2:05d}{'ab'[i % 2]}", N // 2),
    (lambda i: f"COVID-{i // 2:05d}{['', 'b'][i % 2]}", N // 2),
    (lambda i: f"P{i}", N),
    (lambda i: f"{i // 2:03d}{'MF'[i % 2]}", N),  # letters that do not count
    (lambda i: f"P{i // 4}{'ab'[i // 2 % 2]}", N // 2),  # ids recur: they are the subjects'
])  # fmt: skip
def test_letters_behind_ids_count_the_images_of_a_subject(home, identifier, subjects):
    records, params, notes = read("patientid,finding", lambda i: f"{identifier(i)},{LABEL[i // 4 % 2]}")
    assert len({record.subject_id for record in records}) == subjects
    told = any("differ in a last letter" in note for note in notes)
    assert told == isinstance(params.datasets["labels"].subject, PartOf)


def test_kinds_of_images_are_told_and_a_group(home):
    _, params, notes = read("patient,Modality,diagnosis",
                            lambda i: f"P{i // 2},{['X-ray', 'CT'][i % 3 == 0]},{LABEL[i // 4 % 2]}")  # fmt: skip
    assert any("X-ray 32, CT 16" in note and "where: {Modality: X-ray}" in note for note in notes)
    assert params.datasets["labels"].groups == {"Modality": "Modality"}
