"""The predictions file: read, refused with all its faults at once, written."""

import gzip

import numpy as np
import openpyxl
import pandas as pd
import pytest

from scantune.tasks import predictions_file
from scantune.tasks.classification.settings import Classification
from scantune.tasks.predictions import Faults, PredictionsError, PredictionTable, write
from scantune.tasks.predictions_file import read
from scantune.tasks.regression.settings import Regression
from scantune.tasks.scoring import evaluate, parse, score_file
from scantune.tasks.segmentation.settings import Segmentation
from scantune.tasks.zones.settings import Zones


def save(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "predictions.csv"
    path.write_bytes(text.encode(encoding))
    return path


def faults_of(tmp_path, text, task):
    with pytest.raises(PredictionsError) as error:
        parse(read(save(tmp_path, text)), task)
    return str(error.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_read_whatever_separates_and_with_a_byte_order_mark(tmp_path, delimiter, encoding):
    text = "sample_id,target,prediction\r\n007,1,1.5\r\n008,2,2.5\r\n".replace(",", delimiter)
    table = read(save(tmp_path, text, encoding))
    assert table.sample_id.tolist() == ["007", "008"]
    assert table.subject_id.tolist() == ["007", "008"]
    assert table.split.tolist() == ["test", "test"]
    np.testing.assert_array_equal(table.numbers("prediction", Faults()), [1.5, 2.5])


def test_a_file_is_read_as_a_table_of_labels_is(tmp_path):
    frame = pd.DataFrame({"subject_id": ["007", "Ä"], "target": ["a", "b"], "p/a": [0.5, 0.25], "p/b": [0.5, 0.75]})
    forms = {"p.xlsx": frame.to_excel, "p.parquet": frame.to_parquet, "p.csv": frame.to_csv}
    for name, write_frame in forms.items():
        write_frame(tmp_path / name, index=False, **({"encoding": "utf-16"} if name == "p.csv" else {}))
        table = read(tmp_path / name)
        assert table.subject_id.tolist() == ["007", "Ä"]
        np.testing.assert_array_equal(table.numbers("p/b", Faults()), [0.5, 0.75])


def test_classes_with_other_separators_in_their_names_and_gzip(tmp_path):
    columns = {"sample_id": ["a", "b"], "target": ["C|E|D", "N|M|X"], "p/C|E|D": [0.5, 0.25], "p/N|M|X": [0.5, 0.75]}
    write(PredictionTable.make(columns), tmp_path / "p.csv")
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress((tmp_path / "p.csv").read_bytes()))
    for name in ("p.csv", "p.csv.gz"):
        assert read(tmp_path / name).text("target").tolist() == ["C|E|D", "N|M|X"]


def test_only_the_tasks_own_columns_are_needed(tmp_path):
    table = read(save(tmp_path, "target,prediction\n1,2\n3,4\n"))
    assert table.sample_id.tolist() == ["row-2", "row-3"]
    assert evaluate(table, Regression(), draws=200)["metrics"]["mae"]["value"] == 1


def test_written_and_read_again_is_the_same_even_where_a_spreadsheet_would_run_it(tmp_path):
    made = PredictionTable.make(
        {
            "sample_id": ["=HYPERLINK(1)", "+a", "-3", "<script>", 'a"b,c'],
            "target": [0.1, 1 / 3, np.nan, 1e-12, 5],
            "prediction": np.array([1, 2, 3, 4, 5]),
        }
    )
    path = tmp_path / "predictions.csv"
    write(made, path)
    text = path.read_text()
    assert "'=HYPERLINK(1)" in text
    assert "'+a" in text
    assert "\n-3," in text
    assert not path.with_name("predictions.csv.partial").exists()
    again = read(path)
    assert again.sample_id.tolist() == made.sample_id.tolist()
    np.testing.assert_array_equal(again.numbers("target", Faults()), made.columns["target"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"target,prediction\n", "it has no rows"),
        (
            b"Model A\n\ntarget,prediction\n1,2\n",
            "the header of predictions is their first row: remove what stands above",
        ),
        (b"target,target,prediction\n1,1,1\n", "column 'target': the header has this column more than once"),
        (b"target,prediction\n1\n1,2,3\n", "row 3: 3 cells where the header has 2"),
        (b'target,prediction,note\n1,2,"a\n3,4,b\n5,6,"c\n', "row 2: a cell spans rows 2 to 4"),
        (b"target,prediction\n1,2\n#REF!,3\n", "row 3, column 'target': an Excel error"),
        (b'[{"target": 1, "prediction": 2}]', "JSON"),
    ],
)
def test_files_that_are_no_table(tmp_path, content, message):
    path = tmp_path / "predictions.csv"
    path.write_bytes(content)
    with pytest.raises(PredictionsError) as error:
        parse(read(path), Regression())
    assert message in str(error.value)


