"""Excel files of before 2007, as older hospital systems export them."""

from __future__ import annotations

import datetime
from pathlib import Path

import openpyxl
import pytest
import xlwt

from scantune.cohort.faults import CohortError
from scantune.cohort.table import Table, read_table, row_at, sheet_names

ROWS = [
    (7, 61.5, datetime.date(2024, 3, 31), True, "Müller"),
    (8, 3.0, datetime.datetime(2024, 3, 31, 7, 30), False, ""),
    (9, 1e16, datetime.time(7, 30), None, " a "),
]
FORMATS = ("000", "General", None, "General", "General")
_DATED = {datetime.date: "yyyy-mm-dd", datetime.datetime: "yyyy-mm-dd hh:mm", datetime.time: "hh:mm:ss"}


def old(path: Path, rows=ROWS, formats=FORMATS, **options) -> xlwt.Workbook:
    """A file with the rows below a header; ``options`` are what :func:`saved` changes."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("labels")
    for at in range(len(rows[0])):
        sheet.write(0, at, f"column_{at}")
    for line, row in enumerate(rows, start=1):
        for at, value in enumerate(row):
            style = xlwt.XFStyle()
            style.num_format_str = formats[at] or _DATED[type(value)]
            style.font.struck_out = line in options.get("struck", ())
            sheet.write(line, at, value, style)
        sheet.row(line).hidden = line in options.get("hidden", ())
    for area in options.get("merged", ()):
        sheet.write_merge(*area, "one")
    book.add_sheet("legend").visibility = options.get("legend", 0)
    sheet.visibility = options.get("visibility", 0)
    book.save(str(path))
    return book


def cells(table: Table) -> list[list[str]]:
    return [list(row.cells.values()) for row in table.rows]


def new(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "labels"
    sheet.append([f"column_{at}" for at in range(5)])
    for line, row in enumerate(ROWS, start=2):
        for at, value in enumerate(row, start=1):
            sheet.cell(line, at, value).number_format = FORMATS[at - 1] or _DATED[type(value)]
    book.create_sheet("legend")
    book.save(path)


@pytest.mark.parametrize("decimal", [".", ","])
def test_cells_are_those_of_the_newer_format(tmp_path, decimal):
    old(tmp_path / "t.xls")
    new(tmp_path / "t.xlsx")
    one, other = (read_table(tmp_path / name, decimal=decimal) for name in ("t.xls", "t.xlsx"))
    assert cells(one) == cells(other)
    assert cells(one)[0] == ["007", f"61{decimal}5", "2024-03-31", "1", "Müller"]
    assert cells(one)[1][2], cells(one)[2][2] == ("2024-03-31 07:30:00", "07:30:00")
    assert one.columns == other.columns
    assert one.notes == other.notes == ("sheet 'labels'; the file has 'legend' too",)
    assert one.unusable == other.unusable
    assert set(one.unusable) == {(4, "column_1")}


def test_what_is_hidden_struck_out_or_merged_is_told(tmp_path):
    old(tmp_path / "t.xls", struck={2}, hidden={1, 3}, merged=[(4, 5, 0, 1)])
    table = read_table(tmp_path / "t.xls")
    assert "2 rows are hidden in Excel (by a filter?) and are read as the others: 2, 4" in table.notes
    assert any(note.startswith("1 row has struck-out cells") and note.endswith(": 3") for note in table.notes)
    assert "one of the merged cells A5:B6" in table.unusable[5, "column_1"]


def test_percent_beside_plain_numbers_and_errors_have_no_value(tmp_path):
    old(tmp_path / "p.xls", rows=[("a", 0.25), ("b", 0.5)], formats=("General", "0%"))
    table = read_table(tmp_path / "p.xls")
    assert cells(table) == [["a", "0.25"], ["b", "0.5"]]
    assert table.remarks == {"column_1": "shown as percent and read as fractions, 25 % is 0.25: 2 cells"}
    old(tmp_path / "e.xls", rows=[("a", "#DIV/0!"), ("b", "#N/A")], formats=("General", "General"))
    table = read_table(tmp_path / "e.xls")
    assert set(table.unusable) == {(2, "column_1")}


def test_sheets_are_named_and_a_hidden_first_one_is_not_taken(tmp_path):
    old(tmp_path / "t.xls", visibility=1)
    assert sheet_names(tmp_path / "t.xls") == ["legend"]
    with pytest.raises(CohortError, match=r"its first sheet, 'labels', is hidden: say by 'sheet' which"):
        read_table(tmp_path / "t.xls")
    assert len(read_table(tmp_path / "t.xls", sheet="labels").rows) == 3
    with pytest.raises(CohortError, match=r"no sheet 'Labels'; there are \['labels', 'legend'\]"):
        read_table(tmp_path / "t.xls", sheet="Labels")
    assert row_at(tmp_path / "t.xls", 2, "labels")[0] == "007"


@pytest.mark.parametrize("keep", [600, 2000])
def test_a_damaged_file_is_named(tmp_path, keep):
    old(tmp_path / "t.xls")
    (tmp_path / "t.xls").write_bytes((tmp_path / "t.xls").read_bytes()[:keep])
    with pytest.raises(CohortError, match=r"table t\.xls:\s+not a readable Excel file of before 2007"):
        read_table(tmp_path / "t.xls")
    assert sheet_names(tmp_path / "t.xls") == []
