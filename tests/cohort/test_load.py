from pathlib import Path

import openpyxl
import pytest

from scantune import cohort
from scantune.cohort import values
from scantune.cohort.faults import CohortError
from scantune.config.dataset import TargetColumn

HERE = Path(".")
LOES = (
    "anonymized_subject_id,anonymized_session_id,scan,loes-score,Gd-enhanced,training,validation\n"
    "sub-01,ses-01,mprage,0,0,1,0\n"
    "sub-01,ses-02,mprage,1.5,0,1,0\n"
    "sub-02,ses-01,mprage,12,1,0,1\n"
    "sub-03,ses-01,mprage,34,0,0,1\n"
)
LOES_FILES = "{anonymized_subject_id}_{anonymized_session_id}_space-MNI_brain_mprage_RAVEL.nii.gz"
ZONES = ["right_sup", "left_sup", "right_mid", "left_mid", "right_inf", "left_inf"]


def faults_of(dataset) -> list[tuple[int | None, str | None, str]]:
    with pytest.raises(CohortError) as caught:
        cohort.load(dataset, HERE)
    return [(fault.row, fault.column, fault.message) for fault in caught.value.faults]


def test_scored_brain_scans_with_sessions_template_and_filter(table, dataset, tmp_path):
    table(LOES)
    block = dataset(
        files=LOES_FILES,
        subject="anonymized_subject_id",
        targets={"score": {"column": "loes-score", "min": 0, "max": 34}},
        where={"Gd-enhanced": 0},
        split={"method": "predefined", "columns": {"train": "training", "validation": "validation"}},
    )
    loaded = cohort.read(block, HERE)
    assert [r.sample_id for r in loaded.records] == ["sub-01_ses-01", "sub-01_ses-02", "sub-03_ses-01"]
    assert [r.subject_id for r in loaded.records] == ["sub-01", "sub-01", "sub-03"]
    assert [r.targets["score"] for r in loaded.records] == ["0", "1.5", "34"]
    assert [r.split for r in loaded.records] == ["train", "train", "validation"]
    assert loaded.records[0].files == (tmp_path / "sub-01_ses-01_space-MNI_brain_mprage_RAVEL.nii.gz",)
    assert loaded.records[2].row == 5
    assert (loaded.rows, dict(loaded.left_out), loaded.subjects_known) == (4, {"filtered by Gd-enhanced": 1}, True)


def test_echo_loops_by_path_never_get_an_id_made_of_it(table, dataset, tmp_path):
    table("video_path,quality_score\nDoe_John/loop1.avi,1\nDoe_John/loop2.avi,0\n")
    records = cohort.load(dataset(files="{video_path}", targets={"quality": "quality_score"}), HERE)
    assert [r.files[0] for r in records] == [tmp_path / "Doe_John/loop1.avi", tmp_path / "Doe_John/loop2.avi"]
    assert all("doe" not in (r.sample_id + r.subject_id).lower() for r in records)
    assert len({r.sample_id for r in records}) == 2


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_zones_with_any_separator_and_empty_as_ungradable(table, dataset, separator):
    rows = [["FileID", *ZONES], ["cxr01", "0", "1", "2", "3", "", "NaN"], ["cxr02", "0", "0", "0", "0", "0", "0"]]
    table("\n".join(separator.join(row) for row in rows))
    zones = {zone: {"column": zone, "values": [0, 1, 2, 3]} for zone in ZONES}
    records = cohort.load(dataset(files="{FileID}.nii.gz", targets=zones), HERE)
    assert list(records[0].targets.values()) == ["0", "1", "2", "3", "", ""]
    assert records[0].sample_id == "cxr01"


def test_all_errors_are_told_at_once_with_row_and_column(table, dataset):
    table("id,file,score,age\n,a.png,1,5\n2,b.png,99,5\n3,../c.png,x,5\n3b,d.png,3-Feb,5\n")
    result = faults_of(
        dataset(files="{file}", subject="id", sample="{id}_{score}", targets={"score": {"column": "score", "max": 34}})
    )
    places = {(row, column) for row, column, _ in result}
    assert {(2, "id"), (3, "score"), (4, "file"), (4, "score"), (5, "score")} <= places
    told = {(row, column): message for row, column, message in result}
    assert "out of range" in told[(3, "score")]
    assert "leaves the data folder" in told[(4, "file")]
    assert "not a number" in told[(4, "score")]
    assert "date" in told[(5, "score")]


