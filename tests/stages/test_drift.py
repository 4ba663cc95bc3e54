"""``scantune drift`` from a trained model: the same kind of images is no shift, brighter ones of another sex are."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml

from scantune import io
from scantune.commands.drifting import drift
from scantune.commands.predicting import predict
from scantune.records import ScantuneError
from scantune.tasks.predictions_file import read
from tests.stages.conftest import run_stages

pytestmark = pytest.mark.slow


def cohort(folder: Path, n: int, seed: int, brighter: int = 0, women: float = 0.5) -> None:
    rng = np.random.default_rng(seed)
    folder.mkdir()
    rows = [["path", "ill", "sex", "scanner"]]
    for number in range(n):
        ill = number % 2
        pixels = rng.integers(20, 90, (16, 16)) + rng.integers(0, 20) + brighter
        pixels[5:11, 5:11] += 60 * ill
        io.write_png(folder / f"{number}.png", np.clip(pixels, 0, 255).astype(np.uint8))
        rows.append([f"{number}.png", str(ill), "f" if rng.random() < women else "m", "ab"[number % 4 > 1]])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("drift")
    cohort(home / "films", 240, 1)
    cohort(home / "alike", 80, 2)
    cohort(home / "other", 80, 3, brighter=60, women=0.9)
    params = {
        "tracking": {"enabled": False},
        "datasets": {
            "films": {
                "root": "films", "table": "table.csv", "files": "{path}", "targets": {"ill": "ill"}, "groups": ["sex"],
                "split": {"method": "stratified", "on": "ill", "fractions": [0.6, 0.2, 0.2]},
            }
        },
        "inputs": {
            "films": {"dataset": "films", "modality": "image", "shape": [16, 16], "intensity": "scale", "workers": 1}
        },
        "experiments": {
            "ill": {
                "dataset": "films",
                "input": "films",
                "task": {"name": "classification", "target": "ill"},
                "model": {"backbone": "small_cnn"},
                "train": {"epochs": 3, "learning_rate": 0.01, "seed": 1, "distance": True},
                "evaluate": {"draws": 200, "saliency": False},
                "register": {},
            }
        },
    }  # fmt: skip
    (home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run_stages(home, "preprocess films", "split films", "train ill", "evaluate ill")
    for name in ("alike", "other"):
        table = home / name / "table.csv"
        predict(str(home / "outputs/ill/train/model"), table=table, out=home / f"{name}.csv", statistics=True)
        answers, rows = read(home / f"{name}.csv"), list(csv.DictReader(table.open()))
        with (home / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*answers.columns, "sex", "scanner"])
            cells = zip(*(answers.text(column) for column in answers.columns))
            writer.writerows([*of_row, row["sex"], row["scanner"]] for of_row, row in zip(cells, rows, strict=True))
    return home


def compared(path: Path) -> dict[tuple[str, str], str]:
    return {(row["group"], row["column"]): row["shifted"] for row in csv.DictReader(path.open())}


def test_images_of_the_same_kind_have_not_shifted(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "drift.csv"
    predictions = home / "outputs/ill/evaluate/predictions.csv"
    drift(str(home / "outputs/ill/train/model"), [home / "alike.csv"], predictions=predictions, out=out, strict=True)
    columns = {"distance above 1", "image_mean", "image_sd", "image_min", "image_max", "sex", "p/0", "p/1"}
    assert set(compared(out)) == {("", column) for column in columns}
    assert set(compared(out).values()) == {"no"}


def test_brighter_images_of_another_sex_have(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "drift.csv"
    model = str(home / "outputs/ill/train/model")
    with pytest.raises(typer.Exit):
        drift(model, [home / "other.csv"], by="scanner", out=out, strict=True)
    shifted = {key for key, answer in compared(out).items() if answer == "yes"}
    assert {
        ("scanner a", "image_mean"),
        ("scanner b", "image_mean"),
        ("scanner a", "sex"),
        ("scanner b", "sex"),
    } <= shifted
    assert "scanner a · image_mean: " in capsys.readouterr().out


def test_a_table_without_statistics_says_what_to_do(home: Path, tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text("file,p/0,p/1,reason\na.png,0.5,0.5,\n")
    with pytest.raises(ScantuneError, match="scantune predict --statistics"):
        drift(str(home / "outputs/ill/train/model"), [tmp_path / "answers.csv"], out=tmp_path / "drift.csv")
    with pytest.raises(ScantuneError, match="--by month: no such column; there are file"):
        drift(str(home / "outputs/ill/train/model"), [home / "alike.csv"], by="month", out=tmp_path / "drift.csv")
