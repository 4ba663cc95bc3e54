"""Keys of a dataset that nothing would read are refused by name: else the split is another than the one written."""

from __future__ import annotations

import pytest

from scantune.config.load import ConfigError, parse
from tests.config.test_load import changed

FOLDERS = {"root": "data/knees", "class_folders": True}


def faults(key: str, value: object) -> list[str]:
    try:
        parse(changed(key, value))
    except ConfigError as error:
        return error.faults
    return []


@pytest.mark.parametrize(
    ("split", "key", "remedy"),
    [
        ({"on": "grade"}, "on", "method: stratified"),
        ({"method": "random", "on": "grade"}, "on", "method: stratified"),
        ({"group": "site", "test": ["B"]}, "test", "method: group_out"),
        ({"validation": ["A"]}, "validation", "method: group_out"),
        ({"method": "random", "columns": "side"}, "columns", "method: predefined"),
        ({"method": "stratified", "on": "grade", "columns": "side"}, "columns", "method: predefined"),
        ({"rest": "leave_out"}, "rest", "method: predefined"),
        ({"fill": {"test": 0.1}}, "fill", "method: predefined"),
        ({"method": "group_out", "group": "site", "test": ["B"], "fill": {"test": 0.1}}, "fill", "predefined"),
        ({"fractions": [0.6, 0.2, 0.2], "train_fraction": 0.9}, "train_fraction", "remove one"),
    ],
)
def test_a_key_that_the_method_does_not_read_is_refused(split, key, remedy):
    block = changed("datasets.knees.groups", ["site"])["datasets"]["knees"]
    found = faults("datasets.knees", {**block, "split": split})
    assert any(line.startswith(f"datasets.knees.split.{key}: ") and remedy in line for line in found), found


@pytest.mark.parametrize(
    "split",
    [
        {"method": "stratified", "on": "grade"},
        {"folds": 4, "on": "grade"},
        {"columns": "side"},
        {"columns": "side", "rest": "leave_out", "fill": {"test": 0.2}, "on": "grade"},
        {"method": "predefined", "columns": "side", "fractions": [0.6, 0.2, 0.2]},
        {"method": "group_out", "group": "site", "test": ["B"], "validation": ["A"]},
        {"method": "group_out", "group": "site", "test": ["B"], "on": "grade"},
        {"train_fraction": 0.8},
        {"method": "random", "test": [], "rest": "error", "fractions": [0.7, 0.15, 0.15]},  # written as it is
    ],
)
def test_keys_that_are_read_are_accepted(split):
    block = changed("datasets.knees.groups", ["site"])["datasets"]["knees"]
    assert faults("datasets.knees", {**block, "split": split}) == []


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"where": {"view": "PA"}}, "where"),
        ({"recode": {"sex": {"m": "M"}}}, "recode"),
        ({"masks": "{id}.png"}, "masks"),
        ({"groups": ["site"]}, "groups"),
        ({"raters": ["one"]}, "raters"),
        ({"sample": "{id}"}, "sample"),
        ({"files": "{id}.png"}, "files"),
        ({"header": 2}, "header"),
        ({"decimal": ","}, "decimal"),
        ({"order": "date"}, "order"),
        ({"split": {"columns": "side"}}, "split.columns"),
        ({"targets": ["grade", "other"]}, "targets"),
        ({"targets": {"grade": {"column": "grade", "values": ["a"]}}}, "targets.grade"),
        ({"join_ids": True}, "join_ids"),
    ],
)
def test_keys_of_a_table_are_refused_beside_class_folders(keys, key):
    target = {} if "targets" in keys else {"targets": ["grade"]}
    found = faults("datasets.knees", {**FOLDERS, **target, **keys})
    assert any(line.startswith(f"datasets.knees.{key}: ") for line in found), found


def test_class_folders_with_their_own_keys_are_accepted():
    keys = {"subject_from": "^[^_]+", "join_ids": True, "split": {"fill": {"test": 0.2}}}
    assert faults("datasets.knees", {**FOLDERS, "targets": ["grade"], **keys}) == []


def test_ids_to_join_need_subjects_and_a_range_its_order():
    block = dict(changed("datasets.knees.join_ids", True)["datasets"]["knees"])
    block.pop("subject")
    assert any("join_ids" in line for line in faults("datasets.knees", block))
    found = faults("datasets.knees.targets", {"grade": {"column": "kl", "min": 5, "max": 1}})
    assert found == ["datasets.knees.targets.grade: min 5 is above max 1"]


def test_bands_of_ages_that_are_not_written_are_refused():
    block = changed("datasets.knees.groups", {"years": "Age", "bmi": "bmi"})["datasets"]["knees"]
    assert faults("datasets.knees", {**block, "bands": {"years": [18, 90], "bmi": [100]}}) == []
    found = faults("datasets.knees", {**block, "bands": {"years": [18, 95]}})
    assert found == ["datasets.knees.bands.years: 95, but ages over 89 are written as 90+; edges up to 90"]
