"""The group ``map_checks``: entries that cannot be run are refused, keys of before are told the entry to add."""

from __future__ import annotations

import copy

import pytest
import yaml

from scantune.config.load import ConfigError, parse
from tests.config.test_load import GOOD


def knees(saliency: dict | bool | None = None, **checks: dict) -> dict:
    """Settings with a classification, a segmentation on the same input, and entries of ``map_checks``."""
    copied = copy.deepcopy(GOOD)
    copied["datasets"]["knees"]["masks"] = "masks/{id}.png"
    bones = copied["experiments"]["knees"] | {"task": {"name": "segmentation"}, "model": {"backbone": "unet"}}
    copied["experiments"]["bones"] = copy.deepcopy(bones)
    if saliency is not None:
        copied["experiments"]["knees"]["evaluate"] = {"saliency": saliency}
    return copied | ({"map_checks": checks} if checks else {})


def entry(use: str, source: str = "knees", experiment: str = "knees") -> dict:
    return {"experiment": experiment, "from": source, "use": use}


def faults(params: dict) -> list[str]:
    try:
        parse(params)
    except ConfigError as error:
        return error.faults
    return []


def test_each_use_has_an_entry():
    uses = {"a": entry("another_seed"), "b": entry("shuffled_labels"), "c": entry("segmentation", "bones")}
    assert faults(knees(**uses)) == []


@pytest.mark.parametrize(
    ("key", "value", "use"),
    [("repeat", True, "another_seed"), ("label_randomization", True, "shuffled_labels")]
    + [("segmentation", "bones", "segmentation")],
)
def test_a_key_of_before_is_told_the_entry_in_its_place(key, value, use):
    (fault,) = faults(knees({key: value}))
    assert fault.startswith(f"experiments.knees.evaluate.saliency.{key}: ")
    added = yaml.safe_load(fault.partition("add to params.yaml: ")[2])
    assert added == {"map_checks": {f"knees_{use}": entry(use, "bones" if key == "segmentation" else "knees")}}
    assert faults(knees(**added["map_checks"])) == []


def test_a_key_of_before_that_asked_for_nothing_is_to_be_removed():
    (fault,) = faults(knees({"repeat": False}))
    assert fault.endswith("Remove this key")


@pytest.mark.parametrize(
    ("checks", "fault"),
    [
        ({"a": entry("another_seed", "nees")}, "map_checks.a.from: there is no 'nees' in experiments or derived"),
        ({"a": entry("another_seed", experiment="nee")}, "map_checks.a.experiment: there is no 'nee'"),
        ({"a": entry("another_seed", "bones")}, "map_checks.a.from: 'bones', but use: another_seed repeats"),
        ({"a": entry("other_seed")}, "map_checks.a.use: 'other_seed' is not one of"),
        ({"a": entry("segmentation")}, "map_checks.a.from: 'knees' is a classification, not a segmentation"),
        ({n: entry("another_seed") for n in "ab"}, "map_checks.b: map_checks.a already has use another_seed"),
    ],
)
def test_an_entry_that_cannot_be_run_is_refused(checks, fault):
    assert fault in "\n".join(faults(knees(**checks)))


def test_a_segmentation_needs_masks_and_the_same_input():
    params = knees(a=entry("segmentation", "bones"))
    params["inputs"]["small"] = params["inputs"]["knees"] | {"shape": [32, 32]}
    params["experiments"]["bones"]["input"] = "small"
    assert "map_checks.a.from: 'bones' takes the input 'small', not 'knees'" in faults(params)
    del params["datasets"]["knees"]["masks"]
    assert any(fault.startswith("map_checks.a.experiment: needs datasets.knees.masks") for fault in faults(params))


@pytest.mark.parametrize("saliency", [False, {"checks": False}])
def test_an_entry_that_nothing_would_read_is_refused(saliency):
    (fault,) = faults(knees(saliency, a=entry("another_seed")))
    assert fault.startswith("map_checks.a.experiment: 'knees' tests no maps")
