"""Tables of several rows a file: one for each finding, measure, box or reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scantune import cohort, io
from scantune.cohort.faults import CohortError
from scantune.config.load import parse
from scantune.proposal.blocks import Proposed, propose
from scantune.proposal.listing import Listing
from scantune.proposal.long_keys import key_of
from scantune.proposal.source import Content
from scantune.proposal.widening import consensus, widened

FINDINGS = ("any", "epidural", "intraparenchymal", "subdural")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(names: list[str]) -> None:
    for seed, name in enumerate(names):
        path = Path("raw", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        io.write_png(path, np.random.default_rng(seed).integers(0, 255, (8, 8), np.uint8))


def table(name: str, head: str, rows: list[tuple[object, ...]]) -> None:
    Path("raw").mkdir(exist_ok=True)
    Path("raw", name).write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")


def read(proposed: Proposed):
    """The experiment's block and the records of the one data set, its table written."""
    for path, source in proposed.tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.written())
    params = parse({"experiments": {}, **proposed.blocks})
    (dataset,) = params.datasets.values()
    records = cohort.load(dataset, Path())
    assert len({record.files for record in records}) == len(records)
    return next(iter(params.experiments.values())), {record.files[0].stem: record for record in records}


def test_names_of_findings_behind_ids(home):
    images = [f"ID_{i * 7919:09x}" for i in range(40)]
    pictures([f"stage_2_train/{name}.png" for name in images])
    rows = [(f"{name}_{f}", int(i % (k + 2) == 0)) for i, name in enumerate(images) for k, f in enumerate(FINDINGS)]
    table("stage_2_train.csv", "ID,Label", [*rows, rows[0]])  # one row twice, as in the original
    experiment, records = read(propose(Path("raw")))
    assert experiment.task.name == "multilabel"
    assert experiment.task.findings == FINDINGS
    assert records[images[4]].targets == {"any": "1", "epidural": "0", "intraparenchymal": "1", "subdural": "0"}
    assert len(records) == 40


def test_a_finding_with_two_values_is_an_error_by_row_and_value(home):
    pictures([f"ID_{i}.png" for i in range(8)])
    rows = [(f"ID_{i}_{f}", i % 2) for i in range(8) for f in FINDINGS]
    table("train.csv", "ID,Label", [*rows, ("ID_3_any", 0)])
    with pytest.raises(CohortError, match=r"train\.csv(.|\n)*'any' of ID_3 is '1' in row 14 and '0' in row 34"):
        propose(Path("raw/train.csv"))


def vindr(readers: int = 3) -> None:
    """Image 0 mod 3: two of three readers draw a mass, one a nodule twice; 1 mod 3: none find anything; 2: one does."""
    images = [f"{i * 7919:08x}a" for i in range(36)]
    pictures([f"train/{name}.png" for name in images])
    rows: list[tuple[object, ...]] = []
    for i, name in enumerate(images):
        for k in range(readers):
            reader = f"R{(i + k) % 17 + 1}"
            mass, nodule = (name, "Mass", 5, reader, 10, 20, 30, 40), (name, "Nodule", 8, reader, 1, 2, 3, 4)
            none = (name, "No finding", 14, reader, "", "", "", "")
            rows += {0: [mass, mass] if k < 2 else [nodule, nodule], 1: [none], 2: [mass] if k == 0 else [none]}[i % 3]
    table("train.csv", "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max", rows)


def test_findings_of_several_readers_count_by_their_majority(home):
    vindr()
    proposed = propose(Path("raw"))
    experiment, records = read(proposed)
    values = [next(iter(record.targets.values())) for _, record in sorted(records.items(), key=lambda r: r[1].row)]
    assert values[:6] == ["Mass", "No finding", "No finding"] * 2
    assert experiment.task.name in ("multilabel", "classification")
    assert any("more than half of the readers" in note for note in proposed.notes)


def test_rows_for_what_is_present_alone(home):
    pictures([f"img_{i:03d}.png" for i in range(48)])
    words = ("edema", "effusion", "mass")
    rare = [("img_004.png", "P2", "hernia")]
    rows = [(f"img_{i:03d}.png", f"P{i // 2}", w) for i in range(48) for k, w in enumerate(words) if i % (k + 2) == 0]
    rows += [(f"img_{i:03d}.png", f"P{i // 2}", "No finding") for i in range(48) if all(i % k for k in (2, 3, 4))]
    table("findings.csv", "image,patient_id,finding", rows + rare)
    proposed = propose(Path("raw"))
    experiment, records = read(proposed)
    assert any("findings of too few samples are ignored (task key `ignored`): hernia" in n for n in proposed.notes)
    assert experiment.task.name == "multilabel"
    assert experiment.task.ignored == ("No finding", "hernia")
    assert records["img_012"].targets == {"finding": "edema|effusion|mass"}
    assert records["img_001"].targets == {"finding": "No finding"}
    assert records["img_003"].subject_id == "P1"


