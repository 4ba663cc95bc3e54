"""A small project of its own: the repository's stages and pipeline on a few digits."""

from __future__ import annotations

import atexit
import base64
import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from scantune.plots import style
from tests.forking import Forks

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
    experiments = {"small": experiment("small_cnn"), "other": experiment("custom_1")}
    experiments["small"]["evaluate"] |= {"saliency": {"samples": 1}}
    experiments["other"]["evaluate"] |= {"saliency": False}
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
        "inputs": {"digits": {"dataset": "digits", "modality": "image", "shape": [16, 16], "workers": 1}},
        "experiments": experiments,
        "derived": {},
        "external": {},
        "ensembles": {},
    }


@functools.cache
def forks() -> Forks:
    """The process of which ``python`` is a fork, started when it is first asked for and ended with this one."""
    started = Forks()
    atexit.register(started.close)
    return started


@dataclass
class Project:
    """A folder with the pipeline in it, and the commands that a user types there.

    ``python`` and ``dvc`` run in forks of a process that has the libraries loaded; ``run`` starts a program.
    """

    home: Path

    @property
    def env(self) -> dict[str, str]:
        values = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "SCANTUNE"))}
        values["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), values["PATH"]])
        values |= {"PYTHONPATH": str(self.home / "src"), "OMP_NUM_THREADS": "2", "MLFLOW_DISABLE_TELEMETRY": "true"}
        values |= {
            "DVC_NO_ANALYTICS": "true",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "HOME": str(self.home),
        }
        values |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        values["DVC_SITE_CACHE_DIR"] = str(self.home / ".site")
        return values

    def run(self, *command: str, check: bool = True, **env: str) -> str:
        done = subprocess.run(command, cwd=self.home, env=self.env | env, capture_output=True, text=True)
        text = done.stdout + done.stderr
        assert not check or done.returncode == 0, text
        return text

    def python(self, *arguments: str, check: bool = True, **env: str) -> str:
        there = forks()
        path = os.pathsep.join([str(there.bin), self.env["PATH"]])
        code, out, err = there.run(arguments, self.home, self.env | {"PATH": path} | env)
        assert not check or code == 0, out + err
        return out + err

    def dvc(self, *arguments: str, check: bool = True, **env: str) -> str:
        return self.python("-m", "dvc", *arguments, check=check, **env)

    def params(self) -> dict:
        return yaml.safe_load((self.home / "params.yaml").read_text())

    def write(self, params: dict) -> None:
        (self.home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def make_project(home: Path, params: dict) -> Project:
    """The repository's code and pipeline in ``home``, under git, with ``params``."""
    home.mkdir(parents=True, exist_ok=True)
    skipped = shutil.ignore_patterns("__pycache__", "*.pyc")
    for folder in ("src", "stages", "plugins", ".dvc"):
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


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a split cohort, whose training would take hours."""
    params = digits_params(120)
    endless = {"epochs": 5000, "save_every_minutes": 0.002, "early_stopping": False}
    params["experiments"] = {"small": experiment("small_cnn", **endless)}
    params["experiments"]["small"]["evaluate"] |= {"saliency": False}
    project = make_project(tmp_path_factory.mktemp("prepared") / "project", params)
    for file in ("Makefile", "pyproject.toml"):
        shutil.copy2(ROOT / file, project.home)
    project.dvc("repro", "split@digits")
    return project


def grouped_params() -> dict:
    """Two experiments, two that start from them, a second site, an ensemble."""
    params = digits_params(360)
    params["datasets"]["digits"]["where"] = {"label": [0, 1, 2]}  # few classes, few curves to draw
    far = {"root": "data/demo/far", "watch": "data/demo/far"}
    params["demo"]["far"] = {"cohort": "digits", "seed": 3, "options": {"n": 100}}
    params["datasets"]["far"] = params["datasets"]["digits"] | far
    params["inputs"]["far"] = params["inputs"]["digits"] | {"dataset": "far"}
    quick = {"epochs": 1, "batch_size": 16}
    space = {"train.learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}, "train.batch_size": [16, 32]}
    params["experiments"] = {
        "small": experiment("small_cnn", **quick, distance=True) | {"search": {"space": space, "n_trials": 3}},
        "other": experiment("small_cnn", **quick, seed=7),
    }
    still = experiment("small_cnn", **quick | {"learning_rate": 1e-9, "weight_decay": 0.0})
    taught = experiment("small_cnn", **quick, distillation={})
    params["derived"] = {
        "tuned": still | {"from": "small", "use": "weights"},
        "student": taught | {"from": "other", "use": "teacher"},
    }
    for block in (*params["experiments"].values(), *params["derived"].values()):
        block["evaluate"] = {"draws": 200, "saliency": False}
    params["external"] = {"small_far": {"experiment": "small", "dataset": "far", "input": "far"}}
    members = ["small", "other"]
    params["ensembles"] = {"both": ensemble("digits", members, {"draws": 200, "saliency": {"samples": 1}})}
    params["ensemble_members"] = {f"both_{name}": {"ensemble": "both", "member": name} for name in members}
    return params


def ensemble(dataset: str, members: list[str], evaluate: dict) -> dict:
    """A block of ``ensembles``; ``ensemble_members`` needs an entry for each member."""
    return {"dataset": dataset, "input": dataset, "members": members, "evaluate": evaluate, "register": {}}


#: What stands in the file of a figure that is not rendered.
BLANK = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>',
    "png": base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
    ),
}


def run_stages(home: Path, *calls: str, mlflow: str = "off", rendered: bool = False) -> None:
    """Stage functions in this process: ``train small`` is ``python stages/train.py small`` in ``home``.

    Args:
        rendered: whether figures become pictures, which is most of what an evaluation of few samples takes; by default
            they are composed, and their files hold :data:`BLANK`.
    """
    import importlib
    import warnings

    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of Matplotlib, about crowded figures of so few samples
        patched.chdir(home)
        patched.setenv("SCANTUNE_MLFLOW", mlflow)
        if not rendered:
            patched.setattr(style, "_rendered", lambda figure, formats: [BLANK[form] for form in formats])
        for call in calls:
            stage, key = call.split()
            importlib.import_module(f"stages.{stage}").run(key)


#: Stages of the ensemble of :func:`grouped_params`.
ENSEMBLE = ("ensemble_member both_small", "ensemble_member both_other", "ensemble both", "evaluate both")


@pytest.fixture(scope="session")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the stages of all groups ran in this process, without DVC and MLflow."""
    home = tmp_path_factory.mktemp("groups")
    (home / "params.yaml").write_text(yaml.safe_dump(grouped_params(), sort_keys=False))
    prepared = [f"{stage} {name}" for stage in ("demo", "preprocess") for name in ("digits", "far")]
    trained = [f"train {name}" for name in ("small", "other", "tuned", "student")]
    run_stages(home, *prepared, "split digits", *trained)
    run_stages(home, "evaluate small", rendered=True)
    run_stages(home, "evaluate other", "external small_far", "across small_far", *ENSEMBLE)
    return home
