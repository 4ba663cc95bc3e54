"""A stage refuses tensors, and a model facts, that do not fit the input block: which key, both values, what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from scantune.records import ScantuneError
from scantune.registry.model import digest_of
from scantune.registry.predictor import Predictor
from tests.stages.conftest import grouped_params, run_stages

CALLS = ("train small", "evaluate small", "ensemble both", "evaluate both", "external small_far")


@pytest.fixture
def beside(grouped, tmp_path) -> Path:
    """The same folders under settings of its own."""
    for folder in ("data", "outputs", "ensembles"):
        (tmp_path / folder).symlink_to(grouped / folder)
    return tmp_path


def write(home: Path, **inputs: dict) -> None:
    params = grouped_params()
    for name, changed in inputs.items():
        params["inputs"][name] |= changed
    (home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_a_stage_refuses_tensors_of_another_shape_than_the_block_says(beside, call):
    write(beside, digits={"shape": [12, 12]}, far={"shape": [12, 12]})
    with pytest.raises(ScantuneError) as caught:
        run_stages(beside, call)
    message = str(caught.value)
    assert "shape" in message
    assert "[12, 12]" in message
    assert "[16, 16]" in message


@pytest.mark.slow
def test_evaluate_refuses_a_model_that_was_trained_on_otherwise_prepared_tensors(beside, grouped):
    cache = beside / "data"
    cache.unlink()
    shutil.copytree(grouped / "data", cache)
    write(beside, digits={"intensity": "percentile"})
    run_stages(beside, "preprocess digits")
    with pytest.raises(
        ScantuneError, match=r"'small' was trained on tensors prepared differently: intensity is .*percent"
    ):
        run_stages(beside, "evaluate small")
    with pytest.raises(ScantuneError, match=r"'other' was trained on tensors prepared differently: intensity is"):
        run_stages(beside, "train student")  # whose teacher has never seen such


def test_settings_that_change_no_tensor_are_no_reason_to_refuse(beside, monkeypatch):
    from scantune.config.load import load
    from scantune.pipeline.data.sides import sides_of

    write(beside, digits={"workers": 2, "time_limit": 50, "verify_fraction": 0.5})
    monkeypatch.chdir(beside)
    assert len(sides_of(load(), "digits", "digits").members)


def test_a_model_refuses_an_input_block_that_gives_other_tensors(grouped, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(grouped / "outputs/small/train/model", model)
    content = json.loads((model / "model.json").read_text())
    assert content["training"]["shape"] == [1, 16, 16]
    del content["digest"]

    def with_input(block: dict) -> None:
        changed = content | {"input": block}
        (model / "model.json").write_text(json.dumps(changed | {"digest": digest_of(changed)}))

    with_input(content["input"] | {"shape": [12, 12]})
    with pytest.raises(ScantuneError, match=r"'small': its input block gives tensors of 12×12, .* trained on 16×16"):
        Predictor.load(model)
    old = {key: value for key, value in content["input"].items() if key != "shape"} | {"size": [16, 16]}
    with_input(old)
    with pytest.raises(ScantuneError, match=r"input\.size is now input\.shape"):
        Predictor.load(model)