def test_misspelt_columns_are_named_with_the_nearest(table, dataset):
    table("subject_id,file,loes_score\n1,a,2\n")
    result = faults_of(dataset(files="{File}", subject="subjectid", targets={"score": "loes-score"}))
    assert [(column, message.split("?")[0].split("did you mean ")[1]) for _, column, message in result] == [
        ("File", "'file'"),
        ("loes-score", "'loes_score'"),
        ("subjectid", "'subject_id'"),
    ]


def test_duplicate_rows_and_ids(table, dataset):
    table("id,file\n1,a.png\n1,a.png\n2,b.png\n2,c.png\nA,d.png\na,e.png\n")
    result = faults_of(dataset(files="{file}", sample="{id}"))
    assert [(row, "second row for the same file" in m) for row, _, m in result] == [(3, True), (5, False), (7, False)]


@pytest.mark.parametrize("other", ["./a.png", "b/../a.png", ".//a.png"])
def test_one_file_in_two_spellings_is_a_duplicate_row(table, dataset, other):
    table(f"id,file\n1,a.png\n2,{other}\n")
    ((row, _, message),) = faults_of(dataset(files="{file}", subject="id"))
    assert (row, message.split(" as ")[0]) == (3, "a second row for the same file")
    table(f"id,file\n1,a.png\n1b,{other}\n")
    assert len(cohort.load(dataset(files="{file}", sample="{id}"), HERE)) == 2, (
        "ids of its own: two lesions of one film"
    )


@pytest.mark.parametrize("empty", ["NA", "nan", "None", "#N/A"])
def test_rows_without_a_subject_as_r_and_pandas_write_them_are_not_one_subject(table, dataset, empty):
    table(f"id,file\n1,a.png\n{empty},b.png\n{empty},c.png\n")
    assert [(row, column) for row, column, _ in faults_of(dataset(files="{file}", subject="id"))] == [
        (3, "id"), (4, "id"),
    ]  # fmt: skip
    records = cohort.load(dataset(files="{file}", subject="id", recode={"id": {empty: "Nan Li"}}), HERE)
    assert records[1].subject_id == "Nan Li"


@pytest.mark.parametrize(
    "age", ["93 years", "93 yrs.", "093y", "93 y.o.", "91-95", "> 92", "95+", "93 ans", "93 Jahre"]
)
def test_ages_over_89_in_words_and_ranges_are_banded(table, dataset, age):
    table(f"file,age\na.png,{age}\nb.png,110M\nc.png,80-95\nd.png,85+\n")
    records = cohort.load(dataset(files="{file}", groups={"age": "age"}), HERE)
    assert [record.groups["age"] for record in records] == ["90+", "110M", "80-95", "85+"]


def test_ages_of_another_unit_and_codes_are_told_before_they_are_banded(table, dataset):
    table("file,Patient Age\na.png,63\nb.png,1440\nc.png,-9\nd.png,95\ne.png,\nf.png,030Y\n")
    warnings = cohort.read(dataset(files="{file}", groups={"years": "Patient Age"}), HERE).warnings
    assert len(warnings) == 1
    assert "group 'years': 2 of 4 ages are below 0 or above 120 years (1440, -9)" in warnings[0]
    block = dataset(files="{file}", groups={"years": "Patient Age"}, where={"Patient Age": {"exclude": [1440, -9]}})
    assert not cohort.read(block, HERE).warnings, "of the rows that are used"


