"""What every test starts from: one thread, no network, no MLflow server of the developer's own."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DVC_NO_ANALYTICS", "true")
for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "SCANTUNE_MLFLOW"):
    os.environ.pop(name, None)

#: Fixtures that take long and serve several files: tests that use one run in the process that has made it.
SHARED = {
    "ran": "pipeline",
    "grouped": "groups",
    "nursery": "trainings",
    "trained": "saliency",
    "trained_again": "saliency",
    "trained_3d": "saliency",
    "found": "saliency",
    "found_3d": "saliency",
}
#: Folders whose tests take longest begin first, so that no process is left alone with them at the end.
FIRST = ("stages", "engine", "explain", "test_tracking.py", "scantune_phantoms", "pipeline", "preprocess")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where tests run side by side (``-n 2 --dist loadgroup``): a file, or a shared fixture, to one process."""
    if not hasattr(config, "workerinput"):
        return
    here = config.rootpath / "tests"

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0] if item.path.is_relative_to(here) else ""
        return FIRST.index(folder) if folder in FIRST else len(FIRST)

    items.sort(key=place)
    for item in items:
        used = next((SHARED[name] for name in getattr(item, "fixturenames", ()) if name in SHARED), None)
        item.add_marker(pytest.mark.xdist_group(used or item.path.as_posix()))
