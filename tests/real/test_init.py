"""What ``init`` writes for public data sets as their makers laid them out: it loads, and leads to every file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scantune import cohort
from scantune.config.load import parse
from scantune.proposal.blocks import Proposed, propose

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


def _written(source: str) -> Proposed:
    """The proposal, its tables written."""
    proposal = propose(_folder(source.partition("/")[0]) / source.partition("/")[2])
    for path, table in proposal.tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(table.written())
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
