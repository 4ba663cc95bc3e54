"""Search, sweep, show: commands on an experiment whose cohort is prepared."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from typer.testing import CliRunner

from scantune import engine
from scantune.cli import app
from scantune.commands import project
from scantune.config.reading import ConfigError
from scantune.engine import distributed
from scantune.pipeline.trials import search as searching
from scantune.records import ScantuneError
from tests.stages.conftest import run_stages

pytestmark = pytest.mark.slow


@pytest.fixture
def home(grouped, tmp_path, monkeypatch):
    for name in ("data", "params.yaml"):
        source = grouped / name
        shutil.copytree(source, tmp_path / name) if source.is_dir() else shutil.copy2(source, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    return tmp_path


def call(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_a_search_goes_on_where_it_stopped_and_writes_the_best_as_a_block(home):
    assert "1 complete" in call("search", "small", "--n-trials", 1)
    path = home / ".scantune" / "search" / "small" / "best_params.yaml"
    (path.parent / "trial-killed" / "out").mkdir(parents=True)  # while its folder was removed, its lock first
    text = call("search", "small")
    assert "3 complete" in text
    assert text.count("trial ") == 2, "two more, to the three of search.n_trials"
    block = yaml.safe_load(path.read_text())["small_best"]
    assert 1e-3 <= block["train"]["learning_rate"] <= 1e-2
    assert block["train"]["batch_size"] in (16, 32)
    assert "search" not in block
    assert not list(path.parent.glob("trial-*")), "no trial leaves its folder"
    assert not (home / ".scantune" / "looks.json").exists(), "the test set is not looked at"
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["experiments"]["small_best"] = block
    from scantune.config.load import parse

    assert parse(params).experiments["small_best"].train.learning_rate == block["train"]["learning_rate"]


def with_space(space: dict, **train: object) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["experiments"]["small"]["search"]["space"] = space
    params["experiments"]["small"]["train"] |= train
    Path("params.yaml").write_text(yaml.safe_dump(params))


@pytest.mark.parametrize(
    ("space", "why"),
    [
        ({"train.optimizer": ["adam", "adan"]}, "space.train.optimizer: .*'adan' is not one of 'adam', 'adamw'"),
        ({"train.batch_size": {"low": 8, "high": 16}}, "space.train.batch_size: .*input should be a valid integer"),
        ({"train.loss": ["focal", "cross_entropy"]}, "space.train.loss: .* set experiments.small.train.monitor to ano"),
        ({"train.monitor": ["val_loss", "val_auroc"]}, "space.train.monitor: trials are compared by val_loss on one"),
        ({"evaluate.draws": [200, 300]}, "space.evaluate.draws: a trial trains one network .* without using this"),
        ({"train.members": [1, 2]}, "space.train.members: a trial trains one network"),
    ],
)
def test_a_space_whose_trials_are_invalid_or_alike_or_not_comparable_is_refused_before_the_first(home, space, why):
    with_space(space)
    with pytest.raises(ConfigError, match=f"experiments.small.search.{why}"):
        searching.searched("small")


@pytest.mark.parametrize(
    ("train", "name"),
    [
        ({"early_stopping": False}, "early_stopping.patience"),
        ({"early_stopping": {"enabled": False}}, "early_stopping.patience"),
        ({"augment": {"mixup": False, "noise": 0.1}}, "augment.mixup.alpha"),
    ],
)
def test_a_space_below_what_is_switched_off_is_refused_unless_it_switches_it_on(home, train, name):
    with_space({f"train.{name}": [1, 3]}, **train)
    off = name.rpartition(".")[0]
    with pytest.raises(ConfigError, match=rf"space\.train\.{name}: experiments\.small\.train\.{off} is switched off"):
        searching.searched("small")
    with_space({f"train.{name}": [1, 3], f"train.{off}.enabled": [True]}, **train)
    experiment = searching.searched("small")
    block = experiment.with_params({f"train.{name}": 3, f"train.{off}.enabled": True})
    part = block["train"]
    for key in name.split("."):
        part = part[key]
    assert part == 3


def test_a_space_that_only_its_metric_makes_comparable_and_a_backbone_that_others_build_on_are_taken(home):
    with_space({"train.loss": ["focal", "cross_entropy"], "model.backbone": ["custom_1"]}, monitor="val_accuracy")
    assert "small" in yaml.safe_load(Path("params.yaml").read_text())["derived"]["tuned"]["from"]
    searching.searched("small")


def test_trials_with_other_settings_are_not_compared(home):
    call("search", "small", "--n-trials", 1)
    with_space({"train.learning_rate": {"low": 1e-3, "high": 2e-2, "log": True}, "train.batch_size": [16, 32]})
    call("search", "small", "--n-trials", 1)  # a wider span takes nothing from the trials there are
    with_space({"train.learning_rate": {"low": 1e-3, "high": 1e-2}, "train.batch_size": [16, 64]}, epochs=3)
    why = r"search.small: its trials .* train.epochs was 1 and is 3; .*batch_size was \[16, 32\] and is \[16, 64\]"
    with pytest.raises(ScantuneError, match=why):
        call("search", "small", "--n-trials", 2)


def test_trials_on_another_split_are_not_compared(home):
    call("search", "small", "--n-trials", 1)
    path = Path("data/splits/digits/splits.csv")
    before = path.read_text()
    lines = before.splitlines()
    moved = next(number for number, line in enumerate(lines) if ",validation" in line)
    path.unlink()
    path.write_text(
        "\n".join([*lines[:moved], lines[moved].replace(",validation", ",train"), *lines[moved + 1 :]]) + "\n"
    )
    with pytest.raises(ScantuneError, match=r"trials had other settings.*data\.train was .* data\.validation was"):
        call("search", "small", "--n-trials", 2)
    path.write_text(before)
    assert "2 complete" in call("search", "small", "--n-trials", 2)


def test_training_with_what_was_found_changes_those_keys_alone(home, monkeypatch):
    block = yaml.safe_load(Path("params.yaml").read_text())["experiments"]["small"]
    del block["search"]
    block["train"] |= {"learning_rate": 0.0042, "optimizer": {"name": "sgd", "nesterov": True}}
    Path("best.yaml").write_text(yaml.safe_dump({"small_best": block}))
    seen: list[object] = []
    monkeypatch.setattr(project, "run_dvc", lambda *arguments: seen.append(arguments) or 0)
    call("search", "small", "--train-best", "--from", "best.yaml")
    train = yaml.safe_load(Path("params.yaml").read_text())["experiments"]["small"]["train"]
    assert train["learning_rate"] == 0.0042
    assert train["optimizer"] == {"name": "sgd", "nesterov": True}
    assert seen == [(["repro", "register@small"],)]
    with pytest.raises(ScantuneError, match="run: scantune search other"):
        call("search", "other", "--train-best")


def test_a_trial_that_is_worse_is_stopped_early(home):
    search = searching.searched("small")
    told: list[tuple[int, float]] = []

    class Enough(Exception):
        pass

    def report(epoch: int, value: float) -> None:
        told.append((epoch, value))
        if epoch == 2:
            raise Enough

    from scantune.tracking import Run

    search.folder.mkdir(parents=True)
    with pytest.raises(Enough):
        searching._one_trial(search, "small 0", {"train.epochs": 4}, Run(), report)
    assert [epoch for epoch, _ in told] == [1, 2], "two of four epochs were trained"
    assert all(value == value for _, value in told)


@pytest.mark.heavy
def test_trials_are_runs_below_the_search_in_mlflow_whatever_the_number_of_starts(home, monkeypatch):
    from scantune import tracking

    monkeypatch.delenv("SCANTUNE_MLFLOW")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (home / "dvc.yaml").write_text("stages: {}\n")
    call("search", "small", "--n-trials", 1)
    call("search", "small", "--n-trials", 3)
    service = tracking.client()
    runs = service.search_runs([e.experiment_id for e in service.search_experiments()])
    (whole,) = [run for run in runs if run.data.tags["scantune.stage"] == "search"]
    trials = [run for run in runs if run.data.tags["scantune.stage"] == "trial"]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {whole.info.run_id}
    assert whole.data.metrics["trials"] == len(trials) == 3
    assert whole.data.metrics["best_value"] == min(run.data.metrics["best_val_loss"] for run in trials)
    best = min(trials, key=lambda run: run.data.metrics["best_val_loss"])
    assert whole.data.tags["best.train.learning_rate"] == best.data.params["train.learning_rate"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(service.get_metric_history(best.info.run_id, "val_loss")) == 1  # of one epoch


def test_each_trial_is_a_run_in_weights_and_biases_where_that_is_asked_for(home, monkeypatch):
    from scantune.engine import loggers

    began: list[tuple[str, str]] = []
    points: list[object] = []

    def sink(folder, **options):
        began.append((options["project"], options["run_id"]))
        return SimpleNamespace(name="wandb", metrics=points.extend)

    monkeypatch.setattr(loggers, "WandbSink", sink)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["experiments"]["small"]["train"]["loggers"] = {"wandb": {"project": "mine"}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    call("search", "small", "--n-trials", 2)
    assert [project for project, _ in began] == ["mine", "mine"]
    assert len({run for _, run in began}) == 2
    assert any("val_loss" in values for _, values in points)


def test_a_space_that_cannot_be_is_refused_before_anything_runs(home):
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["experiments"]["small"]["search"]["space"] = {"train.learning_rat": [0.1]}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ScantuneError, match="learning_rat: unknown key; did you mean 'learning_rate'"):
        call("search", "small")
    with pytest.raises(ScantuneError, match=r"'smal' is not in experiments or derived of .*; did you mean 'small'"):
        call("search", "smal")
    params["experiments"]["small"]["search"]["space"] = {"train.learning_rate": {"low": 2, "high": 1}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ScantuneError, match="low 2 is not below high 1"):
        call("search", "small")


def test_the_same_space_as_a_sweep_whose_agents_run_a_trial(home):
    call("search", "small", "--sweep", "sweep.yaml", "--n-trials", 9)
    content = yaml.safe_load(Path("sweep.yaml").read_text())
    assert content["run_cap"] == 9
    assert content["metric"] == {"name": "val_loss", "goal": "minimize"}
    assert content["parameters"]["train.batch_size"] == {"values": [16, 32]}
    at = content["command"].index("scantune.cli")
    agent = [part for part in content["command"][at + 1 :] if part != "${args}"]
    assert "best val_loss: " in call(*agent, "--train.learning_rate=5e-3", "--train.batch_size=32")
    with pytest.raises(ScantuneError, match=r"write --key\.path=value"):
        call(*agent, "--learning_rate=5e-3")


def test_show_prints_the_network_and_draws_the_images_as_loaded(home, monkeypatch):
    fit, measured = engine.fit, []
    monkeypatch.setattr(engine, "fit", lambda *parts, **named: measured.append(fit(*parts, **named)))
    monkeypatch.setattr(distributed, "_has_bf16", lambda device: True)
    text = call("show", "tuned", "-n", 4, "--measure")
    assert "tensors of 1 × 16 × 16" in text
    rows = {line.split()[0]: line for line in text.splitlines() if line.startswith("  ")}
    assert rows["head"].split()[1:3] == ["Linear", "3"], "three classes"
    total = int(next(line for line in text.splitlines() if " weights in " in line).split()[0].replace(",", ""))
    parts = sum(int(rows[name].split()[-1].replace(",", "")) for name in ("backbone", "head"))
    assert total == parts
    sheet = home / ".scantune" / "show" / "tuned" / "images.png"
    assert sheet.read_bytes()[:4] == b"\x89PNG"
    line = next(line for line in text.splitlines() if line.startswith("training: "))
    assert re.search(r"[\d.]+ s a step, \d+ steps? an epoch, 1 epoch: about .*; [\d.]+ GiB of memory on", line), line
    assert not (home / "outputs" / "tuned" / "train" / "history.json").exists()
    assert [result.precision for result in measured] == ["32-true"], "that of its train block"


def test_each_setting_of_a_trial_is_printed_with_its_key():
    settings = {"train.learning_rate": 0.0035, "train.batch_size": 16, "train.optimizer": "adam"}
    assert searching._short(settings) == "learning_rate 0.0035, batch_size 16, optimizer adam"


def test_a_search_keeps_its_study_in_one_file(home):
    call("search", "small", "--n-trials", 1)
    lines = (home / ".scantune" / "search" / "small" / "study.journal").read_text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_a_learning_rate_is_suggested_and_nothing_changes(home):
    before = Path("params.yaml").read_bytes()
    text = call("find-learning-rate", "small", "--lowest", 1e-4, "--steps", 12)
    folder = home / ".scantune" / "learning_rate" / "small"
    suggestion = json.loads((folder / "learning_rate.json").read_text())["suggestion"]
    assert ("no suggestion" in text) if suggestion is None else (f"--learning-rate {suggestion:.2g}" in text)
    assert {path.suffix for path in folder.iterdir()} == {".png", ".svg", ".csv", ".json"}
    assert Path("params.yaml").read_bytes() == before
    assert not Path("outputs").exists()


def test_the_finder_before_a_training_leaves_its_weights_as_they_were(home, grouped, capsys):
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["experiments"]["other"]["train"]["find_learning_rate"] = True
    Path("params.yaml").write_text(yaml.safe_dump(params))
    run_stages(home, "train other")
    assert "other: " in capsys.readouterr().out
    for name in ("best.safetensors", "last.safetensors"):
        trained = Path("outputs/other/train/checkpoints") / name
        assert trained.read_bytes() == (grouped / trained).read_bytes()


def test_members_with_averaged_weights_are_the_model_that_is_served(home):
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["experiments"]["other"]["train"] |= {"ema": 0.5, "members": 2}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    run_stages(home, "train other")
    from safetensors.numpy import load_file

    model = [load_file(path) for path in sorted(Path("outputs/other/train/model").glob("member_*/weights.safetensors"))]
    for seed, served in zip((7, 8), model, strict=True):
        best = load_file(Path(f"outputs/other/train/checkpoints/seed_{seed}/best.safetensors"))
        assert all((served[name] == best[name]).all() for name in best)