def test_values_that_may_stand_for_missing_ones_are_told_and_emptied_by_recode(table, dataset):
    table(
        "file,subject,score,kind,dose,age\n"
        "a.png,1,3,benign,999,63\nb.png,2,-999,?,2,999\nc.png,3,34,unknown,3,40\nd.png,unknown,99,benign,4,41\n"
        "e.png,unknown,0,malignant,5,42\n"
    )
    keys = {"files": "{file}", "subject": "subject", "groups": ["dose", "age"]}
    targets = {"score": "score", "kind": {"column": "kind", "values": ["benign", "malignant", "unknown", "?"]}}
    warnings = "\n".join(cohort.read(dataset(**keys, targets={**targets, "kind": "kind"}), HERE).warnings)
    assert "target 'score': '-999' in 1 of 5 rows" in warnings
    assert "target 'kind': '?' in 1, 'unknown' in 1 of 5 rows" in warnings
    assert "group 'dose': '999' in 1 of 5 rows" in warnings
    assert "subject ids that may stand for a missing one: 'unknown' in 2 rows" in warnings
    assert warnings.count("'age'") == 1, "which has the warning of ages"
    targets["score"] = {"column": "score", "recode": {"-999": ""}}
    warnings = "\n".join(cohort.read(dataset(**keys, targets=targets, recode={"dose": {"999": ""}}), HERE).warnings)
    assert not any(name in warnings for name in ("score", "kind", "dose")), "listed, or emptied"


def test_minus_is_a_value_beside_plus(table, dataset):
    table("file,er,her2,kind\na.png,+,-,-\nb.png,-,2+,b\nc.png,+,-,c\n")
    block = dataset(files="{file}", targets={"er": "er", "her2": "her2", "kind": "kind"})
    (warning,) = cohort.read(block, HERE).warnings
    assert "target 'kind': '-' in 1 of 3 rows" in warning
    assert "set recode: {kind: {'-': ''}} in the dataset" in warning


def test_quoted_ids_and_ditto_marks_are_told(table, dataset):
    table("file,subject\na.png,P1\nb.png,'P1\nc.png,“P1”\nd.png,ditto\n")
    warnings = "\n".join(cohort.read(dataset(files="{file}", subject="subject"), HERE).warnings)
    assert "(P1/'P1/“P1”)" in warnings
    assert "may stand for a missing one: 'ditto' in 1 row" in warnings


def test_classes_that_a_spreadsheet_made_dates_of_are_told(table, dataset):
    table("file,grade,day\na.png,2-Mar,2024-01-01\nb.png,3+4,2024-01-02\nc.png,,2024-01-02\n")
    warnings = cohort.read(dataset(files="{file}", targets={"grade": "grade"}, groups=["day"]), HERE).warnings
    assert warnings == ("target 'grade': 1 of 2 values are dates (2-Mar): did a spreadsheet make them?",)


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["2-Mar", "14-2", "15-2"], "1 of 3 subject ids are dates (2-Mar)"),
        (["2024-03-02", "14-2", "15-2"], "1 of 3 subject ids are dates (2024-03-02)"),
        (["Jan-07", "4. Mai", "15-2"], "2 of 3 subject ids are dates (Jan-07, 4. Mai)"),
        (["1.23E+11", "4E+12", "P"], "2 of 3 subject ids are numbers in scientific notation (1.23E+11, 4E+12)"),
        (["2024-03-02", "2024-03-03", "2024-03-04"], None),
        (["12-ABC", "1-2", "5E12"], None),
    ],
)
def test_ids_that_a_spreadsheet_made_dates_of_are_told(table, dataset, ids, told):
    table("id,file\n" + "".join(f"{subject},{k}.png\n" for k, subject in enumerate(ids)))
    warnings = cohort.read(dataset(files="{file}", subject="id"), HERE).warnings
    assert [warning.split(":")[0] for warning in warnings] == ([told] if told else [])


@pytest.mark.parametrize("name", ["../outside.png", "/etc/passwd", "a/../../x.png", ".", "a\0b"])
def test_paths_that_leave_the_root_are_refused(table, dataset, name):
    table(f"id,file\n1,{name}\n")
    assert faults_of(dataset(files="{file}", sample="{id}"))[0][:2] == (2, "file")


