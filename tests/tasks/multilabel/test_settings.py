"""How cells of a table become states of findings: NIH's lists, CheXpert's columns, faults."""

import math

import pytest
from pydantic import ValidationError

from scantune.records import ScantuneError
from scantune.tasks.multilabel.settings import Multilabel

NIH = Multilabel(target="found", findings=("Effusion", "Mass"))
CHEXPERT = Multilabel(findings=("Edema", "Fracture"))


@pytest.mark.parametrize(
    ("cell", "states"),
    [
        ("Effusion|Mass", [1, 1]),
        ("Mass", [0, 1]),
        (" Effusion | Mass ", [1, 1]),
        ("No Finding", [0, 0]),
        ("", [math.nan, math.nan]),
    ],
)
def test_a_cell_that_lists_findings(cell, states):
    assert NIH.states({"found": cell}, NIH.findings) == pytest.approx(states, nan_ok=True)


def test_another_separator_and_an_empty_cell_that_says_none():
    settings = Multilabel(target="found", findings=("a", "b"), separator=";", blank="absent", ignored=())
    assert settings.states({"found": "b; a"}, ("a", "b")) == [1, 1]
    assert settings.states({"found": ""}, ("a", "b")) == [0, 0]


def test_a_word_that_is_no_finding_is_told_with_the_nearest():
    assert "did you mean 'Effusion'" in str(NIH.target_fault("found", "Efusion"))
    assert NIH.target_fault("found", "Effusion|No Finding") is None
    with pytest.raises(ScantuneError, match=r"task\.ignored"):
        NIH.states({"found": "Hernia"}, NIH.findings)
    assert Multilabel(target="found", findings=("Mass",), ignored=("Hernia",)).target_fault("found", "Hernia") is None


@pytest.mark.parametrize("cell", ["1", "1.0", "0", "0.0", "-1", "-1.0", ""])
def test_a_column_a_finding_as_chexpert_has_them(cell):
    state = CHEXPERT.states({"Edema": cell, "Fracture": "0"}, CHEXPERT.findings)[0]
    assert state == pytest.approx({"1": 1, "0": 0}.get(cell.removesuffix(".0"), math.nan), nan_ok=True)


def test_uncertain_and_blank_are_what_the_block_says():
    settings = Multilabel(findings=("Edema", "Fracture"), uncertain="present", blank="absent")
    assert settings.states({"Edema": "-1", "Fracture": ""}, settings.findings) == [1, 0]
    with pytest.raises(ScantuneError, match="'Edema' is 'yes'; right would be 1, 0, -1"):
        settings.states({"Edema": "yes", "Fracture": ""}, settings.findings)


def test_findings_are_those_that_the_cells_list_where_none_are_named():
    settings = Multilabel(target="found")
    rows = [{"found": "Mass|Effusion"}, {"found": "No Finding"}, {"found": "Hernia"}]
    assert settings.classes_in(rows) == ("Effusion", "Hernia", "Mass")
    with pytest.raises(ScantuneError, match="lists no finding"):
        settings.classes_in([{"found": "No Finding"}])


def test_target_columns_of_predictions():
    assert NIH.target_columns({"found": ["Mass", "", "No Finding"]}) == {
        "target/Effusion": ["0", "", "0"],
        "target/Mass": ["1", "", "0"],
    }
    assert CHEXPERT.target_columns({"Edema": ["-1", "1.0"], "Fracture": ["0", ""]}) == {
        "target/Edema": ["", "1"],
        "target/Fracture": ["0", ""],
    }


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"findings": ("a", "a")}, "occurs twice"),
        ({"findings": ("a/b",)}, "which separate names in predictions.csv; name it 'a-b' .by 'targets: {a-b: a/b}'"),
        ({"findings": ("No Finding",)}, "is in task.ignored too"),
        ({"findings": ("a",), "sides": {"a": "b"}}, "not one of the findings"),
        ({"uncertain": "maybe"}, "Input should be"),
    ],
)
def test_refused(block, message):
    with pytest.raises(ValidationError, match=message):
        Multilabel(**block)


@pytest.mark.parametrize("block", [{}, {"findings": ("Edema", "Nodule-Mass")}, {"ignored": ("No finding", "a / b")}])
def test_a_finding_with_a_slash_in_a_cell_has_a_hyphen(block):
    task = Multilabel(target="t", separator=";", **block)
    last = "Edema" if "findings" in block else "Edema;a / b"
    rows = [{"t": "Nodule/Mass;Edema"}, {"t": "Nodule / Mass"}, {"t": last}]
    if "ignored" not in block and "findings" not in block:
        assert task.classes_in(rows) == ("Edema", "Nodule-Mass", "a-b")
        return
    assert task.classes_in(rows) == ("Edema", "Nodule-Mass")
    assert [task.states(row, ("Edema", "Nodule-Mass")) for row in rows] == [[1, 1], [0, 1], [1, 0]]


def test_right_and_left_findings_change_places():
    settings = Multilabel(findings=("right_effusion", "heart", "left_effusion"))
    assert settings.sided
    assert settings.mirrored(settings.findings) == (2, 1, 0)
    assert not NIH.sided
