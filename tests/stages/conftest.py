"""A small project of its own: the repository's stages and pipeline on a few digits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def experiment(backbone: str, **train: object) -> dict:
    return {
        "dataset": "digits",
        "input": "digits",
        "task": {"name": "classification", "target": "label"},
        "model": {"backbone": backbone},
        "train": {"epochs": 2, "batch_size": 32, "learning_rate": 0.003, "precision": "32", **train},
        "evaluate": {"draws": 200},
        "register": {},
    }


def digits_params(n: int = 240) -> dict:
    split = {"method": "stratified", "on": "label", "fractions": [0.6, 0.2, 0.2], "seed": 42}
    return {
        "quick": ["register@small"],
        "tracking": {"enabled": True, "require": True},
        "demo": {"digits": {"cohort": "digits", "seed": 0, "options": {"n": n}}},
        "datasets": {
            "digits": {
                "root": "data/demo/digits",
                "watch": "data/demo/digits",
                "table": "cohort.csv",
                "files": "{file}",
                "sample": "{sample_id}",
                "targets": {"label": "label"},
                "split": split,
            }
        },
        "inputs": {"digits": {"dataset": "digits", "modality": "image", "size": [16, 16], "workers": 1}},
        "experiments": {"small": experiment("small_cnn"), "other": experiment("custom_1")},
        "derived": {},
        "external": {},
        "ensembles": {},
    }


@dataclass
class Project:
    """A folder with the pipeline in it, and the commands that a user types there."""

    home: Path

    @property
    def env(self) -> dict[str, str]:
        held = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "SCANTUNE"))}
        held["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), held["PATH"]])
        held |= {"PYTHONPATH": str(self.home / "src"), "OMP_NUM_THREADS": "2", "MLFLOW_DISABLE_TELEMETRY": "true"}
        held |= {"DVC_NO_ANALYTICS": "true", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "HOME": str(self.home)}
        held |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        held["DVC_SITE_CACHE_DIR"] = str(self.home / ".site")
        return held

    def run(self, *command: str, check: bool = True, **env: str) -> str:
        done = subprocess.run(command, cwd=self.home, env=self.env | env, capture_output=True, text=True)
        text = done.stdout + done.stderr
        assert not check or done.returncode == 0, text
        return text

    def python(self, *arguments: str, **kwargs: object) -> str:
        return self.run(sys.executable, *arguments, **kwargs)  # type: ignore[arg-type]

    def dvc(self, *arguments: str, **kwargs: object) -> str:
        return self.python("-m", "dvc", *arguments, **kwargs)

    def params(self) -> dict:
        return yaml.safe_load((self.home / "params.yaml").read_text())

    def write(self, params: dict) -> None:
        (self.home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def make_project(home: Path, params: dict) -> Project:
    """The repository's code and pipeline in ``home``, under git, with ``params``."""
    home.mkdir(parents=True, exist_ok=True)
    skipped = shutil.ignore_patterns("__pycache__", "*.pyc")
    for folder in ("src", "stages", ".dvc"):
        ignore = skipped if folder != ".dvc" else shutil.ignore_patterns("cache", "tmp", "config.local")
        shutil.copytree(ROOT / folder, home / folder, ignore=ignore)
    for file in ("dvc.yaml", ".dvcignore", ".gitignore", "MLproject", "python_env.yaml", "requirements.txt"):
        shutil.copy2(ROOT / file, home / file)
    project = Project(home)
    project.write(params)
    project.run("git", "init", "-q")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "start")
    return project


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which ``dvc repro`` ran once."""
    project = make_project(tmp_path_factory.mktemp("pipeline") / "project", digits_params())
    project.dvc("repro")
    return project