def test_links_out_of_the_root_are_refused_unless_allowed(table, dataset, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}_outside"
    outside.mkdir()
    (outside / "x.png").write_bytes(b"x")
    (tmp_path / "link.png").symlink_to(outside / "x.png")
    (tmp_path / "folder").symlink_to(outside)
    table("id,file\n1,link.png\n2,folder/x.png\n")
    assert [row for row, _, _ in faults_of(dataset(files="{file}", sample="{id}"))] == [2, 3]
    assert len(cohort.load(dataset(files="{file}", sample="{id}", follow_links=True), HERE)) == 2


@pytest.mark.parametrize("root", ["../raw", "../project/../raw", "./../raw/"])
def test_a_root_beside_the_project(table, dataset, tmp_path, root):
    path = table("file,score\na.png,1\nb.png,2\n")
    (tmp_path / "project").mkdir()
    (tmp_path / "raw").mkdir()
    path.rename(tmp_path / "raw" / path.name)
    block = dataset(root=root, table=path.name, files="{file}", targets={"score": "score"})
    records = cohort.load(block, tmp_path / "project")
    assert [record.files[0] for record in records] == [tmp_path / "raw" / name for name in ("a.png", "b.png")]


def test_an_absolute_path_below_the_root_is_taken(table, dataset, tmp_path):
    table(f"id,file\n1,{tmp_path}/a.png\n")
    assert cohort.load(dataset(files="{file}", sample="{id}"), HERE)[0].files == (tmp_path / "a.png",)


@pytest.mark.parametrize(
    "where, kept",
    [
        ({"n": 2}, ["b"]),
        ({"n": [1, 3]}, ["a", "c"]),
        ({"n": {"min": 2}}, ["b", "c"]),
        ({"n": {"max": 2.5}}, ["a", "b"]),
        ({"n": {"exclude": [1]}}, ["b", "c", "d"]),
        ({"yes": True}, ["a"]),
        ({"yes": ""}, ["d"]),
        ({"n": {"min": 1}, "yes": False}, ["b", "c"]),
    ],
)
def test_filters_by_value_list_range_and_exclusion(table, dataset, where, kept):
    table("id,n,yes\na,1,yes\nb,2.0,0\nc,3,no\nd,,\n")
    assert [r.sample_id for r in cohort.load(dataset(files="{id}", where=where), HERE)] == kept


def test_a_range_over_text_is_an_error_not_a_missing_row(table, dataset):
    table("id,n\na,many\nb,2\n")
    assert faults_of(dataset(files="{id}", where={"n": {"min": 1}}))[0][:2] == (2, "n")


def test_no_row_left_says_why(table, dataset):
    table("id,n\na,1\n")
    assert "filtered by n" in faults_of(dataset(files="{id}", where={"n": 9}))[0][2]


def test_missing_targets_by_choice(table, dataset):
    table("id,score\na,1\nb,\nc,NA\n")
    keep = dataset(files="{id}", targets=["score"])
    assert [r.targets["score"] for r in cohort.load(keep, HERE)] == ["1", "", ""]
    stricter = {"score": TargetColumn(column="score", missing="exclude")}
    loaded = cohort.read(keep, HERE, targets=stricter)
    assert [r.sample_id for r in loaded.records] == ["a"]
    assert dict(loaded.left_out) == {"no score": 2}
    error = dataset(files="{id}", targets={"score": {"column": "score", "missing": "error"}})
    assert [row for row, _, _ in faults_of(error)] == [3, 4]


def test_decimal_comma_by_key(table, dataset):
    table("id;score\na;1,5\n")
    block = {"files": "{id}", "targets": {"score": {"column": "score", "number": True}}}
    assert "decimal" in faults_of(dataset(**block))[0][2]
    assert cohort.load(dataset(**block, decimal=","), HERE)[0].targets["score"] == "1.5"


@pytest.mark.parametrize("column", ["age_years", "Patient Age", "PATIENT_AGE", "Âge (years)", "Alter", "edad"])
def test_ages_over_89_are_banded_whatever_the_column_of_ages_is_called(table, dataset, column):
    table(f"id,{column},stage\na,89,92\nb,90,7\n")
    group = column.casefold().replace(" ", "_").split("_(")[0]
    rows = cohort.load(dataset(files="{id}", groups={group: column, "stage": "stage"}), HERE)
    assert [row.groups[group] for row in rows] == ["89", "90+"]
    assert rows[0].groups["stage"] == "92", "a stage is no age"


