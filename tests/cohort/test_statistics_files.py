"""Tables of SPSS, SAS and Stata."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from scantune.cohort.faults import CohortError
from scantune.cohort.table import Table, read_table, row_at

FRAME = pd.DataFrame(
    {
        "id": ["P1", "P2", "Ä3"],
        "age": [61.0, 47.5, np.nan],
        "sex": [1.0, 2.0, 2.0],
        "pain": [0.0, 4.0, 10.0],
        "seen": [datetime.date(2024, 3, 31), None, datetime.date(2024, 4, 1)],
    }
)
LABELS = {"sex": {1: "male", 2: "female"}, "pain": {0: "none", 10: "worst"}}
ROWS = [
    ["P1", "61", "male", "0", "2024-03-31"],
    ["P2", "47.5", "female", "4", ""],
    ["Ä3", "", "female", "10", "2024-04-01"],
]
CODES = [[*row[:2], code, *row[3:]] for row, code in zip(ROWS, "122", strict=True)]
NOTE = "column 'pain': some values have no label (4): it has the numbers, with 0 = 'none', 10 = 'worst'"


def cells(table: Table) -> list[list[str]]:
    return [list(row.cells.values()) for row in table.rows]


def written(path: Path) -> Path:
    if path.suffix in (".sav", ".zsav"):
        pyreadstat.write_sav(FRAME, path, variable_value_labels=LABELS, compress=path.suffix == ".zsav")
    elif path.suffix == ".dta":
        pyreadstat.write_dta(FRAME, path, variable_value_labels=LABELS)
    else:
        pyreadstat.write_xport(FRAME, path, file_format_version=8)
    return path


@pytest.mark.parametrize("name", ["t.sav", "t.zsav", "t.dta"])
def test_values_with_a_label_each_are_words_and_ends_of_a_scale_stay_numbers(tmp_path, name):
    table = read_table(written(tmp_path / name))
    assert table.columns == ("id", "age", "sex", "pain", "seen")
    assert cells(table) == ROWS
    assert table.notes == (NOTE,)
    assert row_at(tmp_path / name, 2) == ROWS[0]


def test_a_file_of_sas_has_its_codes(tmp_path):
    assert cells(read_table(written(tmp_path / "t.xpt"))) == CODES


@pytest.mark.parametrize("version", [114, 117, 118])
def test_single_precision_and_small_integers_of_stata_are_as_they_were_entered(tmp_path, version):
    frame = pd.DataFrame({"score": np.array([1.1, 3, 2.5], np.float32), "n": np.array([1, 2, 3], np.int8)})
    frame.to_stata(tmp_path / "t.dta", write_index=False, version=version)
    assert cells(read_table(tmp_path / "t.dta")) == [["1.1", "1"], ["3", "2"], ["2.5", "3"]]
    assert cells(read_table(tmp_path / "t.dta", decimal=","))[0] == ["1,1", "1"]


def test_what_spss_declares_missing_is_empty_and_its_padded_numbers_are_padded(tmp_path):
    frame = pd.DataFrame({"id": [7.0, 12.0, 123.0], "score": [1.0, 99.0, 3.0]})
    pyreadstat.write_sav(
        frame, tmp_path / "t.sav", missing_ranges={"score": [99]}, variable_format={"id": "N4"},
        variable_value_labels={"score": {99: "not done"}},
    )  # fmt: skip
    assert cells(read_table(tmp_path / "t.sav")) == [["0007", "1"], ["0012", ""], ["0123", "3"]]


@pytest.mark.parametrize("name", ["t.sav", "t.dta", "t.xpt"])
def test_a_damaged_file_is_named(tmp_path, name):
    path = written(tmp_path / name)
    path.write_bytes(path.read_bytes()[:130])
    with pytest.raises(CohortError, match=rf"not a readable \{path.suffix} file"):
        read_table(path)


def test_the_size_of_a_file_is_limited(tmp_path):
    with pytest.raises(CohortError, match=r"at most 0\.001 MB are read"):
        read_table(written(tmp_path / "t.dta"), max_megabytes=0.001)
