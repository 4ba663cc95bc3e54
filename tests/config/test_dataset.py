import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from scantune.config.dataset import DatasetConfig, SplitConfig
from scantune.config.input import InputConfig, VolumeInput

READ = TypeAdapter(InputConfig).validate_python


def dataset(**keys) -> DatasetConfig:
    return DatasetConfig(**{"root": "r", "table": "t.csv", "files": "{id}.png", **keys})


def test_shorthand_and_full_form_mean_the_same():
    assert dataset(targets=["a"], groups=["b"]) == dataset(targets={"a": {"column": "a"}}, groups={"b": "b"})
    volume = {"modality": "volume", "dataset": "d"}
    assert READ({**volume, "intensity": "percentile"}) == READ({**volume, "intensity": {"name": "percentile"}})
    assert isinstance(READ(volume), VolumeInput)
    assert READ({"modality": "image", "dataset": "d", "clahe": True}).clahe.tiles == 8


def test_train_fraction_halves_the_rest():
    assert SplitConfig(train_fraction=0.8).shares == pytest.approx({"train": 0.8, "validation": 0.1, "test": 0.1})


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"table": None}, "either 'table' or 'class_folders"),
        ({"files": []}, "needs 'files'"),
        ({"filse": "x"}, "filse"),
        ({"where": {"a": {"min": 3, "max": 1}}}, "above max"),
        ({"bands": {"age": [18]}}, "not among the groups"),
        ({"split": {"method": "stratified"}}, "needs the key 'on'"),
        ({"split": {"method": "stratified", "on": "score"}}, "neither a target nor a group"),
        ({"split": {"method": "temporal"}}, "needs 'order'"),
        ({"split": {"method": "predefined"}}, "needs 'columns'"),
        ({"split": {"fractions": [0.5, 0.1, 0.1]}}, "sum to 0.7"),
        ({"split": {"method": "group_out", "group": "site"}}, "levels held out"),
    ],
)
def test_datasets_that_contradict_themselves_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        dataset(**keys)


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"spacing": [1, 0, 1]}, "greater than 0"),
        ({"shape": [8, 8]}, "at least 3"),
        ({"intensity": {"name": "window", "center": 40}}, "center and width"),
        ({"intensity": {"name": "percentile", "lower": 60, "upper": 40}}, "not below"),
        ({"intensity": "zscor"}, "zscor"),
        ({"modality": "sound"}, "sound"),
    ],
)
def test_inputs_that_make_no_sense_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        READ({"modality": "volume", "dataset": "d", **keys})


@pytest.mark.parametrize("written", ['"\\t"', "\\t", "'\\t'", "tab"])
def test_a_tab_is_a_separator_however_yaml_reads_it(written):
    block = yaml.safe_load(f"{{root: /x, table: a.csv, files: '{{a}}', separator: {written}}}")
    assert DatasetConfig.model_validate(block).separator == "\t"