def test_ages_over_89_are_banded_and_bands_are_cut(table, dataset):
    table("id,Age,weight\na,89,60\nb,90,80\nc,101Y,\nd,40,100\n")
    plain = cohort.load(dataset(files="{id}", groups={"age": "Age"}), HERE)
    assert [r.groups["age"] for r in plain] == ["89", "90+", "90+", "40"]
    banded = cohort.load(dataset(files="{id}", groups={"age": "Age", "weight": "weight"},
                                 bands={"age": [18, 40, 65], "weight": [80]}), HERE)  # fmt: skip
    assert [r.groups["age"] for r in banded] == ["≥65", "≥65", "≥65", "40–65"]
    assert [r.groups["weight"] for r in banded] == ["<80", "≥80", "", "≥80"]


def test_pseudonyms_are_keyed_and_stable(table, dataset, monkeypatch):
    table("id,file\nDoe_John,a.png\n")
    block = dataset(files="{file}", sample="{id}_1", subject="id", pseudonyms={"key_variable": "TEST_KEY"})
    with pytest.raises(CohortError, match="TEST_KEY"):
        cohort.load(block, HERE)
    monkeypatch.setenv("TEST_KEY", "a secret of sixteen letters")
    one = cohort.load(block, HERE)[0]
    assert one == cohort.load(block, HERE)[0]
    assert "doe" not in (one.sample_id + one.subject_id).lower()
    monkeypatch.setenv("TEST_KEY", "another secret of some length")
    assert cohort.load(block, HERE)[0].subject_id != one.subject_id


def test_ids_that_cannot_name_a_file_are_made_safe_and_stay_apart(table, dataset):
    table("id,n\n=HYPERLINK(1),1\na b,2\na_b,3\n../x,4\n")
    ids = [r.sample_id for r in cohort.load(dataset(files="{n}", sample="{id}"), HERE)]
    assert len(set(ids)) == 4
    assert ids[2] == "a_b"
    assert all(name[0] not in ".=" and "/" not in name and " " not in name for name in ids)


def test_a_star_in_a_mask_stands_for_any_number_of_files(table, dataset, tmp_path):
    for name in ("a (1)_mask.png", "a (1)_mask_1.png", "a (1)_mask_1.txt", "a (10)_mask.png", ".a (1)_mask.png"):
        Path(tmp_path, name).touch()
    table("id,file\n1,a (1)\n2,a (2)\n")
    one, two = cohort.load(dataset(files="{file}.png", masks="{file}_mask*.png", sample="{id}"), HERE)
    assert [path.name for path in one.masks] == ["a (1)_mask.png", "a (1)_mask_1.png"]
    assert [path.name for path in two.masks] == ["a (2)_mask*.png"]  # no file: preprocess says so
    table("id,file\n1,../\n")
    assert faults_of(dataset(files="{id}", masks="{file}*.png", sample="{id}"))[0][:2] == (2, "file")


def test_several_files_masks_raters_and_order(table, dataset, tmp_path):
    table("id,r1,r2,date\na,1,,2024-03-31\n")
    record = cohort.load(
        dataset(files=["{id}_t1.nii", "{id}_flair.nii"], masks="{id}_seg.nii", sample="{id}",
                raters={"one": "r1", "two": "r2"}, order="date"), HERE)[0]  # fmt: skip
    assert [p.name for p in record.files] == ["a_t1.nii", "a_flair.nii"]
    assert [p.name for p in record.masks] == ["a_seg.nii"]
    assert dict(record.raters) == {"one": "1", "two": ""}
    assert record.order == "2024-03-31T00:00:00"


def test_ambiguous_dates_are_refused(table, dataset):
    table("id,date\na,03/04/2024\n")
    assert "2024-03-31" in faults_of(dataset(files="{id}", order="date"))[0][2]