def test_measures_of_a_subject_are_columns(home):
    pictures([f"echo/P{i:03d}.png" for i in range(24)])
    rows = [
        (f"P{i:03d}", m, v) for i in range(24) for m, v in (("EDV", 100 + i), ("ESV", 40.5 + i), ("LVEF", 50.25 + i))
    ]
    table("measures.csv", "patient_id,measure,value", rows)
    experiment, records = read(propose(Path("raw")))
    assert experiment.task.name == "regression"
    assert records["P003"].targets == {"lvef": "53.25"}


@pytest.mark.parametrize(
    ("scores", "expected", "task"),
    [(("2", "3", "3"), "3", "classification"), (("41.5", "43.5", "45.5"), "43.5", "regression")],
)
def test_readers_scores_are_their_majority_or_mean(home, scores, expected, task):
    pictures([f"img_{i:03d}.png" for i in range(36)])
    rows: list[tuple[object, ...]] = [
        (f"img_{i:03d}", f"reader {k}", s if i % 2 else f"{float(s) + i % 9:g}" if "." in s else ("0", "0", "1")[k])
        for i in range(36)
        for k, s in enumerate(scores)
    ]
    table("readings.csv", "image,reader,score", rows)
    experiment, records = read(propose(Path("raw")))
    assert experiment.task.name == task
    assert records["img_001"].targets == {"score": expected}
    assert records["img_001"].raters == ({"reader_reader_0": "2", "reader_reader_1": "3", "reader_reader_2": "3"}
                                         if task == "classification" else records["img_001"].raters)  # fmt: skip


def test_a_box_with_1_counts_for_its_image(home):
    pictures([f"s/{i:04d}ab.png" for i in range(24)])
    rows = [(f"{i:04d}ab", k, 5, 10, 10, int(k == 1 and i % 2)) for i in range(24) for k in range(2)]
    table("boxes.csv", "image_id,x,y,width,height,label", rows)
    _, records = read(propose(Path("raw")))
    assert [records[f"{i:04d}ab"].targets["label"] for i in range(4)] == ["0", "1", "0", "1"]


def test_numbers_of_classes_of_boxes_are_findings(home):
    pictures([f"{i:04d}ab.png" for i in range(40)])
    rows = [
        (f"{i:04d}ab", k, 1, 2, 3 + i % 7, 4) for i in range(40) for k in range(3) if i % (k + 2) == 0 or k == i % 3
    ]
    table("boxes.csv", "image_id,class_id,x_min,y_min,x_max,y_max", rows)
    experiment, records = read(propose(Path("raw")))
    assert experiment.task.name == "multilabel"
    assert records["0012ab"].targets == {"findings": "0|1|2"}


def test_rows_of_several_visits_are_no_findings_of_a_file(home):
    pictures([f"P{i:03d}/{view}.png" for i in range(24) for view in ("ap", "lateral")])
    rows = [(f"P{i:03d}", v, ("ill", "well")[(i + v) % 2]) for i in range(24) for v in range(2)]
    table("visits.csv", "patient,visit,diagnosis", rows)
    with pytest.raises(CohortError, match=r"visit.*differ in it and in 'diagnosis': nothing says which of them"):
        propose(Path("raw/visits.csv"))


def test_run_lengths_of_masks_say_whether_there_is_one(home):
    pictures([f"{i:04d}ab.png" for i in range(24)])
    rows = [(f"{i:04d}ab", f"{k} 3 9 2" if i % 2 else "-1") for i in range(24) for k in range(1 + i % 2)]
    table("masks.csv", "ImageId,EncodedPixels", rows)
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert [records[f"{i:04d}ab"].targets["label"] for i in range(3)] == ["0", "1", "0"]
    assert any("'EncodedPixels' has run lengths of masks" in note for note in proposed.notes)


