"""Every option of a training does something: against the plain training, what it should change is changed."""

from __future__ import annotations

import copy
import csv
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from scantune.config.load import parse
from scantune.records import ScantuneError
from tests.stages.conftest import digits_params, experiment

BASE = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01, "precision": "32", "early_stopping": False}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, request) -> Path:
    """A folder in which demo, preprocess and split ran, in this process."""
    home = tmp_path_factory.mktemp("options")
    (home / "dvc.yaml").write_text("stages: {}\n")
    write(home, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("SCANTUNE_MLFLOW", "off")
        from stages import demo, preprocess, split

        demo.run("digits")
        preprocess.run("digits")
        split.run("digits")
    return home


def write(home: Path, train: dict, **blocks: dict) -> dict:
    params = digits_params(n=160)
    experiment_block = experiment("small_cnn", **{**BASE, **train})
    for name, block in blocks.items():
        experiment_block[name] = {**experiment_block[name], **block}
    params["experiments"] = {"small": experiment_block}
    import yaml

    (home / "params.yaml").write_text(yaml.safe_dump(params))
    return params


def train(home: Path, out: Path, train: dict, **blocks: dict):
    """Train in this process; the trained members."""
    from scantune.engine import launch
    from scantune.pipeline.monitoring import pictures
    from scantune.pipeline.train import networks
    from scantune.pipeline.train import stage as recipe
    from scantune.tracking import Run

    params = parse(copy.deepcopy(write(home, train, **blocks)))
    plan = recipe.plan_of(params, "small")
    settings = plan.block.train
    fabric = launch(device="cpu", devices=1, precision=settings.precision)
    return networks.train_all(plan, out=out / "out", state=out / "state", run=Run(), fabric=fabric, pictures=pictures)


@pytest.fixture
def runs(prepared, tmp_path, monkeypatch):
    monkeypatch.chdir(prepared)
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")

    def one(settings: dict, name: str = "a", **blocks: dict):
        return train(prepared, tmp_path / name, settings, **blocks)

    return one


def weights(trained) -> np.ndarray:
    state = trained.networks[0].state_dict()
    return np.concatenate([v.detach().numpy().ravel().astype(float) for _, v in sorted(state.items())])


@pytest.fixture(scope="module")
def plain(prepared, tmp_path_factory) -> np.ndarray:
    """Weights of the plain training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(prepared)
        patch.setenv("SCANTUNE_MLFLOW", "off")
        return weights(train(prepared, tmp_path_factory.mktemp("plain"), {}))


def test_the_plain_training_repeats_to_the_last_bit(runs, plain):
    assert np.array_equal(weights(runs({})), plain)


OPTIONS = {
    "loss: focal": {"loss": "focal"},
    "loss: label smoothing": {"label_smoothing": 0.1},
    "loss: class weights": {"loss": "weighted_cross_entropy", "class_weights": [1, 2, 3, 1, 1, 1, 1, 1, 1, 1]},
    "optimizer: sgd": {"optimizer": "sgd"},
    "optimizer: adam": {"optimizer": "adam", "weight_decay": 0.1},
    "optimizer: betas": {"optimizer": {"name": "adamw", "betas": [0.5, 0.9]}},
    "scheduler: onecycle": {"scheduler": "onecycle"},
    "scheduler: cosine": {"scheduler": "cosine"},
    "scheduler: step": {"scheduler": {"name": "step", "step_size": 1}},
    "scheduler: restarts": {"scheduler": {"name": "cosine_restarts", "T_0": 2}},
    "warm-up": {"warmup_epochs": 1},
    "accumulation": {"grad_accumulation_steps": 3},
    "clip norm": {"clip_norm": 0.01},
    "clip value": {"clip_value": 0.001},
    "sampler: balanced": {"sampler": "balanced"},
    "freezing: backbone": {"freezing": "backbone"},
    "freezing: head first": {"freezing": "head_first"},
    "freezing: gradual": {"freezing": {"freeze_ratio": 0.7, "unfreeze_epochs": [1]}},
    "freezing: progressive": {"freezing": "progressive"},
    "freezing: low rate": {"freezing": "low_learning_rate"},
    "augment: rotation": {"augment": {"rotation": 20}},
    "augment: mixup": {"augment": {"mixup": {"enabled": True, "prob": 1.0}}},
    "augment: cutmix": {"augment": {"cutmix": {"enabled": True, "prob": 1.0}}},
    "augment: randaugment": {"augment": {"randaugment": {"enabled": True}}},
    "precision: bf16": {"precision": "bf16"},
    "seed": {"seed": 7},
    "batch size": {"batch_size": 8},
    "weight decay": {"weight_decay": 0.5},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_changes_what_is_learned(runs, plain, name):
    got = weights(runs(OPTIONS[name]))
    assert np.isfinite(got).all()
    assert not np.array_equal(got, plain), f"{name} had no effect"


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(
    ("model", "saliency", "why"),
    [
        ("small_cnn", {"layer": "layers.O.1"}, r"layer: 'layers\.O\.1' is not a layer .* similar: .*layers\.0\.1"),
        ("test_resnet", {"method": "rollout"}, "method: rollout requires a timm vision transformer"),
        ("test_vit", {"method": "attention", "layer_idx": 9}, "layer_idx: 9 is outside this network's .* blocks"),
    ],
)
def test_maps_that_the_network_cannot_have_are_told_before_the_training(runs, model, saliency, why, enabled):
    blocks = {"model": {"backbone": model}, "evaluate": {"saliency": {"enabled": enabled, **saliency}}}
    if enabled:
        with pytest.raises(ScantuneError, match=rf"experiments\.small\.evaluate\.saliency\.{why}"):
            runs({}, **blocks)
    elif model == "small_cnn":
        runs({"epochs": 1}, **blocks)


def test_a_frozen_backbone_stays_as_it_was_and_the_head_learns(runs):
    long, short = runs({"freezing": "backbone", "epochs": 2}), runs({"freezing": "backbone", "epochs": 1}, "b")
    one, other = (t.networks[0].state_dict() for t in (long, short))
    for key in one:
        same = np.array_equal(one[key].numpy(), other[key].numpy())
        assert same == key.startswith("backbone."), key


def test_a_plateau_cuts_the_rate(runs, tmp_path):
    runs({"scheduler": {"name": "plateau", "patience": 0, "threshold": 10.0, "factor": 0.1}, "epochs": 3})
    with (tmp_path / "a" / "out" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    rates = [max(float(v) for k, v in row.items() if k.startswith("learning_rate") and v) for row in rows]
    assert rates[-1] < rates[0] * 0.5


def runs_best(folder: Path) -> str:
    """Stem of the checkpoint file of the best epoch."""
    bodies = {path.stem: path.read_bytes()[-4096:] for path in folder.glob("epoch-*.safetensors")}
    best = (folder / "best.safetensors").read_bytes()[-4096:]
    return next((stem for stem, body in bodies.items() if body == best), "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "kept"),
    [
        ("best", 2),
        ("epoch", 2),
        ({"strategy": "interval", "interval": 2}, 2),
        ("all", 2),
        ("adaptive", 2),
        ({"strategy": "performance", "threshold": 0.5}, 2),
        ({"strategy": "time", "milestones": [0.5, 1.0]}, 2),
    ],
)
def test_a_checkpoint_strategy_keeps_what_it_says(runs, tmp_path, strategy, kept):
    spec = {"strategy": strategy} if isinstance(strategy, str) else dict(strategy)
    runs({"epochs": 4, "checkpoints": {**spec, "max_checkpoints": kept}})
    folder = tmp_path / "a" / "out" / "checkpoints"
    epochs = sorted(folder.glob("epoch-*.safetensors"))
    best = runs_best(folder)
    assert 1 <= len([path for path in epochs if path.stem != best]) <= kept, "the best is kept in any case"
    assert (folder / "best.safetensors").exists()
    assert (folder / "last.safetensors").exists()
    assert all(np.isfinite(v).all() for v in load_file(epochs[0]).values())
    summary = json.loads((folder / "checkpoints.json").read_text())
    assert summary


def test_members_differ_and_their_average_is_fitted(runs, tmp_path):
    trained = runs({"members": 2})
    one, other = (network.state_dict()["head.weight"].numpy() for network in trained.networks)
    assert not np.array_equal(one, other)
    assert trained.fitted["conformal"]["n_subjects"] == 32
    for file, axis, points in (("history.csv", "epoch", 2), ("steps.csv", "step", 12)):
        rows = list(csv.DictReader((tmp_path / "a" / "out" / file).open()))
        told = [(row["member"], int(row[axis])) for row in rows]
        assert told == [(f"seed_{seed}", n) for seed in (42, 43) for n in range(1, points + 1)]


def test_folds_hold_out_every_training_subject_once(prepared, tmp_path, monkeypatch, capsys):
    from scantune.pipeline.train import networks
    from scantune.pipeline.train import stage as recipe

    monkeypatch.chdir(prepared)
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    params = write(prepared, {"folds": 2})
    params["datasets"]["digits"]["split"] |= {"folds": 2, "near_duplicate_correlation": 0.8, "near_duplicate_bits": 16}
    import yaml

    (prepared / "params.yaml").write_text(yaml.safe_dump(params))
    from stages import split

    split.run("digits")
    similar = capsys.readouterr().out.partition(" similar (")[2]
    assert similar.count(".png") == 2, "the samples of the first pair are named by their files too"
    assert ".png" not in (prepared / "data/splits/digits/audit.json").read_text(), "outputs have ids alone"
    try:
        plan = recipe.plan_of(parse(params), "small")
        result = list(networks.members_of(plan))
        out = [m.sample_id for member in result for m in member.validation]
        assert len(result) == 2
        assert len(out) == len(set(out)) == 128
        for member in result:
            assert not set(member.train.subjects) & set(member.validation.subjects)
    finally:
        write(prepared, {})
        split.run("digits")


def test_a_training_that_goes_on_does_so_in_the_loggers_runs_and_another_one_has_its_own(
    prepared, tmp_path, monkeypatch
):
    from scantune.engine import loggers
    from scantune.pipeline.train import stage as recipe
    from scantune.pipeline.train.sinks import sinks_of
    from scantune.tracking import Run

    monkeypatch.chdir(prepared)
    for name in ("TensorBoardSink", "WandbSink"):
        monkeypatch.setattr(loggers, name, lambda folder, **options: (folder, options.get("run_id")))
    expected = {"tensorboard": True, "wandb": {"project": "mine"}}
    plan = recipe.plan_of(parse(copy.deepcopy(write(prepared, {"loggers": expected}))), "small")
    began, again, other = (sinks_of(plan, "", Run(), tmp_path / state) for state in ("a", "a", "b"))
    assert began == again
    assert began[0][0].parent == Path("logs/small")
    assert {began[0][0], began[1][1]}.isdisjoint({other[0][0], other[1][1]})


def test_the_sheet_of_augmented_samples_goes_to_mlflow(prepared, tmp_path, monkeypatch):
    from scantune.tracking import Run

    sent: list[tuple[str, str | None]] = []
    monkeypatch.setattr(Run, "artifact", lambda self, path, folder=None: sent.append((path.name, folder)))
    monkeypatch.chdir(prepared)
    train(prepared, tmp_path, {"epochs": 1, "augment": {"rotation": 10}})
    assert ("augmented.png", "monitoring") in sent


@pytest.mark.heavy
def test_loggers_are_shown_augmented_samples_at_the_start_and_answers_with_maps_at_the_end(
    prepared, tmp_path, monkeypatch
):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.chdir(prepared)
    settings = {
        "epochs": 1,
        "augment": {"rotation": 10},
        "loggers": {"tensorboard": True},
        "monitoring": {"pictures": 3},
    }
    train(prepared, tmp_path, settings)
    assert (tmp_path / "out" / "augmented.png").read_bytes()[:4] == b"\x89PNG"
    (folder,) = (prepared / "logs" / "small").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    assert [image.step for image in events.Images("augmented")] == [0]
    assert [image.step for image in events.Images("validation")] == [1]


@pytest.mark.slow
def test_a_training_goes_on_from_any_checkpoint_that_was_kept_with_its_optimizer(prepared, tmp_path, monkeypatch):
    import shutil

    from typer.testing import CliRunner

    from scantune.cli import app

    monkeypatch.chdir(prepared)
    kept = {"strategy": "epoch", "save_optimizer": True, "save_scheduler": True}
    options = {"epochs": 3, "scheduler": "onecycle", "checkpoints": kept}
    whole = train(prepared, tmp_path / "whole", options)
    home = prepared / "outputs" / "small" / "train"
    shutil.copytree(tmp_path / "whole" / "out", home)
    try:
        listed = CliRunner().invoke(app, ["checkpoints", "small"]).output
        assert [line.split()[1] for line in listed.splitlines() if "epoch-" in line] == ["1", "2", "3"]
        assert "resumable" in listed
        assert CliRunner().invoke(app, ["checkpoints", "small", "--best"]).output.strip().endswith("best.safetensors")
        assert "3 kept, best val_loss" in CliRunner().invoke(app, ["checkpoints", "small", "--summary"]).output
        assert "epoch 2" in CliRunner().invoke(app, ["checkpoints", "small", "--continue-from", "2"]).output
        went_on = train(prepared, tmp_path / "went_on", options)
        for name, tensor in whole.networks[0].state_dict().items():
            assert (went_on.networks[0].state_dict()[name] == tensor).all(), name
        assert went_on.results[0].resumed
        assert [row["epoch"] for row in went_on.results[0].history] == [1, 2, 3]
        assert not train(prepared, tmp_path / "anew", options).results[0].resumed  # once, then anew
        assert CliRunner().invoke(app, ["checkpoints", "small", "--continue-from", "9"]).exit_code != 0
    finally:
        shutil.rmtree(prepared / "outputs")