def test_side_column_by_name(table, dataset):
    table("id,side\na,train\nb,val\nc,Test\nd,\n")
    block = dataset(files="{id}", split={"method": "predefined", "columns": "side"})
    assert [r.split for r in cohort.load(block, HERE)] == ["train", "validation", "test", None]
    table("id,side\na,trian\n")
    assert faults_of(block)[0][:2] == (2, "side")


def test_a_row_on_two_sides_is_named(table, dataset):
    table("id,t,v\na,1,1\n")
    block = dataset(files="{id}", split={"method": "predefined", "columns": {"train": "t", "validation": "v"}})
    assert "two sides" in faults_of(block)[0][2]


def test_class_folders_with_and_without_sides(dataset, tmp_path):
    for name in ("train/cat/1.png", "train/dog/2.png", "val/cat/3.png", "val/dog/.hidden", "train/notes.txt"):
        path = tmp_path / "a" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    block = {"class_folders": True, "table": None}
    records = cohort.load(dataset(root=str(tmp_path / "a"), **block), HERE)
    assert [(r.split, r.targets["label"]) for r in records] == [
        ("train", "cat"), ("train", "dog"), ("validation", "cat")]  # fmt: skip
    records = cohort.load(dataset(root=str(tmp_path / "a" / "train"), targets=["animal"], **block), HERE)
    assert [(r.split, r.targets["animal"]) for r in records] == [(None, "cat"), (None, "dog")]


