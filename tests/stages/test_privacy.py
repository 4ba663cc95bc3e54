"""No name, date, id, path or burned-in text leaves: planted in every place, looked for in all that is written."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml

from scantune.commands.cohorts import check
from scantune.preprocess import read_manifest, store
from tests.stages import planted

#: What is the user's own, or stays in the project's folder and is never logged, tracked or pushed.
LOCAL = ("params.yaml", ".scantune/index", ".scantune/store/digests.sqlite")


def run(home: Path, mlflow: str, *calls: str) -> None:
    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Matplotlib and MLflow
        patched.chdir(home)
        patched.setenv("SCANTUNE_MLFLOW", "off" if not mlflow else "on")
        if mlflow:
            patched.setenv("MLFLOW_TRACKING_URI", mlflow)
        for call in calls:
            stage, key = call.split()
            if stage == "check":
                check(key, input_name="", cache=False, out=None)
            else:
                importlib.import_module(f"stages.{stage}").run(key)


def project(tmp_path: Path, n: int) -> Path:
    roots = tmp_path / planted.SECRETS["root folder"]
    for name, make in planted.COHORTS.items():
        (roots / name).mkdir(parents=True)
        make(roots / name, n)
    home = tmp_path / "project"
    home.mkdir()
    (home / "params.yaml").write_text(yaml.safe_dump(planted.params(roots)))
    return home


def test_the_search_finds_what_is_there(tmp_path):
    """Or its silence would mean nothing."""
    home = project(tmp_path, 6)
    result = planted.found_in(tmp_path / planted.SECRETS["root folder"])
    kinds = {kind for of_file in result.values() for kind in of_file}
    assert kinds == set(planted.SECRETS) - {"root folder", "text in pixels"}
    assert planted.found_in(home) == {"params.yaml": ["root folder"]}


@pytest.mark.slow
def test_nothing_of_it_is_in_what_preprocess_and_split_write(tmp_path):
    home = project(tmp_path, 14)
    calls = [f"{stage} {name}" for name in planted.COHORTS for stage in ("index", "preprocess", "split")]
    run(home, "", *calls)
    assert planted.found_in(home, apart_from=LOCAL) == {}
    for name in planted.COHORTS:
        samples = read_manifest(home / "data" / "cache" / name / "manifest.csv")
        assert len(samples) == 14
        assert (home / "data" / "cache" / name / "excluded.csv").read_text().count("\n") == 2
        assert [sample.groups["age"] for sample in samples].count("90+") == 1
        top = [plane_of(home, name, sample.sample_id)[: 9 if name == "films" else 5] for sample in samples]
        if name == "loops":
            assert max(float(rows.max()) for rows in top) == 0  # outside the sector
        if name == "films":
            assert max(float(rows.max()) for rows in top) < 0.75  # no letter is left: they are the brightest


def plane_of(home: Path, name: str, sample_id: str) -> np.ndarray:
    """The brightest of a sample's frames at each pixel, 0 … 1."""
    tensor = store.load(home / "data" / "cache" / name / "samples" / f"{sample_id}.safetensors")["input"]
    return store.as_float(tensor).max(axis=tuple(range(tensor.ndim - 2)))


@pytest.mark.heavy
def test_nothing_of_it_is_in_any_output_figure_report_run_or_registered_model(tmp_path):
    home = project(tmp_path, 24)
    prepared = [f"{stage} {name}" for name in planted.COHORTS for stage in ("index", "preprocess", "split")]
    judged = [f"{stage} {name}" for name in planted.COHORTS for stage in ("train", "evaluate", "register")]
    run(home, f"sqlite:///{home / 'mlflow.db'}", *prepared, *judged, *(f"check {name}" for name in planted.COHORTS))
    for name in planted.COHORTS:
        assert (home / "outputs" / name / "evaluate" / "report.html").exists()
        assert list(home.rglob(f"outputs/{name}/evaluate/**/*.png"))
        assert (home / ".scantune" / "check" / name / "check.html").exists()
        pages = [page.read_bytes() for page in (home / "mlartifacts").rglob("check.html")]
        assert (home / ".scantune" / "check" / name / "check.html").read_bytes() in pages
    assert list((home / "mlartifacts").rglob("*.safetensors")), "the registered model is not among what was searched"
    assert planted.found_in(home, apart_from=LOCAL) == {}
