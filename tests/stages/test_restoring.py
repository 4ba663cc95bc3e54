"""``scantune restore`` on ensembles and external evaluations."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scantune.cli import app
from scantune.records import ScantuneError
from scantune.tracking import client

FORMER = {"small": "1" * 32, "other": "2" * 32, "both": "3" * 32, "small_far": "4" * 32}


@pytest.fixture
def pulled(grouped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the outputs of runs of another MLflow store, and an empty store."""
    home = tmp_path / "clone"
    shutil.copytree(grouped, home, symlinks=True)
    folders = {
        "small": "outputs/small/train",
        "other": "outputs/other/train",
        "both": "ensembles/both/train",
        "small_far": "outputs/external/small_far",
    }
    for name, folder in folders.items():
        (home / folder / "run.json").write_text(json.dumps({"run_id": FORMER[name], "model_id": f"m-{name}"}))
    decided = {"name": "digits", "version": "7", "alias": "champion", "promoted": True, "reason": "the first"}
    (home / "ensembles/both/register").mkdir()
    (home / "ensembles/both/register/registration.json").write_text(json.dumps(decided))
    monkeypatch.chdir(home)
    monkeypatch.delenv("SCANTUNE_MLFLOW", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'empty.db'}")
    return home


def _typed(*names: str) -> str:
    return CliRunner().invoke(app, ["restore", *names], catch_exceptions=False).output


@pytest.mark.filterwarnings("ignore:.*type hint")
@pytest.mark.slow
def test_ensemble_and_external_evaluation_are_logged_and_registered_again(pulled: Path) -> None:
    before = {path: path.read_bytes() for path in pulled.rglob("*.json")}
    text = _typed("small", "both", "small_far")
    assert "both: model, evaluation logged; digits version 1 registered, with the alias 'champion'" in text
    assert "small_far: external evaluation logged" in text
    assert {path: path.read_bytes() for path in before} == before, "outputs stay as they are"

    service = client()
    result = service.search_runs([entry.experiment_id for entry in service.search_experiments()])
    runs = {run.info.run_name: run for run in result}
    assert set(runs) == {
        *("train small", "evaluate small", "external small_far"),
        *("ensemble both", "evaluate both", "register both"),
    }
    assert runs["ensemble both"].data.params["members"] == "small,other"
    assert runs["ensemble both"].data.tags["scantune.restored_run"] == FORMER["both"]
    assert 0 <= runs["evaluate both"].data.metrics["test_accuracy"] <= 1
    assert runs["external small_far"].data.tags["mlflow.parentRunId"] == runs["train small"].info.run_id
    assert 0 <= runs["train small"].data.metrics["external_far_accuracy"] <= 1
    champion = service.get_model_version_by_alias("digits", "champion")
    assert champion.tags["scantune.train_run"] == runs["ensemble both"].info.run_id

    assert _typed("both", "small_far").splitlines() == ["both: MLflow has it", "small_far: MLflow has it"]


def test_name_that_is_not_in_params_is_told(pulled: Path) -> None:
    with pytest.raises(ScantuneError, match=r"^'bot' is not in .* of params.yaml; did you mean 'both'[?]"):
        _typed("bot")
