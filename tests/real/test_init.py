"""What ``init`` writes for public data sets as their makers laid them out: it loads, and leads to every file."""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path

import pytest
import yaml

from scantune import cohort
from scantune.config.load import parse
from scantune.proposal.blocks import Proposed, propose
from tests.stages.conftest import run_stages

pytestmark = pytest.mark.real
DATA = os.environ.get("SCANTUNE_REAL_DATA", "")


def _folder(name: str) -> Path:
    if not DATA:
        pytest.skip("SCANTUNE_REAL_DATA is not set: the folder of public data sets")
    folder = Path(DATA, name).absolute()
    if not folder.is_dir():
        pytest.skip(f"SCANTUNE_REAL_DATA has no folder {name}")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _written(source: str, every: int = 1) -> Proposed:
    """The proposal, its tables written; of their rows one in ``every``."""
    proposal = propose(_folder(source.partition("/")[0]) / source.partition("/")[2])
    for path, table in proposal.tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        head, *rows = table.written().splitlines(keepends=True)
        path.write_text("".join([head, *rows[::every]]))
    return proposal


@pytest.mark.parametrize(
    ("source", "samples", "modality", "task"),
    [
        ("wbc", [298, 97], "image", "classification"),
        ("drive", [40], "image", "segmentation"),
        ("hippocampus", [260], "volume", "segmentation"),
    ],
)
def test_blocks_lead_to_every_file(home, source, samples, modality, task):
    result = _written(source)
    params = parse(result.blocks)
    records = {name: cohort.load(dataset, home) for name, dataset in params.datasets.items()}
    assert [len(own) for own in records.values()] == samples
    assert all(file.exists() for own in records.values() for r in own for file in (*r.files, *r.masks))
    assert all(path.exists() for own in records.values() for r in own for path in r.paths)
    assert {block.modality for block in params.inputs.values()} == {modality}
    assert {block.task.name for block in params.experiments.values()} == {task}
    for name, dataset in params.datasets.items():
        assert {row.split for row in cohort.split(records[name], cohort.settled(records[name], dataset.split)[0])} == {
            "train",
            "validation",
            "test",
        }


@pytest.mark.parametrize(
    ("source", "every"),
    [("wbc", 1), ("drive", 5), ("hippocampus", 5), pytest.param("pocus", 1, marks=pytest.mark.heavy)],
)
def test_blocks_train_to_a_report(home, source, every):
    """As written but for the number of epochs and of pictures; of tables that ``init`` wrote, a part of the rows."""
    blocks = _written(source, every).blocks
    for block in blocks["experiments"].values():
        block["train"] |= {"epochs": 1}
        block["evaluate"] = {"saliency": False, "draws": 200}
    (home / "params.yaml").write_text(yaml.safe_dump({"tracking": {"enabled": False}, **blocks}))
    name = next(iter(blocks["experiments"]))
    run_stages(home, *(f"{stage} {name}" for stage in ("index", "preprocess", "split", "train", "evaluate")))
    metrics = json.loads((home / "outputs" / name / "evaluate" / "metrics.json").read_text())
    headline = [metrics["metrics"][key]["value"] for key in metrics["headline"]]
    assert all(value is not None and math.isfinite(value) for value in headline)
    assert (home / "outputs" / name / "evaluate" / "report.html").stat().st_size > 10_000
    with (home / "data" / "splits" / name / "splits.csv").open() as file:
        test = {row["sample_id"] for row in csv.DictReader(file) if row["split"] == "test"}
    with (home / "outputs" / name / "evaluate" / "predictions.csv").open() as file:
        assert test <= {row["sample_id"] for row in csv.DictReader(file)}
