"""``scantune checkpoints``: which epoch the next training resumes from, of every network or of none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from scantune.cli import app
from scantune.pipeline.train import resume_request
from scantune.records import ScantuneError
from tests.stages.conftest import grouped_params


def trained(key: str, epochs: dict[str, list[int]], *, resumable: bool = True) -> None:
    """The folder of a training with checkpoints of some epochs, by network."""
    home = Path("outputs") / key / "train"
    for member, kept in epochs.items():
        folder = home / "checkpoints" / member
        folder.mkdir(parents=True)
        rows = [{"epoch": epoch, "step": epoch, "value": 0.5, "file": f"epoch-{epoch}.safetensors"} for epoch in kept]
        for row in rows:
            (folder / row["file"]).write_text(member)
            if resumable:
                (folder / row["file"]).with_suffix(".pt").write_text("")
        summary = {"strategy": "all", "monitor": "val_loss", "mode": "min", "best": rows[0], "checkpoints": rows}
        (folder / "checkpoints.json").write_text(json.dumps(summary))
    history = {"epochs": [{"epoch": 1}, {"epoch": 2}], "steps": [{"epoch": 1, "step": 1}, {"epoch": 2, "step": 2}]}
    (home / "history.json").write_text(json.dumps({**history, "members": dict.fromkeys(epochs, history)}))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(grouped_params(), sort_keys=False))
    Path("dvc.yaml").write_text("stages: {}\n")


def call(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["checkpoints", *arguments])
    if isinstance(done.exception, ScantuneError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("name, stage", [("small", "train"), ("tuned", "train-derived")])
def test_the_command_that_is_named_is_one_of_dvcs_stages(name: str, stage: str) -> None:
    trained(name, {"": [1, 2]})
    assert f"dvc repro --force {stage}@{name}" in call(name, "--continue-from", "2")
    assert resume_request.requested_weights(name, "").name == "epoch-2.safetensors"


def test_a_choice_waits_for_the_project_s_own_training_and_is_withdrawn_by_0(monkeypatch: pytest.MonkeyPatch) -> None:
    trained("small", {"": [1, 2]})
    call("small", "--continue-from", "2")
    project, copy = Path.cwd(), Path(".dvc/tmp/variants/small-epochs=9/project")
    copy.mkdir(parents=True)
    (copy / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(copy)
    assert resume_request.requested_weights("small", "") is None
    resume_request.done("small")
    monkeypatch.chdir(project)
    assert resume_request.requested_weights("small", "").name == "epoch-2.safetensors"
    assert "from the beginning" in call("small", "--continue-from", "0")
    assert resume_request.requested_weights("small", "") is None


@pytest.mark.parametrize("options", [(), ("--continue-from", "2")])
def test_without_a_training_that_is_told(options: tuple[str, ...]) -> None:
    with pytest.raises(ScantuneError, match=r"small/train/checkpoints: no checkpoints .*run --experiment small"):
        call("small", *options)
    with pytest.raises(ScantuneError, match=r"'smal' is not in .*did you mean 'small'"):
        call("smal", *options)


def test_a_choice_that_was_killed_half_way_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    trained("small", {"seed_1": [1, 2], "seed_2": [1, 2]})
    copy = shutil.copy2

    def killed(source: Path, target: Path) -> None:
        if "seed_2" in str(source):
            raise KeyboardInterrupt
        copy(source, target)

    monkeypatch.setattr(shutil, "copy2", killed)
    with pytest.raises(KeyboardInterrupt):
        resume_request.resume_from_epoch("small", 2)
    monkeypatch.setattr(shutil, "copy2", copy)
    assert [resume_request.requested_weights("small", member) for member in ("seed_1", "seed_2")] == [None] * 2
    call("small", "--continue-from", "2")
    weights = [resume_request.requested_weights("small", member) for member in ("seed_1", "seed_2")]
    assert [path and path.name for path in weights] == ["epoch-2.safetensors"] * 2


@pytest.mark.parametrize("epoch", ["0", "1"])
def test_an_interrupted_training_that_goes_before_a_choice_is_told(epoch: str) -> None:
    trained("small", {"": [1, 2]})
    assert "interrupted" not in call("small", "--continue-from", epoch)
    state = Path(".scantune/state") / f"small-{'0' * 20}"
    (state / "member/state").mkdir(parents=True)
    (state / "member/state/state.pt").write_text("")
    assert f"remove {state}" in call("small", "--continue-from", epoch)


def test_an_epoch_that_one_network_lacks_changes_nothing() -> None:
    trained("small", {"seed_1": [1, 2], "seed_2": [1]})
    call("small", "--continue-from", "1")
    with pytest.raises(ScantuneError, match="seed_2: epoch 2 has no checkpoint; known: 1"):
        call("small", "--continue-from", "2")
    weights = [resume_request.requested_weights("small", member) for member in ("seed_1", "seed_2")]
    assert [path and path.name for path in weights] == ["epoch-1.safetensors"] * 2
