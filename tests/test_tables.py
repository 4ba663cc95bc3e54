"""CSV files: what is written is read again, and no spreadsheet runs it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from scantune.tables import unguarded, write_csv, write_rows


def cells(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=delimiter))


@pytest.mark.parametrize("text", ["=1+1", "+a", "-b", "@c", "\td", "'=e", "''=f"])
def test_what_a_spreadsheet_would_run_is_text_and_comes_back(tmp_path: Path, text: str) -> None:
    write_csv(tmp_path / "a.csv", [text], [[text]])
    header, row = cells(tmp_path / "a.csv")
    assert header == row == ["'" + text]
    assert unguarded(row[0]) == text


@pytest.mark.parametrize("text", ["-1.5", "+3", "1e-3", "'tis", "a=b", "", 'é;\n,"'])
def test_numbers_and_other_texts_stay_as_they_are(tmp_path: Path, text: str) -> None:
    write_csv(tmp_path / "a.csv", ["a", "b"], [[text, 1]], delimiter=";")
    assert cells(tmp_path / "a.csv", ";")[1] == [text, "1"]
    assert unguarded(text) == text


def test_rows_by_name_share_their_columns_and_what_is_undefined_is_empty(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv", [{"a": 1, "b": float("nan")}, {"c": "x", "a": None}])
    assert (tmp_path / "a.csv").read_text() == "a,b,c\n1,,\n,,x\n"
