from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scantune import engine
from scantune.engine import trials
from scantune.engine.trials import wandb_sweep, with_params
from scantune.records import ScantuneError
from tests.engine.conftest import ROOT

SPACE: dict[str, Any] = {
    "train.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "train.batch_size": {"low": 4, "high": 32, "step": 4},
    "train.optimizer": {"choices": ["adam", "sgd"]},
}


def _objective(number: int, params: dict[str, Any], report: Any) -> float:
    value = abs(params["train.batch_size"] - 16) + (params["train.optimizer"] == "sgd")
    for epoch in range(3):
        report(epoch, value + 3 - epoch)
    return float(value)


def test_search_finds_the_best_and_repeats(tmp_path: Path) -> None:
    result = engine.search(_objective, SPACE, study_file=tmp_path / "a.journal", n_trials=15, seed=1)
    again = engine.search(_objective, SPACE, study_file=tmp_path / "b.journal", n_trials=15, seed=1)
    assert result == again
    assert result.best_value <= 4
    assert result.completed + result.pruned == 15
    assert result.pruned > 0


def test_search_goes_on_where_it_was(tmp_path: Path) -> None:
    numbers = []

    def counted(number: int, params: dict[str, Any], report: Any) -> float:
        numbers.append(number)
        return _objective(number, params, report)

    whole = engine.search(_objective, SPACE, study_file=tmp_path / "whole", n_trials=12)
    engine.search(counted, SPACE, study_file=tmp_path / "study", n_trials=5)
    result = engine.search(counted, SPACE, study_file=tmp_path / "study", n_trials=12)
    assert numbers == list(range(12))
    assert result == whole


_WORKER = """
import sys, time
sys.path[:0] = [{src!r}, {root!r}]
from pathlib import Path
from scantune import engine
from tests.engine.test_trials import SPACE, _objective
def slow(number, params, report):
    print(number, params["train.batch_size"], flush=True)
    time.sleep({pause})
    return _objective(number, params, report)
engine.search(slow, SPACE, study_file=Path({study!r}), n_trials={n}, prune_after=None)
"""