def test_class_folders_a_class_that_never_trains(dataset, tmp_path):
    for name in ("train/cat/1.png", "val/dgo/3.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(CohortError, match="'dgo'"):
        cohort.load(dataset(class_folders=True, table=None), HERE)


def test_a_root_that_is_not_there(dataset, tmp_path):
    with pytest.raises(CohortError, match="no folder"):
        cohort.load(dataset(root=str(tmp_path / "none"), files="{id}"), HERE)


def test_a_subject_is_found_within_a_path_and_a_row_without_one_is_named(table, dataset):
    table("Path,y\nset/train/patient00007/study1/a.jpg,1\nset/train/patient00007/study2/a.jpg,0\n")
    block = dataset(files="{Path}", subject={"column": "Path", "match": "patient[0-9]+"}, targets=["y"])
    loaded = cohort.read(block, HERE)
    assert [r.subject_id for r in loaded.records] == ["patient00007"] * 2
    assert loaded.subjects_known
    grouped = block.model_copy(update={"subject": type(block.subject)(column="Path", match="patient([0-9]+)")})
    assert {r.subject_id for r in cohort.load(grouped, HERE)} == {"00007"}
    table("Path,y\nset/train/p7/a.jpg,1\n")
    assert [(row, column) for row, column, message in faults_of(block) if "no subject's id" in message] == [(2, "Path")]


def test_recoded_cells_are_other_values_before_they_are_checked(table, dataset):
    table("id,edema\na,-1.0\nb,\nc,1.0\nd,0\n")
    rule = {"column": "edema", "values": [0, 1], "recode": {"-1": 1, "": 0}}
    records = cohort.load(dataset(files="{id}", targets={"edema": rule}), HERE)
    assert [r.targets["edema"] for r in records] == ["1", "0", "1", "0"]
    table("id,edema\na,2\n")
    assert faults_of(dataset(files="{id}", targets={"edema": rule}))[0][:2] == (2, "edema")


@pytest.mark.parametrize("word", ["None", "NA", "null"])
def test_a_class_that_looks_empty_is_one_where_it_is_named(table, dataset, word):
    table([["file", "y"], ["a.png", word], ["b.png", "mild"], ["c.png", ""]])
    named = dataset(files="{file}", targets={"y": {"column": "y", "values": [word, "mild"]}})
    assert [record.targets["y"] for record in cohort.load(named, HERE)] == [word, "mild", ""]
    loaded = cohort.read(dataset(files="{file}", targets="y"), HERE)
    assert [record.targets["y"] for record in loaded.records] == ["", "mild", ""]
    assert any(f"{word!r} in 1 of 3 rows read as empty cells" in warning for warning in loaded.warnings)


def test_ids_of_one_person_in_two_forms_are_told_and_joined_by_key(table, dataset):
    forms = ["P1", "p1", "2", "002", "4", "4.0", "Zoë 5", "Zoe\u0308 5", "P10", "P11", "6", "60"]
    table([["file", "id"], *([f"{k}.png", form] for k, form in enumerate(forms))])
    keys = {"files": "{file}", "subject": "id", "sample": "{file}"}
    apart = cohort.read(dataset(**keys), HERE)
    assert len({record.subject_id for record in apart.records}) == 12
    assert "4 (P1/p1, 2/002, 4/4.0, " in apart.warnings[0]
    joined = cohort.read(dataset(**keys, join_ids=True), HERE)
    assert [r.subject_id for r in joined.records][:6] == ["P1", "P1", "2", "2", "4", "4"]
    assert len({record.subject_id for record in joined.records}) == 8
    table([["file", "id"], *reversed([[f"{k}.png", form] for k, form in enumerate(forms)])])
    reversed_ = cohort.read(dataset(**keys, join_ids=True), HERE)
    assert {r.sample_id: r.subject_id for r in reversed_.records} == {r.sample_id: r.subject_id for r in joined.records}


@pytest.mark.parametrize("other", ["P\u201301", "P\u201101", "P\u00ad-01", "p-1", "P -01", "\uff30-01", "P-\u200b01"])
def test_dashes_and_letters_of_no_width_make_no_other_subject(table, dataset, other):
    table([["file", "id"], ["a.png", "P-01"], ["b.png", other], ["c.png", "P-02"]])
    keys = {"files": "{file}", "subject": "id", "sample": "{file}"}
    assert "1 (P-01/" in cohort.read(dataset(**keys), HERE).warnings[0]
    assert len({r.subject_id for r in cohort.read(dataset(**keys, join_ids=True), HERE).records}) == 2


def test_values_of_a_filter_that_no_row_has_are_told(table, dataset):
    table("file,qc,n\na.png,Bad,01\nb.png,good,2\nc.png,Zu\u0308rich,3\n")

    def warnings(where):
        return cohort.read(dataset(files="{file}", where=where), HERE).warnings

    assert (
        "no row has 'bad' in column 'qc', so it filters nothing; it has 'Bad'"
        in warnings({"qc": {"exclude": ["bad"]}})[0]
    )
    assert "no row has 'god'" in warnings({"qc": ["Bad", "god"]})[0]
    for right in (
        {"qc": {"exclude": ["Bad"]}},
        {"n": {"exclude": [1]}},
        {"qc": {"exclude": ["Z\u00fcrich"]}},
        {"qc": "good"},
    ):
        assert not warnings(right)


def test_letters_with_accents_are_one_value_in_either_unicode_form(table, dataset):
    table([["file", "y", "site"], ["a.png", "\u00c4", "K\u00f6ln"], ["b.png", "A\u0308", "Ko\u0308ln"]])
    records = cohort.load(
        dataset(files="{file}", targets={"y": {"column": "y", "values": ["A\u0308"]}}, groups=["site"]), HERE
    )
    assert {r.targets["y"] for r in records} == {"\u00c4"}
    assert {r.groups["site"] for r in records} == {"K\u00f6ln"}
    recode = {"y": {"A\u0308": "other"}}
    assert {r.targets["y"] for r in cohort.load(dataset(files="{file}", targets=["y"], recode=recode), HERE)} == {
        "other"
    }


def test_ids_that_become_digests_are_in_no_warning(table, dataset, monkeypatch):
    monkeypatch.setenv("SCANTUNE_KEY", "a secret of enough length")
    table([["file", "id"], ["a.png", "P1"], ["b.png", "p1"]])
    loaded = cohort.read(dataset(files="{file}", subject="id", sample="{file}", pseudonyms={}), HERE)
    assert loaded.warnings
    assert "P1" not in loaded.warnings[0]


def test_cells_without_a_value_are_faults_only_in_columns_that_are_used(dataset, tmp_path):
    book = openpyxl.Workbook()
    for row in (["file", "y", "remark"], ["a.png", 1, "=1+1"], ["b.png", "=1+1", "ok"]):
        book.active.append(row)
    book.save(tmp_path / "cohort.csv")
    with pytest.raises(CohortError, match="row 3, column 'y': a formula without a value") as caught:
        cohort.load(dataset(files="{file}", targets="y"), HERE)
    assert len(caught.value.faults) == 1


def test_columns_that_stand_below_a_title_row_are_found(table, dataset):
    table([["image", "clinical", "more"], ["file", "id", "y"], ["a.png", "P1", "0"]])
    with pytest.raises(CohortError, match="it stands in row 2: set 'header: 2'"):
        cohort.load(dataset(files="{file}", subject="id", targets="y"), HERE)
    assert len(cohort.load(dataset(files="{file}", subject="id", targets="y", header=2), HERE)) == 1


@pytest.mark.parametrize(
    "text, decimal, word",
    [
        ("1.234", ",", "has a point"),
        ("1.234,5", ",", "has a point"),
        ("25%", ".", "percent sign"),
        ("1,234.5", ".", "thousands"),
        ("1 234 567", ".", "thousands"),
    ],
)
def test_numbers_in_a_form_of_another_country_are_no_other_numbers(text, decimal, word):
    with pytest.raises(ValueError, match=word):
        values.number(text, decimal)


def test_recoded_cells_are_read_as_their_values_by_all_that_reads_the_column(table, dataset):
    table("file,age,sex,grade\na.png,-9,M,1\nb.png,40,male,999\nc.png,41,F,2.0\n")
    records = cohort.load(
        dataset(
            files="{file}",
            groups=["age", "sex"],
            targets={"grade": {"column": "grade", "missing": "exclude"}},
            recode={"age": {"-9": ""}, "sex": {"male": "M"}, "grade": {"999": ""}},
            where={"sex": ["M", "F"]},
        ),
        Path(),
    )
    assert [(r.groups["age"], r.groups["sex"], r.targets["grade"]) for r in records] == [
        ("", "M", "1"),
        ("41", "F", "2.0"),
    ]


def test_a_recoded_column_that_does_not_exist_is_named(table, dataset):
    table("file\na.png\n")
    with pytest.raises(CohortError, match="recode"):
        cohort.load(dataset(files="{file}", recode={"age": {"-9": ""}}), Path())


def test_dates_with_seconds_as_one_number_keep_their_order(table, dataset):
    table("file,at\na.png,20240331101502\nb.png,20240331101501\nc.png,3.50\n")
    orders = [float(r.order) for r in cohort.load(dataset(files="{file}", order="at"), HERE)]
    assert orders == [20240331101502, 20240331101501, 3.5]


def test_a_class_or_group_in_two_spellings_is_told(table, dataset):
    table("file,y,site,age,bmi\na.png,Benign,UKB,45,1.0\nb.png,benign,ukb,45.0,1\nc.png,malignant,X,7,2\n")
    keys = {"files": "{file}", "targets": ["y"], "groups": ["site", "age", "bmi"]}
    warnings = cohort.read(dataset(**keys), HERE).warnings
    assert [w.split(" differ only")[0] for w in warnings] == [
        "target 'y': 'Benign' / 'benign'",
        "group 'site': 'UKB' / 'ukb'",
    ]
    recode = {"y": {"benign": "Benign"}, "site": {"ukb": "UKB"}}
    assert cohort.read(dataset(**keys, recode=recode), HERE).warnings == ()


def test_sides_and_flags_as_pandas_writes_columns_with_empty_cells(table, dataset):
    table("file,training,validation,keep\na.png,1.0,0.0,1.0\nb.png,0.0,1.0,1\nc.png,,,0.0\n")
    columns = {"train": "training", "validation": "validation"}
    split = {"method": "predefined", "columns": columns, "rest": "leave_out"}
    records = cohort.load(dataset(files="{file}", split=split), HERE)
    assert [r.split for r in records] == ["train", "validation", None]
    assert len(cohort.load(dataset(files="{file}", where={"keep": True}), HERE)) == 2
    table("file,side\na.png,Train\nb.png,NA\n")
    records = cohort.load(dataset(files="{file}", split={"columns": "side"}), HERE)
    assert [r.split for r in records] == ["train", None]