def test_a_bad_cell_outside_the_tasks_columns_is_empty_with_a_note(tmp_path):
    table = read(save(tmp_path, "target,prediction,site\n1,2,A\n3,4,#REF!\n5,6,#REF!\n"))
    assert table.text("site").tolist() == ["A", "", ""]
    (note,) = table.notes
    assert note.startswith("column site: 2 cells without a reliable value read as empty; row 3: an Excel error")


def test_percent_beside_plain_numbers_is_empty_in_every_row(tmp_path):
    """Else 0.25 and 60 would be of one group or adjustment."""
    book = openpyxl.Workbook()
    for row in (["target", "prediction", "ef"], [1, 2, 60], [2, 2, 0.25], [3, 2, 0.5]):
        book.active.append(row)
    book.active["C3"].number_format = book.active["C4"].number_format = "0%"
    book.save(tmp_path / "p.xlsx")
    assert read(tmp_path / "p.xlsx").text("ef").tolist() == ["60", "", ""]
    book.active["C1"], book.active["C2"] = 0.5, None
    book.active["C1"].number_format = "0%"
    book.save(tmp_path / "p.xlsx")
    assert read(tmp_path / "p.xlsx").text("0.5").tolist() == ["", "0.25", "0.5"]


def test_rows_in_messages_are_those_of_the_file(tmp_path):
    path = save(tmp_path, 'subject_id,target,prediction,note\n\ns1,1,2,"two\nlines"\ns2,x,2,\ns3,1,y,\n')
    with pytest.raises(PredictionsError, match=r"column target: not a number: row 5 \('x'\)") as error:
        score_file(path, Regression())
    assert "column prediction: not a number: row 6 ('y')" in str(error.value)
    assert read(path).take(np.array([False, True, True])).lines.tolist() == [5, 6]


def test_a_file_of_gigabytes_packed_small_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(predictions_file, "_MEGABYTES", 0.001)
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(b"target,prediction\n" + b"1,2\n" * 1000))
    with pytest.raises(PredictionsError, match=r"unpacked it has 0 MB; at most 0\.001 MB are read"):
        read(tmp_path / "p.csv.gz")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(PredictionsError, match="no such file"):
        read(tmp_path / "nothing.csv")


@pytest.mark.parametrize("word", ["NA", "nan", "None"])
def test_rows_without_a_subject_are_not_one_subject(tmp_path, word):
    head = "sample_id,subject_id,split,target,p/cat,p/dog\na,1,test,cat,0.7,0.3\n"
    rows = f"b,{word},test,dog,0.2,0.8\n", f"c,{word},test,dog,0.4,0.6\n"
    message = faults_of(tmp_path, head + "".join(rows), Classification())
    assert f"column subject_id: a word for an empty cell: row 3 ('{word}'), row 4 ('{word}')" in message


def test_all_faults_of_a_classification_at_once(tmp_path):
    text = (
        "sample_id,subject_id,split,target,p/cat,p/dog\n"
        "a,1,test,cat,0.7,0.3\n"
        "a,1,test,dog,0.5,0.1\n"
        "b,,tset,bird,0.2,0.8\n"
        "c,2,test,cat,1.5,-0.5\n"
        "d,3,test,dog,high,0.2\n"
    )
    message = faults_of(tmp_path, text, Classification())
    for part in (
        "column subject_id: empty: row 4",
        "column split: not one of train, validation, test: row 4 ('tset')",
        "column sample_id: duplicate: row 3 ('a')",
        "column target: not one of the classes cat, dog: row 4 ('bird')",
        "column p/cat: not a number: row 6 ('high')",
        "column p/cat: a probability lies between 0 and 1: row 5 (1.5)",
        "p/cat, p/dog must sum to one: row 3 (0.6)",
    ):
        assert part in message
    assert "8 faults" in message


def test_missing_columns_name_the_nearest(tmp_path):
    message = faults_of(tmp_path, "sample_id,targt,predicton\na,1,2\n", Regression())
    assert "column target is missing; did you mean 'targt'?" in message
    assert "column prediction is missing; did you mean 'predicton'?" in message


