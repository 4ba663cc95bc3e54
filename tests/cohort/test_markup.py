"""HTML and Excel's XML of 2003 under the name .xls, as hospital information systems export them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scantune.cohort.faults import CohortError
from scantune.cohort.table import read_table, row_at, sheet_names

ROWS = [["P007", "0,5", "2024-03-31", "Müller & Söhne"], ["P008", "", "", "x < y"]]
HTML = (
    '<html xmlns:x="urn:schemas-microsoft-com:office:excel"><head><meta http-equiv="Content-Type" '
    'content="text/html; charset={charset}"><style>td {{mso-number-format:"\\@"}}</style><title>a</title></head><body>'
    "<table border=1>\n<tr><th>id</th><th>Score</th><th>Datum</th><th>Bemerkung</th></tr>\n"
    '<tr><td>P007</td><td x:num="0.5">0,5</td><td>2024-03-31</td><td>Müller &amp;<br>Söhne</td></tr>\n'
    "<tr><td>P008<td>&nbsp;<td><td><b>x</b> &lt; y<tr></table></body></html>"
)


def cells(path: Path, **options: object) -> list[list[str]]:
    table = read_table(path, **options)  # type: ignore[arg-type]
    assert table.columns == ("id", "Score", "Datum", "Bemerkung")
    return [list(row.cells.values()) for row in table.rows]


@pytest.mark.parametrize("charset", ["utf-8", "windows-1252", "iso-8859-2", "utf-16", "utf-8-sig", "none"])
def test_html_is_read_in_the_encoding_it_states(tmp_path, charset):
    """Closing tags may be left out, and letters be written as entities."""
    path = tmp_path / "export.xls"
    path.write_bytes(HTML.format(charset=charset).encode("cp1252" if charset == "none" else charset))
    assert cells(path) == ROWS
    assert sheet_names(path) == []
    notes = read_table(path).notes
    assert "it is HTML" in notes
    assert any("1 cell shows a number in a format" in note for note in notes)


def test_the_largest_of_several_tables_is_read_and_one_in_a_cell_is_its_own(tmp_path):
    title = "<table><tr><td>Klinik</td><td>Befunde</td></tr></table>"
    inner = "<table><tr><td>1</td></tr></table>"
    body = "".join(f"<tr><td>P{i}{inner if i == 2 else ''}</td><td>{i}</td></tr>" for i in range(4))
    (tmp_path / "t.xls").write_text(f"{title}<table><tr><th>id<th>score</tr>{body}</table><table><tr></table>")
    table = read_table(tmp_path / "t.xls")
    assert [row.cells for row in table.rows] == [{"id": f"P{i}", "score": str(i)} for i in range(4)]
    assert any("of its 4 tables the one with the most cells is read" in note for note in table.notes)


def test_cells_that_another_one_spans_have_no_value_as_merged_ones_of_excel(tmp_path):
    rows = '<tr><td rowspan="2">P1</td><td>1</td><td rowspan=3>z</td></tr><tr><td>2</td></tr><tr><td>P2</td><td>3</td>'
    head = '<tr><td colspan="3">Report</td></tr><tr><th>id<th>n<th>last</tr>'
    text = f"<table>{head}{rows}</tr><tr><td>P3</td></tr></table>"
    (tmp_path / "t.xls").write_text(text)
    table = read_table(tmp_path / "t.xls", header=2)
    assert [list(row.cells.values()) for row in table.rows] == [
        ["P1", "1", "z"], ["", "2", ""], ["P2", "3", ""], ["P3", "", ""],
    ]  # fmt: skip
    assert set(table.unusable) == {(4, "id"), (4, "last"), (5, "last")}
    assert row_at(tmp_path / "t.xls", 1) == ["Report", "", ""]


SPREADSHEET = """<?xml version="1.0"{encoding}?>
<?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">
<Styles><Style ss:ID="s1"/></Styles>
<Worksheet ss:Name="Daten"><Table ss:ExpandedColumnCount="4">
<Row ss:Index="2"><Cell><Data ss:Type="String">id</Data></Cell><Cell><Data ss:Type="String">n</Data></Cell>
<Cell><Data ss:Type="String">date</Data></Cell><Cell><Data ss:Type="String">note</Data></Cell></Row>
<Row><Cell><Data ss:Type="String">007</Data></Cell><Cell><Data ss:Type="Number">3.0</Data></Cell>
<Cell><Data ss:Type="DateTime">2024-03-31T00:00:00.000</Data></Cell>
<Cell><ss:Data ss:Type="String"><B>Mü</B>ller</ss:Data></Cell></Row>
<Row><Cell ss:MergeDown="1"><Data ss:Type="String">P8</Data></Cell>
<Cell ss:Index="4"><Data ss:Type="Error">#REF!</Data></Cell></Row>
<Row><Cell ss:Index="2" ss:Formula="=1"><Data ss:Type="Number">1.5E-3</Data></Cell></Row>
</Table></Worksheet>
<Worksheet ss:Name="Zwei"><Table><Row><Cell><Data ss:Type="String">a</Data></Cell></Row>
<Row><Cell><Data ss:Type="Boolean">1</Data></Cell></Row></Table></Worksheet></Workbook>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "windows-1252"])
def test_sheets_of_excels_xml(tmp_path, encoding):
    path = tmp_path / "t.xls"
    path.write_bytes(SPREADSHEET.format(encoding=f' encoding="{encoding}"').encode(encoding))
    table = read_table(path, header=2)
    assert table.columns == ("id", "n", "date", "note")
    assert [list(row.cells.values()) for row in table.rows] == [
        ["007", "3", "2024-03-31", "Müller"], ["P8", "", "", "#REF!"], ["", "0.0015", "", ""],
    ]  # fmt: skip
    assert set(table.unusable) == {(4, "note"), (5, "id")}
    assert sheet_names(path) == ["Daten", "Zwei"]
    assert [row.cells for row in read_table(path, sheet="Zwei").rows] == [{"a": "1"}]
    with pytest.raises(CohortError, match=r"no sheet 'drei'; there are \['Daten', 'Zwei'\]"):
        read_table(path, sheet="drei")