def _worker(study: Path, pause: float, n: int) -> subprocess.Popen[str]:
    words = {"src": str(ROOT / "src"), "root": str(ROOT), "study": str(study), "pause": pause, "n": n}
    return subprocess.Popen([sys.executable, "-c", _WORKER.format(**words)], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_trial_of_a_killed_process_is_tried_again(tmp_path: Path) -> None:
    killed = _worker(tmp_path / "study", 60, 4)
    assert killed.stdout is not None
    batch = int(killed.stdout.readline().split()[1])
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    tried = []

    def noted(number: int, params: dict[str, Any], report: Any) -> float:
        tried.append(params["train.batch_size"])
        return _objective(number, params, report)

    result = engine.search(noted, SPACE, study_file=tmp_path / "study", n_trials=4, prune_after=None)
    assert tried[0] == batch
    assert (result.completed, result.failed) == (4, 1)


@pytest.mark.parametrize("killed_at", ["objective", "second parameter"])
def test_a_search_that_was_killed_tries_what_it_would_have_tried(
    tmp_path: Path, killed_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[dict[str, Any]] = []
    tried: list[dict[str, Any]] = []

    def into(log: list[dict[str, Any]]) -> Any:
        def objective(number: int, params: dict[str, Any], report: Any) -> float:
            if killed_at == "objective" and log is tried and len(log) == 3 and number == 3:
                raise KeyboardInterrupt
            log.append(params)
            return _objective(number, params, report)

        return objective

    engine.search(into(whole), SPACE, study_file=tmp_path / "whole", n_trials=14, prune_after=None)
    suggest = trials._suggest

    def cut(trial: Any, name: str, range_: Any) -> Any:
        if trial.number == 3 and name == "train.batch_size":
            raise KeyboardInterrupt
        return suggest(trial, name, range_)

    monkeypatch.setattr(trials, "_suggest", cut if killed_at == "second parameter" else suggest)
    with pytest.raises(KeyboardInterrupt):
        engine.search(into(tried), SPACE, study_file=tmp_path / "study", n_trials=14, prune_after=None)
    monkeypatch.setattr(trials, "_suggest", suggest)
    engine.search(into(tried), SPACE, study_file=tmp_path / "study", n_trials=14, prune_after=None)
    assert tried == whole


@pytest.mark.heavy
def test_processes_share_a_study(tmp_path: Path) -> None:
    workers = [_worker(tmp_path / "study", 0.1, 16) for _ in range(3)]
    told = [int(line.split()[0]) for w in workers for line in (w.communicate()[0]).splitlines()]
    assert sorted(told) == sorted(set(told))  # no number twice
    assert 16 <= len(told) <= 18


def test_failing_trials_are_raised_where_none_went_well(tmp_path: Path) -> None:
    def broken(number: int, params: dict[str, Any], report: Any) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        engine.search(broken, SPACE, study_file=tmp_path / "study", n_trials=3)


def test_a_trial_whose_metric_is_undefined_fails_and_others_follow(tmp_path: Path) -> None:
    tried = []

    def objective(number: int, params: dict[str, Any], report: Any) -> float:
        tried.append(params)
        return math.nan if len(tried) == 2 else params["train.learning_rate"]

    result = engine.search(objective, SPACE, study_file=tmp_path / "a", n_trials=3, mode="min", seed=1)
    assert (result.completed, result.failed) == (3, 1)
    assert len({str(params) for params in tried}) == 4
    with pytest.raises(ScantuneError, match="trial 0: the metric of the search is undefined in every epoch"):
        engine.search(lambda *_: math.nan, SPACE, study_file=tmp_path / "b", n_trials=3, mode="min", seed=1)


def test_ranges_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScantuneError, match=r"search\.space\.lr.*needs low < high"):
        engine.search(_objective, {"lr": {"low": 2, "high": 1}}, study_file=tmp_path / "s")
    engine.search(_objective, SPACE, study_file=tmp_path / "s", n_trials=1)
    with pytest.raises(ScantuneError, match="is to minimize"):
        engine.search(_objective, SPACE, study_file=tmp_path / "s", n_trials=1, mode="max")


def test_best_params_become_a_block_to_train() -> None:
    block = {"dataset": "loes", "train": {"optimizer": "adamw", "epochs": 3}}
    made = with_params(block, {"train.learning_rate": 0.01, "train.optimizer.momentum": 0.8})
    assert made["train"] == {"optimizer": {"name": "adamw", "momentum": 0.8}, "epochs": 3, "learning_rate": 0.01}
    assert block["train"] == {"optimizer": "adamw", "epochs": 3}


def test_best_params_below_a_shorthand_or_a_preset_keep_what_it_stands_for() -> None:
    from scantune.config.train import TrainConfig

    train = {"preset": "csi", "checkpoints": "all", "swa": 0.5, "early_stopping": True, "freezing": "gradual"}
    full = {"train": TrainConfig.model_validate(train).model_dump(mode="json", exclude_unset=True)}
    found = {"swa.learning_rate": 0.1, "early_stopping.patience": 3, "scheduler.factor": 0.2, "checkpoints.interval": 2}
    found |= {"freezing.backbone_factor": 0.5}
    made = with_params({"train": train}, {f"train.{name}": value for name, value in found.items()}, full)["train"]
    assert made["swa"] == {"start": 0.5, "learning_rate": 0.1}
    assert made["early_stopping"] == {"enabled": True, "patience": 3}
    assert made["scheduler"] == {"name": "plateau", "factor": 0.2}
    assert made["checkpoints"] == {"strategy": "all", "interval": 2}
    assert made["freezing"] == {"freeze_ratio": 0.7, "unfreeze_epochs": "quarters", "backbone_factor": 0.5}
    assert with_params({"train": {"early_stopping": False}}, {"train.early_stopping.patience": 3}, full) == {
        "train": {"early_stopping": {"patience": 3}}
    }


def test_wandb_sweep_has_the_same_space() -> None:
    made = wandb_sweep(SPACE, program="stages/train.py", monitor="val_loss", mode="min", n_trials=7)
    assert made["metric"] == {"name": "val_loss", "goal": "minimize"}
    assert made["run_cap"] == 7
    assert made["parameters"]["train.learning_rate"]["distribution"] == "log_uniform_values"
    assert made["parameters"]["train.batch_size"] == {"distribution": "q_uniform", "q": 4, "min": 4, "max": 32}
    assert made["parameters"]["train.optimizer"] == {"values": ["adam", "sgd"]}
    space = {"a": {"low": 8, "high": 128, "log": True}, "b": {"low": 8, "high": 41, "step": 16}}
    more = wandb_sweep(space, program="", monitor="val_loss", mode="min", n_trials=1)["parameters"]
    assert more["a"] == {"distribution": "q_log_uniform_values", "q": 1, "min": 8, "max": 128}
    assert more["b"] == {"values": [8, 24, 40]}  # as the search itself counts them
