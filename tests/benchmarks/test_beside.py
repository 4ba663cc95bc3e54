"""Peers on the folds of a training: their tables have its sides, each sample is tested once, a row compares both."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import beside, gandlf_pictures_side, plain_timm
from tests.stages.conftest import run_stages

pytestmark = pytest.mark.slow

KINDS = ["No_findings", "Pneumonia"]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def films(tmp_path: Path) -> Path:
    images, random = tmp_path / "nih_chest" / "images", np.random.default_rng(0)
    images.mkdir(parents=True)
    lines = ["Image Index,Patient ID,Patient Gender,View Position,folder"]
    for number in range(24):
        Image.fromarray(random.integers(0, 256, (20, 20), "uint8")).save(images / f"{number}.png")
        lines.append(f"{number}.png,{number // 2},F,PA,{KINDS[number // 2 % 2]}")
    (tmp_path / "nih_chest" / "Data_Entry.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "pocus").mkdir()
    (tmp_path / "pocus" / "dataset_metadata.csv").touch()
    return tmp_path


def test_folds_beside_gandlf(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, tables = films / "home", list[dict[str, list[dict[str, str]]]]()
    project = home / "project" / "project"
    project.mkdir(parents=True)
    (home / "lite0.pt").touch()
    beside.defaults.write(beside.folded("pneumonia", films, home, 2, 43), project)
    run_stages(project, "index pneumonia", "preprocess pneumonia")

    def script(command: Sequence[str], env: Any, folder: Path | None = None) -> float:
        """What the script of GaNDLF writes, with predictions by chance."""
        if folder is not None:
            run_stages(folder, f"{Path(command[1]).stem} {command[2]}")
            return 0.0
        rows, out = table(Path(command[2])), Path(command[3])
        out.mkdir(parents=True)
        sides = gandlf_pictures_side.write_tables(rows, KINDS, out)
        tables.append({side: table(out / f"{side}.csv") for side in sides})
        told = [{"SubjectID": f"s{place}", "0": place / 24, "1": 1 - place / 24} for place in range(len(sides["test"]))]
        with (out / "told.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["SubjectID", "0", "1"])
            writer.writeheader()
            writer.writerows(told)
        gandlf_pictures_side.write_predictions(out / "told.csv", sides["test"], KINDS, out)
        return 3.0

    monkeypatch.setattr(beside.defaults, "timed", script)
    assert beside.peer_folds("gandlf", "pneumonia", films, home, 2, 43) == {"processor_minutes": 3.0}
    for (_, plan), sides in zip(beside.fold_sides(project, "pneumonia"), tables, strict=True):
        assert plan == {Path(row["Channel_0"]).name: side for side, rows in sides.items() for row in rows}
        assert ["ValueToPredict" in sides[side][0] for side in ("train", "validation", "test")] == [True, True, False]
        kinds = {row["ValueToPredict"]: int(Path(row["Channel_0"]).stem) // 2 % 2 for row in sides["train"]}
        assert kinds == {"0": 0, "1": 1}

    target = home / "pneumonia" / "gandlf_folds" / "seed_43" / "predictions.csv"
    tested = [row["sample_id"] for row in table(target)]
    assert sorted(tested) == sorted(f"{number}.png" for number in range(24))
    shutil.copytree(target.parent, home / "pneumonia" / "scantune_folds" / "seed_43")
    *_, row = beside.lines(home, {"pneumonia/gandlf_folds": 3.0}, folds=True)
    assert "| pneumonia | auroc | 24 (12) | " in row
    assert " | gandlf | " in row
    assert row.endswith(" | +0.000 (+0.000 to +0.000), 1 | nan and 3.0 |")

    for side in ("scantune", "gandlf"):
        seeds = home / "pneumonia" / f"{side}_folds"
        shutil.copytree(seeds / "seed_43", seeds / "seed_44")
        rows = table(seeds / "seed_44" / "predictions.csv")
        with (seeds / "seed_44" / "predictions.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(row | {f"p/{kind}": 0.5 for kind in KINDS} for row in rows)
    *_, single, one, several = beside.lines(
        home, {"pneumonia/scantune_folds": 2.0, "pneumonia/gandlf_folds": 3.0}, True
    )
    values = [float(row["p/Pneumonia"]) for row in table(seeds / "seed_43" / "predictions.csv")]
    averaged = table(home / "pneumonia" / "by_side" / "scantune_folds.mean" / "predictions.csv")
    assert [float(row["p/Pneumonia"]) for row in averaged] == pytest.approx([(value + 0.5) / 2 for value in values])
    assert single.startswith("| pneumonia | auroc | 24 (12) | ")
    assert " mean of 2 beside one training | " in one
    assert one.endswith(" | 4.0 and 3.0 |")
    assert " mean of 2 and of 2 | " in several
    assert several.endswith(" | 4.0 and 6.0 |")


def test_a_peer_that_cannot_train_a_set_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(beside.PEERS, "gandlf", ("gandlf_pictures_side.py", ""))
    assert "SCANTUNE_GANDLF_PYTHON names no interpreter" in beside.left_out("cells", "gandlf", 5)
    monkeypatch.setitem(beside.PEERS, "gandlf", ("gandlf_pictures_side.py", "python"))
    assert [beside.left_out(name, "gandlf", 5) != "" for name in ("cells", "age", "ultrasound")] == [False, True, True]
    assert not beside.left_out("age", "timm", 0)
    assert not beside.left_out("ultrasound", "timm", 5)
    assert "--folds" in beside.left_out("ultrasound", "scantune", 0)


def test_the_plain_script_sees_a_loop_at_even_distances_and_averages_what_the_network_answers(tmp_path: Path) -> None:
    path = tmp_path / "loop.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (600, 300))
    for step in range(11):
        writer.write(np.full((300, 600, 3), 20 * step, "uint8"))
    writer.release()
    seen = plain_timm.frames(str(path), 3)
    assert (tuple(seen.shape), seen.dtype) == ((3, 3, 256, 512), torch.uint8)
    assert seen.float().mean((1, 2, 3)).tolist() == pytest.approx([0, 100, 200], abs=2)
    _, whole = plain_timm.transforms(64, smear=False, loops=True)
    average = plain_timm.OverFrames(torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()))
    answer = average(whole(seen)[None])
    assert answer.shape == (1, 3)
    assert answer[0].tolist() == pytest.approx([(100 - 127) / 128] * 3, abs=0.02)


def test_files_of_loops_are_those_of_their_table(tmp_path: Path) -> None:
    (tmp_path / "loops.csv").write_text("sample,file\nloop_7,convex/a.b.mp4\n")
    assert beside._file_of({"files": "{file}", "table": str(tmp_path / "loops.csv")})("loop_7") == "convex/a.b.mp4"
    assert beside._file_of({"files": "images/{Image Index}"})("1.png") == "images/1.png"
