"""Where the run that ``mlflow run`` opens for a command lies, and its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from scantune.cli import app
from scantune.commands.running import _dataset_of
from scantune.config.load import parse
from scantune.tracking import client
from tests.stages.conftest import grouped_params


@pytest.mark.slow
def test_run_of_predict_is_in_the_experiment_of_the_models_dataset(grouped: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCANTUNE_MLFLOW", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'store.db'}")
    opened = client().create_run("0", run_name="able-pig-228").info.run_id
    monkeypatch.setenv("SCANTUNE_PARENT_RUN_ID", "")  # given back by monkeypatch
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    model, image = grouped / "outputs/small/train/model", next((grouped / "data/demo/digits").rglob("*.png"))
    done = CliRunner().invoke(app, ["predict", str(model), str(image)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    service = client()
    runs = service.search_runs([entry.experiment_id for entry in service.search_experiments()])
    (run,) = [run for run in runs if run.info.run_id != opened]
    assert service.get_run(opened).data.tags["scantune.replaced_by"] == run.info.run_id
    assert service.get_experiment(run.info.experiment_id).name == "digits"
    assert (run.info.run_name, run.info.status) == ("predict small", "FINISHED")


def test_run_of_an_external_evaluation_is_beside_that_of_its_model() -> None:
    assert _dataset_of(parse(grouped_params()), "small_far") == "digits"
