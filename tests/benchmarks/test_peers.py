"""Segmentation beside peers: blocks load for folders as the makers lay them out, folds are a partition, tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import budget, hippocampus, vessels
from scantune.config.load import parse
from tests.public.test_layouts import decathlon, drive


def test_blocks_of_a_fold_load(tmp_path: Path) -> None:
    decathlon(tmp_path)
    data = tmp_path / "Task04_Hippocampus"
    for number in range(6, 20):
        for folder in ("imagesTr", "labelsTr"):
            (data / folder / f"hippocampus_{number:03d}.nii.gz").touch()
    params = parse(hippocampus.blocks(data, 1, tmp_path / "fold") | {"derived": {}, "external": {}, "ensembles": {}})
    assert params.experiments["hippocampus"].model.backbone == "plain_unet"
    sides = [line.rsplit(",", 1)[1] for line in (tmp_path / "fold/fold.csv").read_text().split()[1:]]
    assert (sides.count("test"), sides.count("validation"), sides.count("train")) == (4, 10, 6)


def test_every_subject_is_predicted_in_one_fold() -> None:
    subjects = [f"s{number:02d}" for number in range(12)]
    folds = [hippocampus.sides_of(subjects, fold) for fold in range(5)]
    assert sorted(name for _, test in folds for name in test) == subjects
    assert all(not set(rest) & set(test) for rest, test in folds)


def test_blocks_of_the_vessels_load(tmp_path: Path) -> None:
    drive(tmp_path)
    params = parse(vessels.blocks(tmp_path, tmp_path / "home") | {"derived": {}, "external": {}, "ensembles": {}})
    assert params.datasets["drive"].region == "{view}"


def test_the_table_of_the_vessels(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(vessels, "scores", lambda *_: {"01": 0.7, "02": 0.8})
    for seed, gain in enumerate((0.0, 0.02)):
        for kind, more in (("monai", 0.0), ("scantune", 0.01)):
            dice = {"01": 0.8 + gain + more, "02": 0.82 + gain + more}
            budget.keep(tmp_path / f"{kind}_{seed}.json", {"steps": 9, "processor_minutes": 4.0, "dice": dice})
    vessels.table(tmp_path, tmp_path)
    printed = capsys.readouterr().out
    assert "| **scantune** | mean of 2 | | 0.8300 (" in printed
    assert "| scantune − monai, by eye | | | 0.0100 (0.0100 to 0.0100) |" in printed


def test_dice_and_its_interval() -> None:
    first, second = np.array([True, True, False]), np.array([True, False, False])
    assert budget.dice(first, second) == pytest.approx(2 / 3)
    assert np.isnan(budget.dice(~first & first, ~first & first))
    assert budget.interval(np.array([0.0, 1.0, 2.0])) == "1.0000 (-1.4841 to 3.4841)"  # 4.3027 / √3
