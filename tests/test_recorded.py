"""A setting that is changed while its stage runs is never recorded as the one that the result was made with."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

from scantune import script
from scantune.recorded import declared_settings, refuse_changed
from scantune.records import ScantuneError
from tests.stages.conftest import ROOT


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stages/train.py"])
    Path("dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    write()
    return tmp_path


def write(epochs: int = 3, dropout: float = 0.0, other: int = 1, saliency: bool = True) -> None:
    def block(n: int) -> dict:
        return {"dataset": "d", "input": "d", "task": {"name": "zones"}, "model": {"dropout": dropout},
                "train": {"epochs": n}, "evaluate": {"saliency": saliency}}  # fmt: skip

    content = {"experiments": {"lungs": block(epochs), "other": block(other)}, "datasets": {"d": {"root": "x"}}}
    Path("params.yaml").write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("stage", "keys", "message"),
    [
        ("train@lungs", {"epochs": 5}, r"experiments\.lungs\.train\.epochs is 5 where this ran with 3"),
        ("train@lungs", {"dropout": 0.5}, r"experiments\.lungs\.model\.dropout is 0\.5 where this ran with 0\.0"),
        ("evaluate@lungs", {"saliency": False}, r"experiments\.lungs\.evaluate\.saliency is False where .* True"),
        ("train@lungs", {"other": 9}, ""),  # another experiment, as one prepares the next while one runs
        ("train@lungs", {"saliency": False}, ""),  # of a later stage, which has not read it yet
        ("evaluate@lungs", {"epochs": 5}, ""),
        ("", {"epochs": 5}, ""),  # not by DVC, which records nothing
    ],
)
def test_a_setting_of_the_stage_that_changes_while_it_runs_fails_it(home, monkeypatch, capsys, stage, keys, message):
    monkeypatch.setenv("DVC_STAGE", stage)
    monkeypatch.setattr(sys, "argv", ["stages/train.py", *([] if stage else ["lungs"])])
    if not message:
        script.stage_main(lambda key: write(**keys))
        return
    with pytest.raises(SystemExit) as ended:
        script.stage_main(lambda key: write(**keys))
    assert ended.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_params_that_change_while_they_are_checked_are_checked_again(home, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["stages/settings.py"])
    script.settings_main(lambda: None)
    with pytest.raises(SystemExit) as ended:
        script.settings_main(lambda: write(epochs=5))
    assert ended.value.code == 2
    assert "params.yaml was changed while it was read: run the same command again" in capsys.readouterr().err


def test_a_block_that_is_removed_while_it_runs_is_told(home, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "train@lungs")
    before = declared_settings()
    Path("params.yaml").write_text("experiments: {}\n")
    with pytest.raises(ScantuneError, match=r"experiments\.lungs\.train is 'nothing' where this ran with"):
        refuse_changed(before)
