import datetime

import openpyxl
import pytest

from scantune.cohort.faults import CohortError
from scantune.cohort.table import read_table


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separator_is_seen_from_the_header(table, separator):
    path = table(separator.join(["id", "score"]) + "\n" + separator.join(["007", "1.5"]) + "\n")
    found = read_table(path)
    assert found.columns == ("id", "score")
    assert found.rows[0].cells == {"id": "007", "score": "1.5"}
    assert found.rows[0].line == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings_give_the_same_text(table, encoding):
    found = read_table(table("id,site\n1,Zürich\n".encode(encoding)))
    assert found.columns == ("id", "site")
    assert found.rows[0].cells["site"] == "Zürich"


def test_latin_1_is_noted(table):
    assert any("Latin-1" in note for note in read_table(table("id\nÄ\n".encode("latin-1"))).notes)


def test_quoted_cells_keep_separators_and_lines_are_counted_as_an_editor_does(table):
    found = read_table(table('id,note\n1,"a, b\nc"\n\n2,d\n'))
    assert [(row.line, row.cells["note"]) for row in found.rows] == [(2, "a, b\nc"), (5, "d")]


def test_rows_of_another_length_are_all_named(table):
    with pytest.raises(CohortError) as caught:
        read_table(table("a,b,c\n1,2\n1;2;3\n1,2,3,4\n1,2,3,\n"))
    lines = [(fault.row, fault.message) for fault in caught.value.faults]
    assert [row for row, _ in lines] == [2, 3, 4]
    assert "separated by ';'" in lines[1][1]


def test_header_faults(table):
    with pytest.raises(CohortError, match=r"row 1, column 'a': the header has this column more than once"):
        read_table(table("a,a\n1,2\n"))
    with pytest.raises(CohortError, match="column 2 of the header has no name"):
        read_table(table("a,,c\n1,2,3\n"))
    with pytest.raises(CohortError, match="as many"):
        read_table(table("a,b;c\n1,2\n"))


@pytest.mark.parametrize("content", ["", "a,b\n", "\n\n"])
def test_nothing_in_it_is_said(table, content):
    with pytest.raises(CohortError, match=r"empty|no rows"):
        read_table(table(content))


def test_a_missing_table_names_the_tables_that_are_there(table, tmp_path):
    table("a\n1\n", "other.csv")
    with pytest.raises(CohortError, match=r"other\.csv"):
        read_table(tmp_path / "cohort.csv")


def test_excel_ids_stay_text_and_dates_are_iso(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["id", "session", "score", "date", "flag"])
    sheet.append(["007", 3, 2.5, datetime.datetime(2024, 3, 31), True])
    sheet.append([7, 3.0, None, datetime.datetime(2024, 3, 31, 12, 30), False])
    sheet["A3"].number_format = "000"
    book.save(tmp_path / "cohort.csv")  # content decides, not the name
    rows = [row.cells for row in read_table(tmp_path / "cohort.csv").rows]
    assert rows[0] == {"id": "007", "session": "3", "score": "2.5", "date": "2024-03-31", "flag": "1"}
    assert rows[1] == {"id": "007", "session": "3", "score": "", "date": "2024-03-31 12:30:00", "flag": "0"}


def test_excel_sheet_by_name(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.create_sheet("second").append(["b"])
    book["second"].append(["1"])
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx", sheet="second").columns == ("b",)
    with pytest.raises(CohortError, match="second"):
        read_table(tmp_path / "t.xlsx", sheet="third")
