import datetime
import zipfile

import openpyxl
import pandas as pd
import pytest

from scantune.cohort.excel import text_of
from scantune.cohort.faults import CohortError
from scantune.cohort.table import read_table


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separator_is_seen_from_the_header(table, separator):
    path = table(separator.join(["id", "score"]) + "\n" + separator.join(["007", "1.5"]) + "\n")
    result = read_table(path)
    assert result.columns == ("id", "score")
    assert result.rows[0].cells == {"id": "007", "score": "1.5"}
    assert result.rows[0].line == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings_give_the_same_text(table, encoding):
    result = read_table(table("id,site\n1,Zürich\n".encode(encoding)))
    assert result.columns == ("id", "site")
    assert result.rows[0].cells["site"] == "Zürich"


def test_latin_1_is_noted(table):
    assert any("Latin-1" in note for note in read_table(table("id\nÄ\n".encode("latin-1"))).notes)


def test_quoted_cells_keep_separators_and_lines_are_counted_as_an_editor_does(table):
    result = read_table(table('id,note\n1,"a, b\nc"\n\n2,d\n'))
    assert [(row.line, row.cells["note"]) for row in result.rows] == [(2, "a, b\nc"), (5, "d")]


def test_rows_of_another_length_are_all_named(table):
    with pytest.raises(CohortError) as caught:
        read_table(table("a,b,c\n1,2\n1;2;3\n1,2,3,4\n1,2,3,\n"))
    lines = [(fault.row, fault.message) for fault in caught.value.faults]
    assert [row for row, _ in lines] == [2, 3, 4]
    assert "separated by ';'" in lines[1][1]


def test_header_faults(table):
    with pytest.raises(CohortError, match=r"row 1, column 'a': the header has this column more than once"):
        read_table(table("a,a\n1,2\n"))
    with pytest.raises(CohortError, match="as many"):
        read_table(table("a,b;c\n1,2;3\n"))


def test_columns_without_a_name_are_numbered(table):
    read = read_table(table(",a,,c\n0,1,2,3\n"))
    assert read.columns == ("column 1", "a", "column 3", "c")
    assert read.rows[0].cells["column 3"] == "2"
    assert any("column 1, column 3" in note for note in read.notes)
    with pytest.raises(CohortError, match=r"'column 2': the header has this column more than once"):
        read_table(table("column 2,,x\n1,2,3\n"))


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


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_sheet_of_a_file_without_sheets_is_refused(tmp_path, name):
    frame = pd.DataFrame({"id": ["a", "b"], "y": [1, 2]})
    path = tmp_path / name
    frame.to_csv(path, index=False) if name.endswith("csv") else frame.to_parquet(path)
    with pytest.raises(CohortError, match=f"table {name}"):
        read_table(path, sheet="labels")
    assert len(read_table(path).rows) == 2


def test_a_quote_that_is_not_closed_is_refused_and_line_breaks_in_cells_are_not(table):
    rows = ["file,id,remark,y"] + [f"i{k},P{k},ok,{k % 2}" for k in range(8)]
    rows[3], rows[6] = 'i2,P2,"5 cm scar,0', 'i5,P5,other",1'
    with pytest.raises(CohortError, match=r"row 4: a cell spans rows 4 to 7, .*not closed"):
        read_table(table("\n".join(rows) + "\n"))
    rows[6] = "i5,P5,other,1"
    with pytest.raises(CohortError, match="row 4: a cell spans rows 4 to 9"):
        read_table(table("\n".join(rows) + "\n"))
    rows[3] = 'i2,P2,"two lines\nwith, commas, and more",0'
    result = read_table(table("\n".join(rows) + "\n"))
    assert len(result.rows) == 8
    assert result.rows[2].cells["remark"] == "two lines\nwith, commas, and more"
    assert [row.line for row in result.rows[2:4]] == [4, 6]


@pytest.mark.parametrize("above", ["image,clinical,\n", "Study of 2024\n", "Study of 2024,,\n"])
def test_a_title_above_the_header_is_one_fault_with_its_remedy(table, above):
    path = table(f"{above}file,id,y\n" + "".join(f"i{k}.png,P{k},{k}\n" for k in range(9)))
    with pytest.raises(CohortError, match=r"is the header in row 2 \(then set 'header: 2'\)") as caught:
        read_table(path)
    assert len(caught.value.faults) == 1
    result = read_table(path, header=2)
    assert result.columns == ("file", "id", "y")
    assert [row.line for row in result.rows] == list(range(3, 12))


def _book(tmp_path, *rows, formats=()):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, number_format in formats:
        book.active[cell].number_format = number_format
    book.save(tmp_path / "t.xlsx")
    return tmp_path / "t.xlsx"


def test_formulas_without_values_and_errors_are_told_by_cell(tmp_path):
    path = _book(tmp_path, ["id", "y"], ["a", 1], ["b", "=IF(1>0,1,0)"], ["c", "#REF!"], ["d", "#N/A"], ["e", None])
    result = read_table(path)
    assert set(result.unusable) == {(3, "y"), (4, "y")}
    assert "formula without a value" in result.unusable[3, "y"]
    assert "#REF!" in result.unusable[4, "y"]