def test_cells_of_excels_xml_are_those_of_excels_own_file(tmp_path):
    """Decimals by the table's sign, #N/A empty, and numbers that Excel has rounded unusable."""
    import openpyxl

    head, numbers = ["id", "a", "b"], [1.5, 1234567890123456789.0]
    book = openpyxl.Workbook()
    for row in (head, ["P1", *numbers], ["P2", "#N/A", "#DIV/0!"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    kinds = [["String"] * 3, ["String", "Number", "Number"], ["String", "Error", "Error"]]
    texts = [head, ["P1", "1.5", "1.23456789012346E+18"], ["P2", "#N/A", "#DIV/0!"]]
    rows = "".join(
        f"<Row>{''.join(f'<Cell><Data ss:Type={kind!r}>{text}</Data></Cell>' for kind, text in zip(*row))}</Row>"
        for row in zip(kinds, texts)
    )
    name = "urn:schemas-microsoft-com:office:spreadsheet"
    (tmp_path / "t.xls").write_text(
        f'<?xml version="1.0"?><Workbook xmlns="{name}" xmlns:ss="{name}"><Worksheet ss:Name="a"><Table>{rows}'
        "</Table></Worksheet></Workbook>"
    )
    for decimal in (".", ","):
        own, other = (read_table(tmp_path / f"t.{ending}", decimal=decimal) for ending in ("xlsx", "xls"))
        assert other.rows[0].cells["a"] == own.rows[0].cells["a"] == f"1{decimal}5"
        assert other.rows[1].cells == own.rows[1].cells
        assert other.unusable == own.unusable
        assert set(own.unusable) == {(2, "b"), (3, "b")}


def test_formats_and_what_is_hidden_in_excels_xml(tmp_path):
    name, path = "urn:schemas-microsoft-com:office:spreadsheet", tmp_path / "t.xls"
    cell = '<Cell ss:StyleID="{}"><Data ss:Type="Number">{}</Data></Cell>'.format
    text = (
        f'<?xml version="1.0"?><Workbook xmlns="{name}" xmlns:ss="{name}"><Styles><Style ss:ID="s1"><NumberFormat '
        'ss:Format="000"/></Style><Style ss:ID="s2"><NumberFormat ss:Format="Percent"/></Style></Styles><Worksheet '
        'ss:Name="a"><Table><Row><Cell><Data ss:Type="String">id</Data></Cell><Cell><Data ss:Type="String">share</Data>'
        f"</Cell></Row><Row>{cell('s1', 7)}{cell('s2', 0.25)}</Row>"
        f'<Row ss:Hidden="1" ss:StyleID="s1"><Cell><Data ss:Type="Number">8</Data></Cell>{cell("s3", 25)}</Row>'
        "</Table>{}</Worksheet></Workbook>"
    )
    path.write_text(text.format(""))
    table = read_table(path)
    assert [row.cells["id"] for row in table.rows] == ["007", "008"]
    assert "shown as percent" in table.unusable[2, "share"]
    assert any("1 row is hidden in Excel" in note for note in table.notes)
    path.write_text(text.format("<WorksheetOptions><Visible>SheetHidden</Visible></WorksheetOptions>"))
    with pytest.raises(CohortError, match="its first sheet, 'a', is hidden"):
        read_table(path)


ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE w [<!ENTITY x "{}">]>'
    '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">&x;</Workbook>'
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html><body>Session expired</body></html>", "HTML or XML without a table"),
        ("<html><table><tr><td></td></tr></table></html>", "HTML or XML without a table"),
        ("<?xml version='1.0'?><a/>", "HTML or XML without a table"),
        (ENTITIES.format("aaa"), "declares a document type or entities"),
        (SPREADSHEET.format(encoding="")[:700], "not readable as XML"),
        (
            SPREADSHEET.format(encoding="").replace('ss:Index="4"', 'ss:Index="999999"'),
            "ss:Index of a cell is '999999'",
        ),
        (SPREADSHEET.format(encoding="").replace('ss:Index="4"', 'ss:Index="1"'), "is '1', not from 2 to 16384"),
        pytest.param(
            "<table>" + "<tr><td colspan=1000>a" * 21_000, "more than 20,000,000 cells", marks=pytest.mark.slow
        ),
        ("MIME-Version: 1.0\nContent-Type: multipart/related", r"a web page in one file \(\.mht\)"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, text, words):
    (tmp_path / "t.xls").write_text(text)
    with pytest.raises(CohortError, match=words):
        read_table(tmp_path / "t.xls")


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "t.xls").write_text("<table>" + "<tr><td>a" * 200_000)
    with pytest.raises(CohortError, match=r"2 MB; at most 1 MB are read .*max_table_megabytes"):
        read_table(tmp_path / "t.xls", max_megabytes=1)
    with pytest.raises(CohortError, match="at most 1 MB"):
        read_table(tmp_path / "t.xls", max_megabytes=1.0, sheet="a")


def test_html_of_many_megabytes_is_refused_at_once(tmp_path):
    (tmp_path / "t.xls").write_text("<table>" + "<tr><td>aaaaaaaaaaaa" * 1_300_000)
    with pytest.raises(CohortError, match=r"HTML of 26 MB; at most 25 are read: .*CSV"):
        read_table(tmp_path / "t.xls")


def test_external_files_are_not_opened(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    place = (tmp_path / "secret.txt").as_uri()
    text = ENTITIES.replace('"{}"', f'SYSTEM "{place}"')
    (tmp_path / "t.xls").write_text(text)
    with pytest.raises(CohortError, match="not followed"):
        read_table(tmp_path / "t.xls")
