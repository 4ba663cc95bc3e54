"""``scantune get NAME --from FOLDER`` of the public data sets that are here: blocks load and lead to every file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scantune import cohort
from scantune.cli import app
from scantune.config.load import load

pytestmark = pytest.mark.real
DATA = os.environ.get("SCANTUNE_REAL_DATA", "")
EMPTY = "\n".join(f"{group}: {{}}" for group in ("demo", "datasets", "inputs", "experiments", "derived", "external"))


@pytest.mark.parametrize(
    ("name", "folder", "samples", "subjects"),
    [
        ("white_cells", "wbc", [298, 97], [298, 97]),
        ("drive", "drive", [40], [40]),
        ("msd_hippocampus", "hippocampus", [260], [260]),
        ("nih_chest", "nih_chest", [1000], [682]),
        ("pocus", "pocus", [125], [75]),
    ],
)
def test_blocks_lead_to_every_file(tmp_path, monkeypatch, name, folder, samples, subjects):
    source = Path(DATA, folder).absolute()
    if not DATA or not source.is_dir():
        pytest.skip(f"SCANTUNE_REAL_DATA has no folder {folder}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(f"{EMPTY}\nensembles: {{}}\n")
    done = CliRunner().invoke(app, ["get", name, "--from", str(source), "--accept-licence"])
    assert done.exit_code == 0, done.output
    params = load(tmp_path / "params.yaml")
    records = [cohort.load(dataset, tmp_path) for dataset in params.datasets.values()]
    assert [len(own) for own in records] == samples
    assert [len({r.subject_id for r in own}) for own in records] == subjects
    assert all(file.exists() for own in records for r in own for file in (*r.files, *r.masks))
    assert name in params.experiments