def test_percent_cells_are_fractions_and_said_and_not_mixed_with_numbers(tmp_path):
    path = _book(tmp_path, ["id", "ef"], ["a", 0.25], ["b", 0.5], formats=[("B2", "0%"), ("B3", "0.0%")])
    result = read_table(path)
    assert [row.cells["ef"] for row in result.rows] == ["0.25", "0.5"]
    assert "25 % is 0.25" in result.remarks["ef"]
    path = _book(tmp_path, ["id", "ef"], ["a", 0.25], ["b", 50], formats=[("B2", "0%")])
    assert "1 are plain numbers" in read_table(path).unusable[2, "ef"]
    path = _book(tmp_path, ["id", "ef"], ["a", 0.25], ["b", 50], ["c", 0.5], formats=[("B2", "0%"), ("B4", "0%")])
    assert set(read_table(path).unusable) == {(2, "ef"), (4, "ef")}
    path = _book(tmp_path, ["n", 2], ["id", "ef"], ["a", 0.25], formats=[("B3", "0%")])
    result = read_table(path, header=2)
    assert (result.unusable, list(result.remarks)) == ({}, ["ef"]), "a number above the header"


def test_numbers_of_excel_have_the_decimal_sign_of_the_block(tmp_path):
    result = read_table(_book(tmp_path, ["id", "y"], ["a", 2.5], ["b", "2,5"]), decimal=",")
    assert [row.cells["y"] for row in result.rows] == ["2,5", "2,5"]


def _excel(path, change):
    """A sheet of three rows, changed."""
    book = openpyxl.Workbook()
    for row in (["file", "id", "y"], ["a.png", 1, 0], ["b.png", 2, 1], ["c.png", 3, 1]):
        book.active.append(row)
    change(book, book.active)
    book.save(path)
    return path


def test_merged_cells_are_told_by_cell(tmp_path):
    def title(_, sheet):
        sheet.insert_rows(1)
        sheet["A1"] = "Cohort of 2024"
        sheet.merge_cells("A1:C1")

    assert not read_table(_excel(tmp_path / "title.xlsx", title), header=2).unusable
    result = read_table(_excel(tmp_path / "t.xlsx", lambda _, sheet: sheet.merge_cells("C2:C4")))
    assert sorted(result.unusable) == [(3, "y"), (4, "y")]
    assert "merged cells C2:C4" in result.unusable[3, "y"]


def test_struck_out_rows_are_told(tmp_path):
    def struck(_, sheet):
        for name in ("A3", "B3", "C4", "E4"):
            sheet[name].font = openpyxl.styles.Font(strike=True)

    (note,) = read_table(_excel(tmp_path / "t.xlsx", struck)).notes
    assert note.startswith("2 rows have struck-out cells, which are read as the others")
    assert note.endswith(": 3, 4")


def test_hidden_rows_and_other_sheets_are_noted_and_a_hidden_sheet_refused(tmp_path):
    def hidden(book, sheet):
        sheet.auto_filter.ref = "A1:C4"
        sheet.row_dimensions[3].hidden = True
        book.create_sheet("Second")

    notes = " ".join(read_table(_excel(tmp_path / "t.xlsx", hidden)).notes)
    assert "1 row is hidden in Excel (by a filter?) and is read as the others: 3" in notes
    assert "'Second' too" in notes
    assert "struck" not in notes

    def first(book, sheet):
        book.create_sheet("Second").append(["x"])
        book.active = 1
        sheet.sheet_state = "hidden"

    with pytest.raises(CohortError, match="first sheet, 'Sheet', is hidden"):
        read_table(_excel(tmp_path / "h.xlsx", first))


def test_ids_are_what_excel_shows_and_never_rounded(tmp_path):
    def change(_, sheet):
        sheet["B2"].value, sheet["B2"].number_format = 7, '"P"000'
        sheet["B3"] = 123456789012345678

    result = read_table(_excel(tmp_path / "t.xlsx", change))
    assert result.rows[0].cells["id"] == "P007"
    assert "more digits than the 15" in result.unusable[3, "id"]


@pytest.mark.parametrize(
    ("number", "form", "shown"),
    [
        (7, "\\P000", "P007"),
        (7, "000;-000", "007"),
        (12345, "000-00", "123-45"),
        (7, '"a;"00_)', "a;07"),
        (7, "0.0", "7"),
        (7, '0\\ "mm"', "7"),
        (7, '_-* 0 "€"_-', "7"),
        (7, '"0"0', "07"),
    ],
)
def test_numbers_are_what_their_format_shows(number, form, shown):
    assert text_of(number, form) == shown


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_text_without_its_mark_is_named(tmp_path, encoding):
    path = tmp_path / "t.csv"
    path.write_bytes("file,id,y\na.png,1,0\nb.png,2,1\n".encode(encoding))
    with pytest.raises(CohortError, match="NUL bytes"):
        read_table(path)


