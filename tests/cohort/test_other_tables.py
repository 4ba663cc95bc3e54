"""Tables of other programs: read by what they contain, or named with what to save them as."""

from __future__ import annotations

import gzip
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from scantune.cohort.faults import CohortError
from scantune.cohort.table import read_table

FRAME = pd.DataFrame(
    {
        "id": ["007", "8", None],
        "age": pd.array([40, None, 42], dtype="Int64"),
        "score": [1.5, 2.0, float("nan")],
        "date": pd.to_datetime(["2024-03-31", None, "2024-04-01"]),
    }
)
ROWS = [["007", "40", "1.5", "2024-03-31"], ["8", "", "2", ""], ["", "42", "", "2024-04-01"]]


def cells(path: Path, **options) -> list[list[str]]:
    table = read_table(path, **options)
    assert table.columns == ("id", "age", "score", "date")
    return [list(row.cells.values()) for row in table.rows]


def test_parquet_feather_and_stata_are_read(tmp_path):
    FRAME.to_feather(tmp_path / "t.feather")
    assert cells(tmp_path / "t.feather") == ROWS
    FRAME.to_parquet(tmp_path / "t.parquet")
    assert cells(tmp_path / "t.parquet") == ROWS
    FRAME.assign(age=[40, 41, 42], id=["007", "8", ""]).to_stata(tmp_path / "t.dta", write_index=False, version=118)
    assert cells(tmp_path / "t.dta") == [[*row[:1], age, *row[2:]] for row, age in zip(ROWS, ("40", "41", "42"))]


@pytest.mark.parametrize("name", ["t.parquet", "t.feather"])
def test_long_ids_beside_an_empty_cell_and_single_precision_are_as_they_were_entered(tmp_path, name):
    columns = {"id": pa.array([20240112123456789, None], pa.int64()), "score": pa.array([0.1, None], pa.float32())}
    write = pa.parquet.write_table if name == "t.parquet" else pa.feather.write_feather
    write(pa.table(columns), tmp_path / name)  # as R and Spark write it, without what pandas notes of types
    rows = read_table(tmp_path / name).rows
    assert [list(row.cells.values()) for row in rows] == [["20240112123456789", "0.1"]]


def test_an_index_of_several_names_is_columns(tmp_path):
    pd.DataFrame({"file": ["a", "b"], "subject": ["P1", "P2"], "session": [1, 2]}).set_index(
        ["subject", "session"]
    ).to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.columns == ("subject", "session", "file")
    assert table.rows[1].cells == {"subject": "P2", "session": "2", "file": "b"}


def test_an_index_with_a_name_is_a_column_and_pictures_are_no_cells(tmp_path):
    FRAME.fillna({"id": "9"}).set_index("id").to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").columns[0] == "id"
    pd.DataFrame({"image": [{"bytes": b"\x89PNG"}], "label": [1]}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(CohortError, match="columns image hold files, not texts or numbers: write them as files"):
        read_table(tmp_path / "p.parquet")
    pd.DataFrame({"id": ["a" * 50 + str(i) for i in range(9000)]}).to_parquet(
        tmp_path / "z.parquet", compression="gzip"
    )
    with pytest.raises(CohortError, match=r"unpacked it has .* MB"):
        read_table(tmp_path / "z.parquet", max_megabytes=0.2)
    (tmp_path / "c.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(CohortError, match=r"not a readable \.parquet file"):
        read_table(tmp_path / "c.parquet")


@pytest.mark.parametrize(
    "text", ["id\tage\tscore\tdate\n7\t40\t1.5\t2024-03-31\n", "id;age;score;date\n7;40;1.5;2024-03-31\n"]
)
def test_text_under_the_name_of_excel_is_read_as_what_it_is(tmp_path, text):
    (tmp_path / "export.xls").write_bytes(text.encode("utf-16"))
    assert cells(tmp_path / "export.xls") == [["7", "40", "1.5", "2024-03-31"]]


def zipped(path: Path, name: str, text: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, text)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.xlsx", b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "with a password: save it without"),
        ("t.xls", b"<html><p>id</p></html>", "HTML or XML without a table"),
        ("t.rds", gzip.compress(b"X\n\0\0\0\3", mtime=0), r"an R file .*write\.csv"),
        ("t.RData", b"RDX3\nX\n", r"an R file .*write\.csv"),
        ("t.csv", gzip.compress(b"id,age\n1,2\n", mtime=0), r"compressed \(gzip\): unpack it"),
        ("t.sas7bdat", b"\0" * 12 + b"\xc2\xea\x81\x60\xb3\x14", r"not a readable \.sas7bdat file"),
        ("t.feather", b"ARROW1\0\0", r"not a readable \.feather file"),
        ("t.db", b"SQLite format 3\0", "an SQLite database"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CohortError, match=words):
        read_table(tmp_path / name)


def test_a_table_of_open_document_is_named(tmp_path):
    zipped(tmp_path / "t.ods", "mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(CohortError, match=r"an OpenDocument table \(\.ods\): save it as \.xlsx or CSV"):
        read_table(tmp_path / "t.ods")


def test_a_packed_csv_is_read_and_one_that_is_cut_is_refused(tmp_path):
    packed = gzip.compress(b"id,age\n007,2\n", mtime=0)
    (tmp_path / "t.csv.gz").write_bytes(packed)
    assert [dict(row.cells) for row in read_table(tmp_path / "t.csv.gz").rows] == [{"id": "007", "age": "2"}]
    with pytest.raises(CohortError, match=r"tables in its folder: \['t\.csv\.gz'\]"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.csv.gz").write_bytes(packed[:-9])
    with pytest.raises(CohortError, match="not a readable gzip file"):
        read_table(tmp_path / "t.csv.gz")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"0" * 3_000_000))
    with pytest.raises(CohortError, match="unpacked"):
        read_table(tmp_path / "t.csv.gz", max_megabytes=1)


@pytest.mark.parametrize("sign", [".", ","])
def test_decimals_and_half_precision_are_numbers_as_others_are(tmp_path, sign):
    frame = pd.DataFrame({"a": [Decimal("1.50"), Decimal("2.00"), None], "b": [Decimal("12345678901234567890")] * 3})
    frame["h"] = np.array([0.1, 2, 0.3], np.float16)
    frame.to_feather(tmp_path / "t.feather")
    rows = [list(row.cells.values()) for row in read_table(tmp_path / "t.feather", decimal=sign).rows]
    long = "12345678901234567890"
    assert rows == [[f"1{sign}50", long, f"0{sign}1"], ["2", long, "2"], ["", long, f"0{sign}3"]]
