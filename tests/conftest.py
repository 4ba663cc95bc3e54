"""What every test starts from: one thread, no network, no MLflow server of the developer's own."""

from __future__ import annotations

import gc
import os
import re
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.fonts import private_use_font  # noqa: F401 -- a fixture of several folders
from tests.mlflow_stores import copy_tables

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DVC_NO_ANALYTICS", "true")
for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "SCANTUNE_MLFLOW"):
    os.environ.pop(name, None)

#: Fixtures that take long and serve several files of a folder: those files run in one process.
SHARED = {
    "stages": ("ran", "grouped", "prepared"),
    "engine": ("nursery",),
    "explain": ("trained", "trained_3d"),
    "security": ("model_folder",),
}
#: Folders whose tests take longest begin first, so that no process is left alone with them at the end.
FIRST = ("stages", "engine", "explain", "test_tracking.py", "scantune_phantoms", "pipeline", "preprocess")


class FilesTogether(LoadScopeScheduling):
    """Tests of a file run in one process, and so do files that share a fixture that takes long."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(Path(self.config.rootpath) / nodeid.partition("::")[0])


@cache
def scope(file: Path) -> str:
    """The shared fixture that a file of tests uses, or its own path."""
    for name in SHARED.get(file.parent.name, ()):
        if re.search(rf"def \w+\([^)]*\b{name}\b", file.read_text()):
            return name
    return str(file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesTogether | None:
    """What ``-n 3 --dist loadscope`` means here; pytest-xdist's groups need what pytest 9 no longer has."""
    return FilesTogether(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where tests run side by side, those that take longest begin."""
    if not hasattr(config, "workerinput"):
        return
    here = config.rootpath / "tests"

    def place(item: pytest.Item) -> tuple[int, bool, str]:
        folder = item.path.relative_to(here).parts[0] if item.path.is_relative_to(here) else ""
        together = scope(item.path)
        return FIRST.index(folder) if folder in FIRST else len(FIRST), together == str(item.path), together

    items.sort(key=place)


def pytest_collectstart() -> None:
    """A million objects of libraries are not looked through again and again while they are imported."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What the libraries and the collection have made stays to the end; tests look through what is theirs."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> None:
    """MLflow's SQLite stores take their tables from a first one."""
    copy_tables(tmp_path_factory.mktemp("mlflow") / "tables.db")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow_tables: None) -> Path:
    """An empty project folder with its own SQLite store."""
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("SCANTUNE_PARENT_RUN_ID", raising=False)
    return tmp_path