@pytest.mark.parametrize(
    ("header", "settings", "message"),
    [
        ("target", {}, "the columns p/<class> with the probability of each class are missing"),
        ("target,p/a,p/b", {"classes": ["a", "b", "c"]}, "columns missing: p/c"),
        ("target,p/a,p/b,p/c", {"classes": ["a", "b"]}, "columns of unknown classes: p/c"),
        ("target,p/a,p/b", {"positive": "yes"}, "the positive class 'yes' is not one of ['a', 'b']"),
    ],
)
def test_classes_that_do_not_fit_the_settings(tmp_path, header, settings, message):
    cells = ["a", "0.4", "0.3", "0.3"][: header.count(",") + 1]
    text = header + "\n" + ",".join(cells) + "\n"
    assert message in faults_of(tmp_path, text, Classification(**settings))


def test_many_faults_of_a_kind_are_counted(tmp_path):
    rows = "".join(f"{i},x\n" for i in range(40))
    message = faults_of(tmp_path, "target,prediction\n" + rows, Regression())
    assert "column prediction: not a number: row 2 ('x'), row 3 ('x')" in message
    assert "and 35 more" in message


def test_labels_may_be_numbers_or_names(tmp_path):
    numbers = "target,p/0,p/1\n" + "1.0,0.2,0.8\n0,0.9,0.1\n1,0.6,0.4\n0,0.7,0.3\n"
    names = "target,p/no,p/yes\n" + "yes,0.2,0.8\nno,0.9,0.1\nyes,0.6,0.4\nno,0.7,0.3\n"
    single = "target,p/1\n" + "1,0.8\n0,0.1\n1,0.4\n0,0.3\n"
    result = [
        evaluate(read(save(tmp_path, t)), Classification(), draws=200)["metrics"] for t in (numbers, names, single)
    ]
    for name in ("auroc", "f1", "brier"):
        assert result[0][name]["value"] == result[1][name]["value"] == pytest.approx(result[2][name]["value"])


def test_the_positive_class_may_be_named(tmp_path):
    text = "target,p/ill,p/well\nill,0.8,0.2\nwell,0.6,0.4\nwell,0.1,0.9\n"
    assert evaluate(read(save(tmp_path, text)), Classification(), draws=200)["metrics"]["recall"]["value"] == 0.5
    named = evaluate(read(save(tmp_path, text)), Classification(positive="ill"), draws=200)["metrics"]
    assert named["recall"]["value"] == 1
    assert named["precision"]["value"] == 0.5


def test_zones_take_ungradable_empty_by_name_or_by_number(tmp_path):
    settings = Zones(zones=("right", "left"))
    head = "target/right,target/left," + ",".join(
        f"p/{z}/{c}" for z in ("right", "left") for c in ("0", "1", "2", "3", "ungradable")
    )
    p = ",".join(["0.6,0.1,0.1,0.1,0.1"] * 2)
    table = read(save(tmp_path, f"{head}\n,0,{p}\n4,1.0,{p}\nungradable,3,{p}\nnan,2,{p}\n"))
    data = parse(table, settings)
    np.testing.assert_array_equal(data.target, [[4, 0], [4, 1], [4, 3], [4, 2]])
    by_number = read(save(tmp_path, f"{head}\n,0,{p}\n".replace("ungradable", "4")))
    assert parse(by_number, settings).target.tolist() == [[4, 0]]
    message = faults_of(tmp_path, f"{head}\n5,0.5,{p}\n", settings)
    assert "column target/right: not 0 to 3, or 4 or empty for ungradable: row 2 ('5')" in message
    assert "column target/left: not 0 to 3, or 4 or empty for ungradable: row 2 ('0.5')" in message


def test_segmentation_refuses_shares_above_one_and_negative_distances(tmp_path):
    message = faults_of(tmp_path, "sample_id,dice,hd95\na,1.2,3\nb,0.5,-1\n", Segmentation())
    assert "column dice: must be between 0 and 1: row 2 (1.2)" in message
    assert "column hd95: must be 0 or above: row 3 (-1.0)" in message


def test_no_row_of_the_split_asked_for(tmp_path):
    table = read(save(tmp_path, "split,target,prediction\nvalidation,1,2\n"))
    with pytest.raises(PredictionsError, match="no row has split test; there are validation"):
        evaluate(table, Regression())
