"""The page on a loop of one's own is one program: it runs as it stands."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "own_loop.md"


def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    manager, summary = names["manager"], names["summary"]
    assert (summary["epochs"], summary["steps"]) == (4, 8)
    assert manager.epoch == summary["best"]["epoch"]
    assert (tmp_path / "run/checkpoints/before_thawing.safetensors").is_file()
    assert len(list((tmp_path / "run/checkpoints").glob("epoch-*.safetensors"))) == 3
    with (tmp_path / "run/history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "run/steps.csv").open(newline="") as file:
        steps = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    first = [float(step["dice_loss"]) for step in steps if step["epoch"] == "1"]
    assert float(rows[0]["train_dice_loss"]) == pytest.approx(sum(first) / 2)
    assert json.loads((tmp_path / "run/summary.json").read_text())["best"]["val_dice"] == summary["best"]["val_dice"]