def test_measures_of_ids_in_headers(home):
    rows = []
    for i in range(24):
        path = Path(f"raw/dicom/IM{i:04d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 4000, (8, 8)).astype(np.uint16)
        tags = {"AccessionNumber": f"A{5000 + i}"}
        io.write_dicom_image(path, pixels, patient_id=f"7000{i // 2}", seed=str(i), tags=tags)
        rows += [(f"A{5000 + i}", 900 + i // 2, "EDV", 100 + i), (f"A{5000 + i}", 900 + i // 2, "EF", 40.5 + i)]
    table("export.csv", "Accession Number,MRN,measure,value", rows)
    experiment, records = read(propose(Path("raw")))
    assert experiment.task.name == "regression"
    assert records["IM0003"].targets == {"ef": "43.5"}


@pytest.mark.parametrize(
    ("in_header", "in_table", "n"),
    [
        (lambda i: f"{i + 1:06d}", lambda i: i + 1, 12),  # a spreadsheet takes zeros in front away
        (lambda i: f"{i + 1:06d}", lambda i: f"{i + 1}.0", 12),
        (lambda i: f"MRN-{i:03d}", lambda i: f"mrn {i:03d}", 12),
        (lambda i: f"{'0' * (i % 2 + 1)}{i // 2 + 1}", lambda i: i + 1, 0),  # 01 and 001 are two people
    ],
)
def test_ids_that_a_spreadsheet_changed_are_those_in_the_headers(home, in_header, in_table, n):
    rows = []
    for i in range(12):
        path = Path(f"raw/{in_table(0)}{in_header(0)}/IM{40 + 7 * i:04d}")  # the headers of one listing are read once
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 4000, (8, 8)).astype(np.uint16)
        io.write_dicom_image(path, pixels, patient_id=in_header(i), seed=str(i))
        rows.append((in_table(i), ("normal", "edema")[i % 2]))
    table("export.csv", "MRN,diagnosis", rows)
    proposed = propose(Path("raw"))
    if not n:
        assert not proposed.blocks.get("experiments")
        return
    _, records = read(proposed)
    found = {record.files[0].name: record.targets["diagnosis"] for record in records.values()}
    assert found == {f"IM{40 + 7 * i:04d}": ("normal", "edema")[i % 2] for i in range(n)}


def propose_with(*row: str) -> Proposed:
    """Blocks for 48 pictures of 24 patients, and one row more."""
    pictures([f"img_{i:03d}.png" for i in range(48)])
    rows = [(f"img_{i:03d}.png", f"P{i // 2}", ("normal", "edema")[i // 2 % 2]) for i in range(48)]
    table("labels.csv", "image,patient_id,diagnosis", [*rows, row])
    return propose(Path("raw"))


def test_single_rows_that_contradict_each_other_are_no_label(home):
    proposed = propose_with("img_005.png", "P2", "edema")
    _, records = read(proposed)
    assert "img_005" not in records
    assert len(records) == 47
    assert any("where the rows of a file differ, the cell is empty: 'diagnosis' of 1" in n for n in proposed.notes)


def test_a_file_of_two_subjects_is_left_out(home):
    proposed = propose_with("img_005.png", "P7", "normal")
    _, records = read(proposed)
    assert "img_005" not in records
    assert any("1 file in rows of several subjects" in note for note in proposed.notes)


def test_boxes_and_classes_of_two_tables(home):
    pictures([f"stage_2/{i:04d}c.png" for i in range(30)])
    rows = [(f"{i:04d}c", b, 5, 7, 9, i % 2) for i in range(30) for b in range(1 + i % 2)]
    table("stage_2_train_labels.csv", "patientId,x,y,width,height,Target", rows)
    kinds = [(f"{i:04d}c", ("Normal", "Lung Opacity")[i % 2]) for i in range(30) for _ in range(1 + i % 2)]
    table("stage_2_detailed_class_info.csv", "patientId,class", kinds)
    _, records = read(propose(Path("raw")))
    assert len(records) == 30
    assert len({next(iter(record.targets.values())) for record in records.values()}) == 2


@pytest.mark.parametrize(
    ("answers", "measured", "joined"),
    [
        (["1", "2", "2"], False, "2"),
        (["1", "2"], False, ""),
        (["1.5", "2"], True, "1.75"),
        (["", "a"], False, "a"),
        ([], True, ""),
        (["1,5", "2"], True, "1,75"),
        (["1.5", "high"], True, ""),
    ],
)
def test_consensus(answers, measured, joined):
    assert consensus(answers, measured) == joined


def test_digits_that_lead_to_few_files_by_chance_do_not_outweigh_the_names_of_all(tmp_path: Path) -> None:
    names = [f"video_convex_{n}" for n in range(1, 5)] + [f"clip-{letter}" for letter in "abcdefgh"]
    listing = Listing(tmp_path, tuple(f"loops/{name}.mp4" for name in sorted(names)))
    columns = ["Filename", "Type", "Probe", "Source", "Effusion"]
    rows = [
        dict(zip(columns, (name, "video", "convex", str(i % 4 + 1), str(i // 4 % 2)), strict=True))
        for i, name in enumerate(["gone", "gone", "gone", *names])
    ]
    content = Content(columns, rows)
    assert key_of(content, listing, "loops") == []
    assert widened(content, listing, tmp_path / "loops.csv").rows == rows
