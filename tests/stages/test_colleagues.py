"""A colleague's clone: ``dvc pull`` brings the outputs, nothing runs again, and the models are registered there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from tests.stages.conftest import ROOT, Project

ASK = """
import json
from scantune.tracking import client
service = client()
runs = service.search_runs([e.experiment_id for e in service.search_experiments()])
print(json.dumps({
    "stages": sorted(r.data.tags.get("scantune.stage", "") for r in runs),
    "metrics": sorted({name for r in runs for name in r.data.metrics}),
    "champion": service.get_model_version_by_alias("digits", "champion").tags["scantune.model_id"],
    "models": sorted(v.tags["scantune.model_id"] for v in service.search_model_versions("name='digits'")),
}))
"""


@pytest.fixture(scope="module")
def clone(ran: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone of the project that ran, with its ``dvc.lock``, and what ``dvc pull`` brings."""
    folder = tmp_path_factory.mktemp("colleague")
    ran.dvc("remote", "add", "--local", "--default", "--force", "shared", str(folder / "remote"))
    ran.dvc("push")
    ran.run("git", "clone", "-q", str(ran.home), str(folder / "clone"))
    clone = Project(folder / "clone")
    shutil.copy2(ran.home / "dvc.lock", clone.home)
    shutil.copy2(ran.home / "params.yaml", clone.home)
    clone.dvc("remote", "add", "--local", "--default", "shared", str(folder / "remote"))
    clone.dvc("pull")
    return clone


def _mlflow_state(project: Project) -> dict:
    return json.loads(project.python("-c", ASK).splitlines()[-1])


@pytest.mark.slow
def test_nothing_runs_in_the_clone(clone):
    assert "Running stage" not in clone.dvc("repro")
    assert not (clone.home / "mlflow.db").exists()


@pytest.mark.heavy
def test_a_store_that_does_not_know_the_training_is_told_in_a_line_and_restored_by_a_command(clone, ran):
    params = clone.params()
    params["experiments"]["small"]["evaluate"]["draws"] = 250
    clone.write(params)
    message = clone.dvc("repro", "register@small", check=False)
    assert "MLflow does not know the training of small (outputs/small/train/run.json names run " in message
    assert "'scantune restore small' logs it again" in message
    assert "Traceback" not in message
    clone.write(ran.params())
    clone.dvc("checkout")

    message = clone.python("-m", "scantune.cli", "restore")
    assert "small: training and model, evaluation logged; digits version" in message
    assert "small: MLflow has it" in clone.python("-m", "scantune.cli", "restore", "small")
    assert set(re.findall(r"Running stage '([^']+)'", clone.dvc("repro"))) <= {"settings"}  # params.yaml was written
    there, here = _mlflow_state(ran), _mlflow_state(clone)
    assert here["stages"] == ["evaluate", "evaluate", "register", "register", "train", "train"]
    assert len(here["models"]) == len(there["models"])
    assert set(here["metrics"]) >= {"val_loss", "test_accuracy", "validation_accuracy"}

    clone.write(params)
    clone.dvc("repro", "register@small")
    assert _mlflow_state(clone)["stages"].count("register") == 3
    assert _mlflow_state(clone)["champion"] in here["models"]


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("data/README.md", False),
        ("data/raw/study.dvc", False),
        ("data/raw/study", True),
        ("data/raw/study/scan.nii.gz", True),
        ("data/cache/digits", True),
        ("outputs/digits", True),
    ],
)
def test_git_has_the_readme_of_data_and_what_dvc_knows_of_raw_files_alone(path, ignored):
    completed = subprocess.run(["git", "check-ignore", "-q", "--no-index", path], cwd=ROOT, check=False)
    assert (completed.returncode == 0) is ignored
