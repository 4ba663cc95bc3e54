"""``scantune find``: ids of samples and subjects lead to files, rows and reasons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from scantune import io
from scantune.cli import app
from scantune.cohort.splits_table import Assignment, write_splits
from scantune.records import ScantuneError
from scantune.tasks.classification.settings import Classification
from scantune.tasks.errors import sample_errors, worst, write_errors
from scantune.tasks.predictions import PredictionTable


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = []
    for n in range(6):
        if n != 4:
            io.write_png(tmp_path / "raw" / f"film {n}.png", np.full((8, 8), n, np.uint8))
        rows.append(f"film {n}.png,p{n // 2},{n % 2},{'AP' if n else 'lateral'}")
    (tmp_path / "raw" / "t.csv").write_text("\n".join(["file,patient,label,view", *rows]) + "\n")
    dataset = {"root": "raw", "watch": "raw", "table": "t.csv", "files": "{file}", "subject": "patient"}
    dataset |= {"targets": ["label"], "where": {"view": "AP"}, "sample": "{file}"}
    params = {"demo": {}, "datasets": {"films": dataset}, "experiments": {}, "derived": {}, "external": {}}
    params |= {"inputs": {"films": {"dataset": "films", "modality": "image", "shape": [8, 8]}}, "ensembles": {}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path


def _find(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["find", "films", *arguments])
    if isinstance(done.exception, ScantuneError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_a_sample_leads_to_its_file_row_and_partition(project):
    sample = next(word for word in _find("p1").split() if word.startswith("film"))
    (project / "data/splits/films").mkdir(parents=True)
    write_splits(project / "data/splits/films/splits.csv", [Assignment(sample, "p1", "test", None)])
    output = _find(sample)
    assert str(project / "raw" / "film 2.png") in output
    assert "t.csv, row 4; subject p1" in output
    assert "label: 0" in output
    assert "partition: test" in output
    assert "film 3" not in output


def test_a_subject_leads_to_all_its_samples_and_to_what_is_wrong_with_them(project):
    folder = project / "data/cache/films"
    folder.mkdir(parents=True)
    ids = [line.split("  ")[0] for line in _find("p2").splitlines() if not line.startswith(" ")]
    (folder / "excluded.csv").write_text(f"sample_id,reason\n{ids[1]},it is constant\n")
    output = _find("p2")
    assert f"not there: {project / 'raw' / 'film 4.png'}" in output
    assert "excluded by preprocess@films: it is constant" in output
    assert "left out by the key `where`" in _find("p0")


def test_an_unknown_id_is_refused_with_the_nearest(project):
    with pytest.raises(ScantuneError, match="p1"):
        _find("P1")


def test_ids_that_are_there_are_found_beside_unknown_ones(project):
    done = CliRunner().invoke(app, ["find", "films", "P1", "p2", "p9"])
    assert str(project / "raw" / "film 5.png") in done.output
    assert isinstance(done.exception, ScantuneError)
    assert "'P1'" in str(done.exception)
    assert "'p9'" in str(done.exception)


def test_what_a_model_has_wrong_of_a_sample_is_told(project):
    params = yaml.safe_load((project / "params.yaml").read_text())
    task = {"name": "classification", "target": "label"}
    block = {
        "dataset": "films",
        "input": "films",
        "task": task,
        "model": {"backbone": "resnet18"},
        "train": {"epochs": 1},
    }
    block |= {"evaluate": {}, "register": {}}
    params["experiments"] = {"kind": block}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    sample = next(word for word in _find("p1").split() if word.startswith("film"))
    table = PredictionTable.make(
        {"sample_id": [sample, "other"], "target": ["0", "1"], "p/0": np.array([0.1, 0.2]), "p/1": np.array([0.9, 0.8])}
    )
    out = project / "outputs/kind/evaluate"
    out.mkdir(parents=True)
    write_errors(worst(sample_errors(table, Classification())), out / "errors.csv")
    output = _find("p1")
    assert output.count("kind: ") == 1
    assert "label is worth checking" in output
    assert "0 predicted as 1 (0.90)" in output


def test_without_a_screen_nothing_is_opened(project, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("typer.launch", lambda path: pytest.fail("opened"))
    _find("p1", "--open")
    opened: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("typer.launch", opened.append)
    _find("p1", "--open")
    assert [Path(path).name for path in opened] == ["film 2.png", "film 3.png"]
