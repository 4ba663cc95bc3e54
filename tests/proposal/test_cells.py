"""Tables with the dirt of hospitals: what is read as target, group, partition, and what the notes say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest

from scantune import cohort
from scantune.config.load import parse
from scantune.proposal import headings
from scantune.proposal.blocks import propose
from scantune.proposal.cleaning import cleaned
from tests.proposal.test_layouts import picture

N = 48


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for i in range(N):
        picture(f"images/img_{i:03d}.png", i)
    return tmp_path


def read(head: str, cells: Sequence[Sequence[object]], separator: str = ",", encoding: str = "utf-8"):
    """Records, block of the task and notes for a table of an image, a patient and further columns."""
    rows = [[f"img_{i:03d}.png", f"P{i // 2}", *row] for i, row in enumerate(cells)]
    lines = [["image", "patient", *head.split(",")], *rows]
    text = "\n".join(separator.join(map(str, line)) for line in lines) + "\n"
    Path("raw/labels.csv").write_bytes(text.encode(encoding))
    return proposed()


def proposed():
    result = propose(Path("raw"))
    for path, source in result.tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.written())
    params = parse(result.blocks)
    ((_, dataset),) = params.datasets.items()
    ((_, block),) = params.experiments.items()
    return cohort.load(dataset, Path()), dataset, block.task, result.notes


def values(records) -> list[str]:
    return [next(iter(record.targets.values())) for record in records]


EDEMA = ("edema", "normal")


@pytest.mark.parametrize(
    ("column", "cell", "task", "kept", "some"),
    [
        ("bmi", lambda i: 999 if i % 8 == 0 else f"{20 + i * 0.21:.2f}", "regression", 42, "20.21"),
        ("EF", lambda i: f"{40 + i * 0.37:.1f}" if i % 6 else (".", "n/a", "?")[i // 6 % 3], "regression", 40, "40.4"),
        ("EF", lambda i: f"{40 + i * 0.37:.1f}%", "regression", 48, "40.4"),
        ("PatientAge", lambda i: f"{20 + i:03d}Y", "regression", 48, "21"),
        ("bone age", lambda i: f"{20 + 3 * i} months", "regression", 48, "23"),
        ("volume", lambda i: f'"{1000 + 37 * i:,}"', "regression", 48, "1037"),
        ("grade", lambda i: -9 if i % 12 == 0 else i // 2 % 3, "classification", 44, "0"),
        ("grade", lambda i: "." if i % 12 == 0 else EDEMA[i // 2 % 2], "classification", 44, "edema"),
        ("diagnosis", lambda i: ("Edema", "normal", "edema", "Normal")[i // 2 % 4], "classification", 48, "edema"),
        ("edema", lambda i: ("yes", "no", "Y", "N", "1", "0")[i // 2 % 6], "classification", 48, "yes"),
        ("severity", lambda i: ("none", "mild", "moderate", "severe")[i // 2 % 4], "classification", 48, "none"),
    ],
)  # fmt: skip
def test_cells_of_a_target(home, column, cell, task, kept, some):
    records, _, found, notes = read(column, [[cell(i)] for i in range(N)])
    assert (found.name, len(records)) == (task, kept)
    assert some in values(records)
    assert not {"999", "-9", ".", "Edema", "Y", ""} & set(values(records))
    assert any(column in note for note in notes)


def test_grades_in_words_are_in_their_order(home):
    _, _, task, _ = read("severity", [[("severe", "none", "mild")[i // 2 % 3]] for i in range(N)])
    assert task.classes == ("none", "mild", "severe")
    assert task.ordinal


def test_semicolons_commas_and_german_headings(home):
    rows = [[f"{40 + i * 0.37:.2f}".replace(".", ","), ("m", "w", "M", "W")[i % 4]] for i in range(N)]
    records, dataset, task, _ = read("Ejektionsfraktion,Geschlecht", rows, ";", "cp1252")
    assert (dataset.decimal, task.name) == (",", "regression")
    assert dataset.groups == {"sex": "Geschlecht"}
    assert {record.groups["sex"] for record in records} == {"m", "w"}


def test_codes_for_missing_ages_are_no_ages(home):
    rows = [[EDEMA[i // 2 % 2], -9 if i % 10 == 0 else 40 + i % 13] for i in range(N)]
    records, *_ = read("label,age", rows)
    assert "-9" not in {record.groups["age"] for record in records}


@pytest.mark.parametrize(
    ("column", "cell", "sides"),
    [
        ("split", lambda i: ("train", "train", "dev", "test")[i // 2 % 4], {"train", "validation", "test"}),
        ("is_test", lambda i: int(i >= 38), {"test", None}),
        ("split", lambda i: ("train", "train", "val", "test")[i % 4], {None}),  # parts subjects
        ("set", lambda i: ("Training", "PublicTest")[i // 2 % 2], {None}),
        ("fold", lambda i: i // 2 % 5, {None}),
    ],
)
def test_columns_of_partitions(home, column, cell, sides):
    records, dataset, task, notes = read(f"label,{column}", [[EDEMA[i // 2 % 2], cell(i)] for i in range(N)])
    assert {record.split for record in records} == sides
    assert task.target == "label"
    assert column not in dataset.groups.values()
    assert sides != {None} or any(repr(column) in note and "not used" in note for note in notes)


def test_a_row_of_units_below_the_heading(home):
    lines = ["image,patient,age,LVEF", ",,years,%"]
    lines += [f"img_{i:03d}.png,P{i // 2},{40 + i % 13},{40 + i * 0.37:.2f}" for i in range(N)]
    Path("raw/labels.csv").write_text("\n".join(lines) + "\n")
    records, _, task, _ = proposed()
    assert (task.name, len(records)) == ("regression", N)


@pytest.mark.parametrize(("last", "after"), [("Comment", "Age (y)"), ("Date", "Age (y)"), ("Age", "Age")])
def test_names_below_merged_headings(home, last, after):
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["Follow-up of 2020 (confidential)"],
        [],
        ["Image", "Demographics", None, "Outcome", None, last],
        [None, after, "Sex", "30-day mortality", "LOS (days)", None],
    ):
        sheet.append(row)
    for merged in ("A1:F1", "B3:C3", "D3:E3"):
        sheet.merge_cells(merged)
    for i in range(24):
        sheet.append([f"img_{i:03d}.png", 40 + i, "MF"[i % 2], ("yes", "no")[i % 2], i % 9, "x" if i % 9 else None])
    book.save("raw/outcomes.xlsx")
    proposed = propose(Path("raw"))
    (source,) = proposed.tables.values()
    assert any("the column names stand in row 3" in note for note in proposed.notes)
    named = {"Image", "Demographics Age" if last == after else after, "Sex", "30-day mortality", "LOS (days)", last}
    assert named <= {*source.columns}
    assert len(source.rows) == 24
    assert source.rows[3]["Sex"] == "F"


def test_merged_cells_of_a_patient_are_of_each_row(home):
    """Else the second image of each patient would be of another subject, and in another partition."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["image", "patient", "grade"])
    for i in range(N):
        sheet.append([f"img_{i:03d}.png", None if i % 2 else f"P{i // 2}", None if i % 2 else "ab"[i // 2 % 2]])
        if i % 2:
            sheet.merge_cells(f"B{i + 1}:B{i + 2}")
            sheet.merge_cells(f"C{i + 1}:C{i + 2}")
    book.save("raw/labels.xlsx")
    proposed = propose(Path("raw"))
    (source,) = proposed.tables.values()
    assert [(row["patient"], row["grade"]) for row in source.rows[2:4]] == [("P1", "b")] * 2
    assert any("merged cells is written into each of their rows: patient, grade" in note for note in proposed.notes)


def _html(cells):
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def _spreadsheet(cells):
    rows = "".join(f"<Row>{row}</Row>" for row in cells)
    for old, new in (("<td rowspan=3>", '<Cell ss:MergeDown="2">~'), ("<td>", "<Cell>~"), ("</td>", "</Data></Cell>")):
        rows = rows.replace(old, new)
    rows = rows.replace("~", '<Data ss:Type="String">')
    space = "urn:schemas-microsoft-com:office:spreadsheet"
    return (
        f'<?xml version="1.0"?><Workbook xmlns="{space}" xmlns:ss="{space}"><Worksheet ss:Name="a"><Table>{rows}'
        "</Table></Worksheet></Workbook>"
    )


@pytest.mark.parametrize("form", [_html, _spreadsheet])
def test_cells_that_span_rows_of_a_web_page_or_xml_are_of_each(home, form):
    patients = [f"<td rowspan=3>P{i // 3}</td>" if i % 3 == 0 else "" for i in range(N)]
    rows = [f"<td>img_{i:03d}.png</td>{patients[i]}<td>{'ab'[i % 2]}</td>" for i in range(N // 3 * 3)]
    Path("raw/labels.xls").write_text(form(["<td>image</td><td>patient</td><td>grade</td>", *rows]))
    (source,) = propose(Path("raw")).tables.values()
    assert [row["patient"] for row in source.rows[:6]] == ["P0"] * 3 + ["P1"] * 3


def test_two_columns_of_one_name(home):
    records, _, task, notes = read("score,score,label", [[i % 7, i % 6, EDEMA[i // 2 % 2]] for i in range(N)])
    assert (task.target, len(records)) == ("label", N)
    assert any("score (2)" in note for note in notes)


def test_lists_as_python_writes_them(home):
    words = (["pneumonia"], ["pneumonia", "effusion"], ["effusion"], ["normal"])
    rows = [['"' + str(words[i // 2 % 4]) + '"'] for i in range(N)]
    records, _, task, _ = read("Labels", rows)
    assert (task.name, task.separator) == ("multilabel", "|")
    assert "pneumonia|effusion" in values(records)


def test_readers_without_a_consensus_are_told(home):
    _, dataset, task, notes = read("Reader1,Reader2", [[i // 2 % 3, (i // 2 + (i % 5 == 0)) % 3] for i in range(N)])
    assert (dict(dataset.raters), task.target) == ({"Reader2": "Reader2"}, "reader1")
    assert any("consensus" in note for note in notes)


@pytest.mark.parametrize(
    ("head", "event"),
    [
        ("time,event", lambda i: i % 3 % 2),
        ("OS_months,OS_status", lambda i: ("0:LIVING", "1:DECEASED")[i % 3 % 2]),
        ("RFS,Relapse", lambda i: i % 3 % 2),  # HECKTOR
        ("time,recurrence", lambda i: ("no", "yes")[i % 3 % 2]),
        ("time,censored", lambda i: 1 - i % 3 % 2),
        ("follow-up,vital status", lambda i: ("alive", "dead")[i % 3 % 2]),
    ],
)
def test_times_and_events(home, head, event):
    records, _, task, _ = read(head, [[100 + 17 * i, event(i)] for i in range(N)])
    assert task.name == "survival"
    assert [record.targets["event"] for record in records] == [str(i % 3 % 2) for i in range(N)]


def test_a_number_of_no_meaning_for_files_names_none(home):
    """Ages 0 to 47 would lead to img_000 … img_047, of other people."""
    lines = ["subject,age,label", *(f"S{i},{47 - i},{EDEMA[i % 2]}" for i in range(N))]
    Path("raw/labels.csv").write_text("\n".join(lines) + "\n")
    result = propose(Path("raw"))
    assert "experiments" not in result.blocks
    assert any("labels.csv" in note for note in result.notes)


def test_headings_with_braces_and_cells_longer_than_a_name_of_a_file(home):
    records, _, task, _ = read("{x},mask,label", [[i, "x" * 300, EDEMA[i // 2 % 2]] for i in range(N)])
    assert (task.target, len(records)) == ("label", N)


@pytest.mark.parametrize("day", ["0{}.02.2020", "2020-02-0{}", "2020020{}", "2020-02-0{} 10:15", "1{}:30"])
def test_dates_and_visits_are_no_classes(home, day):
    rows = [[day.format(1 + i // 2 % 3), i % 2, ("ok", "bad")[i // 2 % 2]] for i in range(N)]
    _, dataset, task, notes = read("aufnahme,visit,impression", rows)
    assert task.target == "impression"
    assert "aufnahme" not in dataset.groups
    assert any("no column is named like a target: 'impression'" in note for note in notes)


def test_whole_numbers_named_as_classes_are_told_where_they_are_a_measure(home):
    rows = [[i // 2 % 12] for i in range(N)]
    assert any("where they number classes" in note for note in read("label", rows)[3])
    assert not any("where they number classes" in note for note in read("LVEF", rows)[3])


def test_a_class_of_one_subject_is_excluded_with_a_note(home):
    *_, notes = read("diagnosis", [["rare" if i < 2 else EDEMA[i // 2 % 2]] for i in range(N)])
    assert any(note.startswith("2 of 48 rows are excluded") and "rare 1" in note for note in notes)


@pytest.mark.parametrize(
    ("column", "cell", "told"),
    [
        ("diagnosis", lambda i: (0, 1, 9)[i // 2 % 3], "'9' in 16 cells"),
        ("diagnosis", lambda i: (0, 1, -1)[i // 2 % 3], "'-1' in 16 cells"),
        ("diagnosis", lambda i: (*EDEMA, "unknown")[i // 2 % 3], "'unknown' in 16 cells"),
        ("LVEF", lambda i: -1 if i % 4 == 0 else 30 + i, "'-1' in 12 cells"),
        ("LVEF", lambda i: 99 if i % 4 == 0 else 30 + i, "'99' in 12 cells"),
        ("LVEF", lambda i: 54 + i, ""),
        ("grade", lambda i: i // 2 % 10, ""),
        ("score", lambda i: i - 20, ""),
    ],
)
def test_values_that_may_stand_for_a_missing_one_are_told(home, column, cell, told):
    notes = " ".join(read(column, [[cell(i)] for i in range(N)])[3])
    assert told in notes
    assert bool(told) == ("kept as values" in notes)


def test_findings_with_a_slash_in_their_names_have_a_hyphen(home):
    lines = ["file,Nodule/Mass,Edema,ILD", *(f"img_{i:03d}.png,{i % 2},{i // 2 % 2},{i // 4 % 2}" for i in range(N))]
    Path("raw", "images", "t.csv").write_text("\n".join(lines) + "\n")
    blocks = propose(Path("raw", "images", "t.csv")).blocks
    assert blocks["experiments"]["t"]["task"] == {"name": "multilabel", "findings": ["Nodule-Mass", "Edema", "ILD"]}
    assert blocks["datasets"]["t"]["targets"] == {"Nodule-Mass": "Nodule/Mass", "Edema": "Edema", "ILD": "ILD"}


@pytest.mark.parametrize(
    ("years", "months", "column"),
    [
        ("{:03d}Y", "{:03d}M", "PatientAge"),
        ("{} years", "{} months", "age"),
        ("{} Jahre", "{} Mon.", "Alter"),
        ("{} ans", "{:03d}M", "Âge"),
        ("{}y", "{}m", "age at scan"),
        ("{}", "{} months", "age"),
    ],
)
def test_ages_of_several_units_are_years(years, months, column):
    """Infants among adults are neither a class of their own nor a missing value."""
    ages = [*range(20, 60), 3, 6, 18]
    cells = [years.format(age) for age in ages[:-3]] + [months.format(age) for age in ages[-3:]]
    result = cleaned([column], [{column: cell} for cell in cells], set())
    read = [float(row[column]) for row in result.rows]
    assert read == pytest.approx([*ages[:-3], 3 / 12, 6 / 12, 18 / 12], rel=1e-5)
    assert "in years" in result.notes[column]
    assert headings.group_of(column) == "age"


@pytest.mark.parametrize("cells", [("{} kg", "{} g"), ("{} m", "{} cm"), ("{}", "{} months")])
def test_units_that_cannot_be_known_are_told_and_nothing_is_read_of_them(cells):
    written = [cells[i % 3 == 0].format(i) for i in range(20, 60)]
    result = cleaned(["amount"], [{"amount": cell} for cell in written], set())
    assert [row["amount"] for row in result.rows] == written
    assert "it is not read as numbers" in result.notes["amount"]