def test_characters_of_no_width_are_no_part_of_a_cell(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\u200bfile,id\ufeff,y\na.png,\u200b1,0\n", encoding="utf-8")
    result = read_table(path)
    assert result.columns == ("file", "id", "y")
    assert result.rows[0].cells["id"] == "1"
    changed = _excel(tmp_path / "t.xlsx", lambda _, sheet: sheet.__setitem__("B2", "\u200b1"))
    assert read_table(changed).rows[0].cells["id"] == "1"


def test_a_second_header_and_a_name_in_two_unicode_forms_are_faults(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("file,id,y\na.png,1,0\nfile,id,y\nb.png,2,1\n")
    with pytest.raises(CohortError, match="row 3: the header again"):
        read_table(path)
    path.write_text("file,\u00e9,e\u0301\na.png,1,0\n", encoding="utf-8")
    with pytest.raises(CohortError, match="more than once"):
        read_table(path)


def test_a_quote_that_is_not_closed_in_a_table_of_one_column_is_refused(table):
    with pytest.raises(CohortError, match="a cell spans rows 2 to 4"):
        read_table(table('file\n"a\nb\nc"\nd\n'))


@pytest.mark.parametrize("content", ["id;y\nM\ufffdller;1\nK;2\n".encode(), "id;y\nMüller;1\nK;2\n".encode("cp850")])
def test_a_cell_that_lost_a_letter_is_unusable(table, content):
    result = read_table(table(content))
    assert list(result.unusable) == [(2, "id")]
    assert "a letter of it is lost" in result.unusable[2, "id"]


def test_files_that_are_no_csv_or_xlsx_are_named(table, tmp_path):
    with pytest.raises(CohortError, match="it is HTML or XML without a table"):
        read_table(table("<html><p>id</p></html>"))
    for name, kind, words in (
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet", "OpenDocument"),
        ("xl/workbook.bin", "", "binary Excel"),
    ):
        with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
            archive.writestr(name, kind)
        with pytest.raises(CohortError, match=words):
            read_table(tmp_path / "t.xlsx")


def test_a_second_column_of_one_name_is_numbered_where_that_is_accepted(table):
    path = table("a,a,b\n1,2,3\n")
    with pytest.raises(CohortError, match="more than once"):
        read_table(path)
    assert read_table(path, repeated=True).columns == ("a", "a (2)", "b")


@pytest.mark.parametrize(
    "content",
    ["id;name\n1;Müller\n".encode("utf-8-sig").replace("ü".encode(), b"\xfc"), "id;name\n1;A\n".encode("utf-16")[:-1]],
)
def test_bytes_that_are_not_of_the_marked_encoding_are_lost_letters_by_row_and_column(table, content):
    result = read_table(table(content))
    assert [key for key, words in result.unusable.items() if "letter of it is lost" in words] == [(2, "name")]


@pytest.mark.parametrize("cell", ["#DIV/0!", "#REF!", "#WERT!", "#¿NOMBRE?", "####"])
def test_errors_of_a_spreadsheet_are_no_values_in_a_csv(table, cell):
    read = read_table(table([["id", "kind"], ["1", cell], ["2", "#1"], ["3", "#N/A"]]))
    assert list(read.unusable) == [(2, "kind")]
    assert read_table(table([["id", "kind"], ["1", "#12"]])).unusable == {}


def test_the_separator_that_excel_states_is_taken(table):
    read = read_table(table("sep=;\r\nid;kind\r\n1,5;a,b\r\n"))
    assert read.columns == ("id", "kind")
    assert [(row.line, row.cells) for row in read.rows] == [(3, {"id": "1,5", "kind": "a,b"})]


def test_the_separator_is_what_rows_have_as_often_as_the_header(table):
    names = ["sample_id", "target", "p/Mass|Effusion|Edema", "p/None;of;them"]
    read = read_table(table(",".join(names) + "\n1,Mass|Effusion|Edema,0.5,0.5\n2,None;of;them,0.25,0.75\n"))
    assert read.columns == tuple(names)


def test_json_is_named(table):
    for text in ('[{"id": 1}, {"id": 2}]', '{"id": 1}\n{"id": 2}\n', '\n[\n {\n "id": 1}]'):
        with pytest.raises(CohortError, match="JSON"):
            read_table(table(text, "cohort.json"))


def test_a_quote_that_is_not_closed_is_seen_beside_blank_lines(table):
    rows = [f"{i},a,b,{i}" for i in range(9)]
    rows[1], rows[8], rows[3] = '1,"a,b,1', '8,"a,b,8', ""
    with pytest.raises(CohortError, match="a cell spans rows 3 to 10"):
        read_table(table("\n".join(["id,k,l,n", *rows])))


def test_a_lost_letter_of_excel_is_told(tmp_path):
    result = read_table(_excel(tmp_path / "t.xlsx", lambda _, sheet: sheet.__setitem__("B2", "M\ufffdller")))
    assert "a letter of it is lost" in result.unusable[2, "id"]
