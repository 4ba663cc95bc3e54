"""Tables as hospitals write them: other languages, signs before ids, marks for yes, packed files, empty columns."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from scantune.proposal.blocks import propose
from tests.proposal.test_layouts import home as home
from tests.proposal.test_layouts import picture, read, table, volume

N = 30


@pytest.mark.parametrize(
    ("head", "target"),
    [
        ("ID paziente,nome file,età,sesso,esito", "esito"), ("paciente,imagen,edad,sexo,hallazgo", "hallazgo"),
        ("Patiënt,bestand,leeftijd,geslacht,uitslag", "uitslag"), ("患者编号,图像,年龄,性别,诊断", "诊断"),
        ("hasta no,dosya,yaş,cinsiyet,tanı", "tanı"), ("paciente,arquivo,idade,sexo,resultado", "resultado"),
    ],
)  # fmt: skip
def test_columns_of_other_languages(home, head, target):
    rows = []
    for i in range(N):
        picture(f"im/{i:03d}.png", i)
        rows.append((100 + i // 2, f"{i:03d}.png", 45 + i, "MF"[i % 2], ("sano", "malato")[i // 2 % 2]))
    table("t.csv", head, rows)
    params, records = read(propose(Path("raw")))
    ((_, dataset),) = params.datasets.items()
    assert set(dataset.groups) == {"age", "sex"}
    assert len({record.subject_id for record in records}) == N // 2
    assert next(iter(dataset.targets.values())).column == target


@pytest.mark.parametrize("form", ["'{}", "#{}", '"=""{}"""', '="{}"'])
def test_signs_before_ids_are_no_part_of_them(home, form):
    for i in range(N):
        picture(f"im/{i:03d}.png", i)
    rows = [(form.format(f"{i:03d}"), form.format(f"{i // 2:03d}"), i // 2 % 2) for i in range(N)]
    table("t.csv", "image,patient,edema", rows)
    _, records = read(propose(Path("raw")))
    assert len(records) == N
    assert all(record.targets["edema"] == str(int(record.files[0].stem) // 2 % 2) for record in records)


@pytest.mark.parametrize(("yes", "no"), [("ja", "nein"), ("TRUE", "FALSE"), ("x", ""), ("pos", "neg"), ("+", "-")])
def test_words_and_marks_beside_each_other_are_findings(home, yes, no):
    rows = []
    for i in range(N):
        picture(f"im/{i:03d}.png", i)
        findings = (i % 2, i // 2 % 2, i % 3 == 0)
        rows.append((f"{i:03d}.png", i // 2, *(yes if present else no for present in findings)))
    table("t.csv", "image,patient,effusion,edema,mass", rows)
    params, records = read(propose(Path("raw")))
    assert [block.task.name for block in params.experiments.values()] == ["multilabel"]
    assert {value for record in records for value in record.targets.values()} == {"0", "1"}
    assert [r.targets["effusion"] for r in records] == ["01"[row[2] == yes] for row in rows]


def test_one_mark_a_row_is_a_class(home):
    for i in range(N):
        picture(f"im/{i:03d}.png", i)
    rows = [(f"{i:03d}", *("X" if i // 2 % 3 == k else "" for k in range(3))) for i in range(N)]
    table("t.csv", "image,nevus,keratosis,melanoma", rows)
    _, records = read(propose(Path("raw")))
    assert {record.targets["label"] for record in records} == {"nevus", "keratosis", "melanoma"}


@pytest.mark.parametrize("sparse", ["label", "diagnosis_biopsy"])
def test_a_full_column_goes_before_one_that_few_rows_have(home, sparse):
    for i in range(N):
        picture(f"im/{i:03d}.png", i)
    rows = [(f"{i:03d}.png", "ab"[i % 2] if i < 4 else "", ("mild", "severe")[i // 2 % 2]) for i in range(N)]
    table("t.csv", f"image,{sparse},diagnosis", rows)
    _, records = read(propose(Path("raw")))
    assert len(records) == N
    assert {record.targets["diagnosis"] for record in records} == {"mild", "severe"}


def test_packed_tables_are_read_and_joined(home):
    for i in range(N):
        picture(f"im/{i:03d}.png", i)
    table("labels.csv", "study_id,finding", [(i // 2, ("edema", "normal")[i // 2 % 2]) for i in range(0, N, 2)])
    table("meta.csv", "image,study_id,subject_id", [(f"{i:03d}.png", i // 2, f"S{i // 4}") for i in range(N)])
    for name in ("labels.csv", "meta.csv"):
        Path(f"raw/{name}.gz").write_bytes(gzip.compress(Path("raw", name).read_bytes()))
        Path("raw", name).unlink()
    _, records = read(propose(Path("raw")))
    assert (len(records), len({record.subject_id for record in records})) == (N, 8)
    assert {record.targets["finding"] for record in records} == {"edema", "normal"}


@pytest.mark.parametrize("sides", [("OD", "OS"), ("L", "R"), ("_left", "_right")])
def test_sides_of_the_body_are_no_classes_and_of_one_subject(home, sides):
    for i in range(12):
        for side in sides:
            picture(f"fundus/{i:03d}{side}.png", 2 * i + (side == sides[0]))
    proposed = propose(Path("raw"))
    assert not proposed.blocks.get("experiments")
    _, records = read(proposed)
    assert len({record.subject_id for record in records}) == 12


def test_knees_of_one_person_in_folders_of_two_grades_are_of_one_subject(home):
    number = 0
    for side, n in (("train", 20), ("val", 6), ("test", 6)):
        for _ in range(n):
            number += 1
            for k in (0, 1):
                picture(f"{side}/{(number + k) % 3}/{9000 + number}{'LR'[k]}.png", 2 * number + k)
    for k in range(3):
        picture(f"auto_test/{k}/{8000 + k}L.png", 500 + k)
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert (len(records), len({record.subject_id for record in records})) == (64, 32)
    assert {record.split for record in records} == {"train", "validation", "test"}
    assert any(note.startswith("3 files in folders beside those of partitions") for note in proposed.notes)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("{:03d}_{}", "id,left_grade,right_grade"), ("RET{:03d}{}", "id,grade links,grade rechts"),
        ("{:03d}_{}", "id,left_image,right_image,Left-Grade,Right-Grade"), ("{:03d}_{}", "id,L,R"),
        ("{:03d}_{}", "id,left,right,grade L,grade R"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sides", [("left", "right"), ("OS", "OD")])
def test_the_grade_of_each_eye_is_of_its_own_image(home, name, head, sides):
    rows = []
    for i in range(20):
        names = [name.format(i, side) + ".png" for side in sides]
        for k, file in enumerate(names):
            picture(f"fundus/{file}", 2 * i + k)
        rows.append((f"{i:03d}", *(names if head.count(",") == 4 else ()), i % 3, (i + 1) % 3))
    table("t.csv", head, rows)
    _, records = read(propose(Path("raw")))
    assert (len(records), len({record.subject_id for record in records})) == (40, 20)
    for record in records:
        number = int("".join(letter for letter in record.files[0].stem if letter.isdigit()))
        (target,) = record.targets.values()
        assert target == str((number + (sides[1] in record.files[0].stem)) % 3)


def test_rows_of_both_eyes_under_one_id_are_of_one_subject(home):
    for i in range(20):
        for k, eye in enumerate(("OD", "OS")):
            picture(f"{i:02d}_{eye}.png", 2 * i + k)
    table(
        "t.csv", "ID,eye,grade", [(f"{i:02d}", eye, (i + (eye == "OS")) % 3) for i in range(20) for eye in ("OD", "OS")]
    )
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert (len(records), len({record.subject_id for record in records})) == (40, 20)
    assert any("'ID' is taken for it" in note for note in proposed.notes)


@pytest.mark.parametrize("wide", [True, False])
def test_scores_of_each_visit_are_of_its_own_scan(home, wide):
    rows = []
    for i in range(15):
        for visit in (1, 2):
            volume(f"{i + 1:03d}/V{visit}/t1.nii.gz", 2 * i + visit)
            rows += [] if wide else [(i + 1, visit, i + visit / 10)]
        rows += [(i + 1, i + 0.1, i + 0.2)] if wide else []
    table("visits.csv", "Subject,score_V1,score_V2" if wide else "Subject,Visit,score", rows)
    _, records = read(propose(Path("raw")))
    assert (len(records), len({record.subject_id for record in records})) == (30, 15)
    for record in records:
        subject, visit = record.files[0].parts[-3:-1]
        assert float(record.targets["score"]) == int(subject) - 1 + int(visit[1:]) / 10


def test_grades_by_visit_and_side_are_of_their_own_image(home):
    rows = []
    for i in range(12):
        for k, (visit, side) in enumerate([(1, "OD"), (1, "OS"), (2, "OD"), (2, "OS")]):
            picture(f"fundus/{i:03d}_V{visit}_{side}.png", 4 * i + k)
        rows.append((f"{i:03d}", *((i + k) % 4 for k in range(4))))
    table("t.csv", "id,V1 grade OD,V1 grade OS,V2 grade OD,V2 grade OS", rows)
    _, records = read(propose(Path("raw")))
    assert (len(records), len({record.subject_id for record in records})) == (48, 12)
    for record in records:
        number, visit, side = record.files[0].stem.split("_")
        assert record.targets["grade"] == str((int(number) + 2 * (visit == "V2") + (side == "OS")) % 4)


def test_all_views_of_each_breast_are_samples_with_its_own_label(home):
    for i in range(12):
        for k, side in enumerate("LR"):
            for view in ("CC", "MLO"):
                picture(f"mammo/{i:03d}_{side}_{view}.png", 4 * i + 2 * k + (view == "CC"))
    table("m.csv", "id,age,cancer_L,cancer_R", [(f"{i:03d}", 40 + i, i % 2, (i + 1) % 2) for i in range(12)])
    _, records = read(propose(Path("raw")))
    assert (len(records), len({record.subject_id for record in records})) == (48, 12)
    for record in records:
        number, side, _ = record.files[0].stem.split("_")
        assert record.targets["cancer"] == str((int(number) + (side == "R")) % 2)


def test_short_ids_lead_to_all_files_of_a_subject(home):
    numbers = (1, 2, 10, 11, 12, 20, 21, 100)
    for i in numbers:
        for k in range(2):
            picture(f"img/S{i}_{k}.png", 2 * i + k)
    table("t.csv", "subject,label", [(f"S{i}", "ab"[k % 2]) for k, i in enumerate(numbers)])
    _, records = read(propose(Path("raw")))
    assert len(records) == 16
    assert all(record.files[0].stem.split("_")[0] == record.subject_id for record in records)


def test_a_folder_of_labelled_images_has_no_masks(home):
    for i in range(12):
        folder = ("Training/Labeled", "Testing/Unlabeled")[i % 2]
        volume(f"{folder}/A{i}B/A{i}B_sa.nii.gz", i)
        volume(f"{folder}/A{i}B/A{i}B_sa_gt.nii.gz", i, labels=True)
    table("m.csv", "External code,Vendor", [(f"A{i}B", "XY"[i // 2 % 2]) for i in range(12)])
    _, records = read(propose(Path("raw")))
    assert len(records) == 12
    assert all("_gt" in record.masks[0].name for record in records)


def test_a_count_beside_findings_is_none(home):
    for i in range(N):
        picture(f"im/{i:03d}.png", i)
    rows = [(f"{i:03d}.png", i % 2, int(i % 3 == 0), i // 2 % 2, i // 3 % 2) for i in range(N)]
    table("t.csv", "image,hardware,fractured,fracture_count,effusion", rows)
    params, records = read(propose(Path("raw")))
    assert [block.task.name for block in params.experiments.values()] == ["multilabel"]
    assert set(records[0].targets) == {"hardware", "fractured", "effusion"}


@pytest.mark.parametrize(
    ("values", "task"), [(range(21, 30), "regression"), (range(3, 30, 3), "regression"), (range(9), "classification")]
)
def test_a_scale_of_whole_numbers_is_measured(home, values, task):
    for i in range(36):
        picture(f"im/{i:03d}.png", i)
    table("t.csv", "image,MMSE score", [(f"{i:03d}.png", values[i % 9]) for i in range(36)])
    params, _ = read(propose(Path("raw")))
    assert [block.task.name for block in params.experiments.values()] == [task]
